import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as z from 'zod';
import { reduceDependencies } from '../../src/binpkg/pkgdir/reduced-dependencies.ts';
import { evaluateAtom, matchesAtom, parseAtom } from '../../src/gentoo/atom.ts';
import { parseCpv } from '../../src/gentoo/cpv.ts';
import { flattenAtoms, formatDepString, useReduce } from '../../src/gentoo/dep-string.ts';
import { EAPIS } from '../../src/gentoo/eapi.ts';
import { formatIndexEntry } from '../../src/gentoo/index-entry.ts';
import { formatMakeConfVariable } from '../../src/gentoo/make-conf.ts';
import {
  formatPackagesIndex,
  parsePackagesIndex,
  valueOf,
} from '../../src/gentoo/packages-index.ts';
import { compareVersions } from '../../src/gentoo/version.ts';
import { foldWhitespace } from '../../src/gentoo/whitespace.ts';
import { isAppError } from '../../src/support/errors.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import {
  ATOMS,
  CANDIDATES,
  DEP_STRINGS,
  depTreeArbitrary,
  NOT_ATOMS,
  NOT_DEP_STRINGS,
  VERSIONS,
  versionArbitrary,
} from '../gentoo/samples.ts';
import { findPortage, portageSuite } from '../support/gentoo-prefix.ts';

const answerSchema = z.object({
  orders: z.array(z.string()),
  cpvs: z.array(z.array(z.string()).nullable()),
  atoms: z.array(z.boolean()),
  matches: z.array(z.array(z.boolean())),
  evaluated: z.array(z.string()),
  decided: z.array(z.array(z.boolean())),
  reduced: z.array(z.string().nullable()),
  reducedAtoms: z.array(z.string().nullable()),
  valid: z.array(z.boolean()),
  index: z.object({ text: z.string(), entries: z.array(z.record(z.string(), z.string())) }),
  settings: z.record(z.string(), z.string()),
});
const SEED = 20_261_122;

