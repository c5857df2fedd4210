import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { BaseSystem } from '../../../src/gentoo/base-system.ts';
import { sonamesIn } from '../../../src/gentoo/soname-list.ts';
import { SnapshotChecker } from '../../../src/repository/gate/snapshot-checker.ts';
import { createLayout } from '../../../src/repository/layout.ts';
import { insertPackage } from '../../../src/repository/package-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { rounds } from '../../support/test-database.ts';
import { makePackage, makeProfile } from '../make-package.ts';
import { type Installation, openInstallation, push } from '../open-installation.ts';

const folder = temporaryFolder();
let installation: Installation;

beforeEach(async () => {
  await mkdir(join(folder, 'made'));
  installation = await openInstallation(join(folder, 'installation'), new ManualClock());
});

afterEach(async () => {
  await installation.close();
});

function sonames(numbers: readonly number[]): string {
  return numbers.length === 0 ? '' : `x86_64: ${numbers.map((n) => `lib${n}.so.1`).join(' ')}`;
}

describe('the gate', () => {
  const NAMES = ['a', 'b', 'c', 'd'];
  const atom = fc.tuple(
    fc.constantFrom('', '>=', '<'),
    fc.constantFrom(...NAMES),
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom('', ':0/1=', ':0/2='),
  );
  const record = fc.record({
    name: fc.constantFrom(...NAMES),
    version: fc.integer({ min: 1, max: 3 }),
    sub: fc.integer({ min: 1, max: 2 }),
    atoms: fc.array(atom, { maxLength: 3 }),
    provides: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
    requires: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
  });

  const basePackage = fc.record({
    cpv: fc.constantFrom('x/a-1', 'x/b-2', 'x/c-3'),
    slot: fc.constantFrom('0/1', '0/2'),
    use: fc.constant<string[]>([]),
  });

  type Made = typeof record extends fc.Arbitrary<infer Value> ? Value : never;

  it('says the same of a set that it came to step by step as of one it sees for the first time', async () => {
    const { database } = installation;
    let count = 0;
    const store = async (one: Made): Promise<string> => {
      count += 1;
      const id = `pkg-${count}`;
      const cpv = `x/${one.name}-${one.version}`;
      const RDEPEND = one.atoms
        .map(([operator, name, version, slot]) =>
          operator === '' ? `x/${name}${slot}` : `${operator}x/${name}-${version}${slot}`,
        )
        .join(' ');
      const metadata = {
        SLOT: `0/${one.sub}`,
        RDEPEND,
        PROVIDES: sonames(one.provides),
        REQUIRES: sonames(one.requires),
      };
      await insertPackage(database, {
        ...template,
        id,
        cpv,
        metadata,
        slot: metadata.SLOT,
        buildId: count,
        path: `x/${one.name}/${count}`,
        uploadSha512: id,
        sha512: id,
      });
      return id;
    };
    const file = await makePackage(join(folder, 'made'), 'app-misc/template-1');
    const template = (await push(installation.repository, file)).package;
    const rules = {
      profile: makeProfile('web'),
      layout: createLayout(installation.folders),
      currentKeys: new Set([template.keyFingerprint]),
    };
    /** In parts of up to three packages, as blocks of a snapshot are. */
    const setOf = (ids: readonly string[], base: BaseSystem) => ({
      base,
      rules,
      parts: Array.from({ length: Math.ceil(ids.length / 3) }, (_, at) => {
        const some = ids.slice(at * 3, at * 3 + 3);
        return { id: some.join(' '), load: async () => some };
      }),
    });
    // The one looks at files on a thread, the other one does not.
    const checker = new SnapshotChecker(1);
    const steps = fc.array(
      fc.record({
        added: fc.array(record, { maxLength: 4 }),
        kept: fc.array(fc.boolean()),
        base: fc.record({
          packages: fc.uniqueArray(basePackage, { selector: ({ cpv }) => cpv, maxLength: 2 }),
          sonames: fc.uniqueArray(fc.constantFrom(...sonamesIn(sonames([1, 2, 3, 4])))),
        }),
      }),
      { minLength: 2, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (turns) => {
        let ids: string[] = [];
        for (const { added, kept, base } of turns) {
          ids = ids.filter((_, at) => kept[at % Math.max(1, kept.length)] ?? true);
          for (const one of added) {
            ids.push(await store(one));
          }
          const set = setOf(ids, base);
          const stepwise = await checker.check(database, 'x', set);
          const anew = await new SnapshotChecker().check(database, 'x', set);
          const told = (findings: typeof anew): string[] =>
            findings.map(({ id, message }) => `${id} ${message}`).toSorted();
          expect(told(stepwise)).toEqual(told(anew));
        }
      }),
      { numRuns: rounds(60) },
    );
  });
});