const versions = [
  ...new Set([...VERSIONS, ...fc.sample(versionArbitrary, { numRuns: 40, seed: SEED })]),
];
const cpvs = [
  'app-misc/top-2.1-r3',
  'a/b-1',
  'a/b-c-1',
  'a/b-1-2',
  'a/b-1a-c-2',
  'a/b-1-r1-r2',
  'a/b',
  'b-1',
  'a/b-1.',

  'a/-b-1',
  'a/b--1',
  'a/b+-1',
  'a/b_p-1',
  'a/b-1_p',
  'a/b-1_foo',
  '-a/b-1',
  'a.b/c-1',
  'a/b.c-1',
  'a/b-r1-1',
  'a/b-1-r',
  'a/b-01.02z_rc3_p4-r05',
];
const eapiAtoms = [...ATOMS, ...NOT_ATOMS].flatMap((atom) =>
  [null, ...EAPIS].map((eapi) => [atom, eapi] as const),
);
const evaluations = [
  'a/b[x?]',
  'a/b[!x?]',
  'a/b[x=]',
  'a/b[!x=]',
  'a/b[x?,y,-z(+),!w(-)=]',
  '>=a/b-1:0/2=[x(+)?]',
  'a/b[x]',
].flatMap((atom) => [[], ['x'], ['x', 'w']].map((use) => [atom, use] as const));
const decisions = evaluations.flatMap(([atom, use]) =>
  ['app-misc/top', '!app-misc/top', '=app-misc/top-1*'].map(
    (name) => [atom.replace('>=', '').replace(/a\/b(?:-1)?/, name), use] as const,
  ),
);
/** Words of which some are atoms, some only where no EAPI is told, and some are none. */
const wordArbitrary = fc.oneof(
  { arbitrary: fc.constantFrom('a/a', '>=b/b-1:0/2=', 'c/c[x?,-y(+)]', '!!d/d'), weight: 6 },
  fc.constantFrom('=a/a-1-2', '~a/a-1.0-r1-3[x=]', '=a/a-1-02', 'a/a::lab[!x?]', 'a/a:0::lab'),
  fc.constantFrom('a/*', '*/*', '+a/a', 'GPL-2', 'a/a-1', '->', '(a/a', 'a/a)', 'a/a||', 'a/a?'),
  fc.constantFrom('a/a\u0085b/b', 'a/a\u001cb/b', 'a/a\ufeffb/b', 'a/a\u3000b/b'),
);
const mixedArbitrary = fc.letrec<{ group: string }>((tie) => ({
  group: fc
    .array(
      fc.oneof(
        { depthIdentifier: 'mixed', maxDepth: 3, withCrossShrink: true },
        wordArbitrary,
        fc
          .tuple(fc.constantFrom('x?', '!x?', 'y?', '||', ''), tie('group'))
          .map(([head, group]) => `${head} ( ${group} )`),
      ),
      { minLength: 1, maxLength: 3, depthIdentifier: 'mixed' },
    )
    .map((parts) => parts.join(' ')),
})).group;
const mixed = [
  ...fc.sample(mixedArbitrary, { numRuns: 2000, seed: SEED }),
  ...DEP_STRINGS,
  ...NOT_DEP_STRINGS,
];
const reducedAtoms = mixed.flatMap((text) => [[], ['x']].map((use) => [text, use] as const));
const valid = mixed.flatMap((text) => [null, '0', '4', '8'].map((eapi) => [text, eapi] as const));
const trees = fc.sample(depTreeArbitrary, { numRuns: 1500, seed: SEED }).map(formatDepString);
const reductions = [...DEP_STRINGS, ...NOT_DEP_STRINGS, ...trees].flatMap((text) =>
  [[], ['x'], ['x', 'y', 'z']].flatMap((use) =>
    ['6', '8'].map((eapi) => [text, use, eapi] as const),
  ),
);
const values = fc.sample(
  fc
    .array(fc.constantFrom('a', '$', '\\', '"', "'", '{', '}', ' ', 'X', '#', '`', '-O2'), {
      maxLength: 8,
    })
    .map((parts) => parts.join('')),
  { numRuns: 1500, seed: SEED },
);
const header = {
  VERSION: '0',
  TIMESTAMP: '1795376811',
  PACKAGES: '3',
  CHOST: 'x86_64-pc-linux-gnu',
  repository: 'lab',
  ARCH: 'amd64',
  PROFILE: '',
};
const files = ['app-misc/top-2.1-r3', 'app-misc/top-10', 'dev-libs/libhi-1.0'].map(
  (cpv, index) => ({
    cpv,
    path: `${cpv}-${index + 1}.gpkg.tar`,
    buildId: index + 1,
    size: 10_240 + index,
    md5: '9d4f3608185cd2c42270b8b0243615c4',
    sha1: 'd4ae021561cc1c842b9ed56d0a967b49c983ef54',
    mtimeSeconds: 1_795_378_139,
    metadata: {
      BUILD_TIME: '1795376811\n',
      DEFINED_PHASES: 'install\n',
      EAPI: '8\n',
      SLOT: index === 1 ? '0\n' : '0/1\n',
      IUSE: '+x static  +doc\n',
      USE: 'amd64\tdoc x\n',
      KEYWORDS: 'amd64\n',
      RDEPEND: '\n  app-misc/libhi:0/1=\n  >=app-misc/hello-1.0[doc]\n',
      CHOST: index === 2 ? 'i686-pc-linux-gnu\n' : 'x86_64-pc-linux-gnu\n',
      repository: index === 2 ? 'other\n' : 'lab\n',
      DESCRIPTION: 'not for the index\n',
    },
  }),
);

function portagesNames(stanza: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(
    [...stanza].map(([key, value]) => [
      { MTIME: '_mtime_', REPO: 'repository' }[key] ?? key,
      value,
    ]),
  );
}

function isAccepted(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (isAppError(error)) {
      return false;
    }
    throw error;
  }
}

const [name, isSkipped] = portageSuite("the language of Gentoo, compared with Portage's own code");

(isSkipped ? describe.skip : describe)(name, () => {
  let answer: z.infer<typeof answerSchema>;

  beforeAll(async () => {
    const stanzas = files.map((file) => `${formatIndexEntry(file)}\n`).join('');
    const { entries } = parsePackagesIndex(`VERSION: 0\n\n${stanzas}`);
    const question = {
      versions,
      cpvs,
      atoms: eapiAtoms,
      matches: ATOMS,
      candidates: CANDIDATES,
      evaluated: evaluations,
      decided: decisions,
      reduced: reductions,
      reducedAtoms,
      valid,
      header,
      packages: entries.map(portagesNames).toReversed(),
      settings: values.map((value, index) => formatMakeConfVariable(`V${index}`, value)).join(''),
    };
    const { pythonPath } = findPortage() ?? {};
    const { stdout } = await runChecked(['python3', join(import.meta.dirname, 'language.py')], {
      env: {
        ...toolEnvironment(),
        PORTAGE_NATIVE_DEP_PARSER: '0',
        ...(pythonPath === undefined ? {} : { PYTHONPATH: pythonPath }),
      },
      input: JSON.stringify(question),
    });
    answer = answerSchema.parse(JSON.parse(stdout.toString('utf8')));
  }, 120_000);

  it('orders every pair of versions alike', () => {
    const ours = versions.map((a) =>
      versions.map((b) => '<=>'[Math.sign(compareVersions(a, b)) + 1]).join(''),
    );

    expect(versions.length).toBeGreaterThan(150);
    expect(ours).toEqual(answer.orders);
  });

  it('takes CPVs apart alike, and refuses the same ones', () => {
    const ours = cpvs.map((cpv) => {
      if (!isAccepted(() => parseCpv(cpv))) {
        return null;
      }
      const { category, pn, pv, pr } = parseCpv(cpv);
      return [category, pn, pv, pr];
    });

    expect(ours).toEqual(
      answer.cpvs.map((parts, index) => (cpvs[index]?.includes('/') ? parts : null)),
    );
  });

  it('accepts the same atoms in every EAPI and in configuration files', () => {
    const ours = eapiAtoms.map(([atom, eapi]) => [
      atom,
      eapi,
      isAccepted(() => parseAtom(atom, eapi === null ? {} : { eapi })),
    ]);

    expect(ours).toEqual(eapiAtoms.map((pair, index) => [...pair, answer.atoms[index]]));
  });

  it('matches the same packages', () => {
    const ours = ATOMS.map((atom) =>
      CANDIDATES.map((candidate) => [atom, candidate.cpv, matchesAtom(parseAtom(atom), candidate)]),
    );

    expect(ours).toEqual(
      ATOMS.map((atom, row) =>
        CANDIDATES.map(({ cpv }, column) => [atom, cpv, answer.matches[row]?.[column]]),
      ),
    );
  });

  it('decides conditional USE dependencies alike', () => {
    const ours = evaluations.map(([atom, use]) => evaluateAtom(parseAtom(atom), new Set(use)).text);

    expect(ours).toEqual(answer.evaluated);
  });

  it('matches the same packages with what was decided', () => {
    const ours = decisions.map(([atom, use]) => {
      const decided = evaluateAtom(parseAtom(atom), new Set(use));
      return [atom, use, CANDIDATES.map((candidate) => matchesAtom(decided, candidate))];
    });

    expect(ours).toEqual(decisions.map((one, index) => [...one, answer.decided[index]]));
  });

  it('reduces the dependencies in an index to the same text, and refuses the same ones', () => {
    const ours = reducedAtoms.map(([text, use]) => {
      const keys = { USE: use.join(' '), RDEPEND: foldWhitespace(text) };
      const reduce = (): string | undefined => reduceDependencies(keys)['RDEPEND'];
      return [text, use, isAccepted(reduce) ? reduce() : null];
    });

    expect(new Set(answer.reducedAtoms.map((text) => text === null)).size).toBe(2);
    expect(ours).toEqual(reducedAtoms.map((one, index) => [...one, answer.reducedAtoms[index]]));
  });

  it('takes the same dependencies of a package for valid', () => {
    const ours = valid.map(([text, eapi]) => {
      const options = eapi === null ? { allowsBuildId: true } : { eapi };
      return [text, eapi, isAccepted(() => flattenAtoms(text, 'all', options))];
    });

    expect(ours).toEqual(valid.map((one, index) => [...one, answer.valid[index]]));
  });

  it('reduces dependency strings to the same text, and refuses the same ones', () => {
    const ours = reductions.map(([text, use, eapi]) => {
      const reduce = (): string => formatDepString(useReduce(text, new Set(use), { eapi }));
      return [text, use, eapi, isAccepted(reduce) ? reduce() : null];
    });

    expect(ours).toEqual(reductions.map((one, index) => [...one, answer.reduced[index]]));
  });

  it('writes the index byte for byte, and Portage reads back what we meant', () => {
    const { repository: REPO, ...others } = header;
    const text = formatPackagesIndex({ ...others, REPO }, files.map(formatIndexEntry));
    const index = parsePackagesIndex(text);

    expect(text).toBe(answer.index.text);
    expect(answer.index.entries).toHaveLength(3);
    for (const [position, entry] of answer.index.entries.entries()) {
      for (const [key, value] of Object.entries(entry)) {
        const written = { _mtime_: 'MTIME', repository: 'REPO' }[key] ?? key;
        const found = valueOf(index, index.entries[position] ?? new Map(), written);
        expect([key, found]).toEqual([key, value]);
      }
    }
  });

  it('quotes values for make.conf so that they arrive unchanged', () => {
    const arrived = values.map((_, index) => answer.settings[`V${index}`]);

    expect(arrived).toEqual(values);
  });
});
