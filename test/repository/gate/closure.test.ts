import { describe, expect, it } from '@jest/globals';
import { closureFindings } from '../../../src/repository/gate/closure.ts';
import type { Finding } from '../../../src/repository/gate/finding.ts';
import {
  type GatePackage,
  readBasePackage,
  readGatePackage,
} from '../../../src/repository/gate/gate-package.ts';
import { Universe } from '../../../src/repository/gate/universe.ts';

function made(cpv: string, metadata: Readonly<Record<string, string>> = {}): GatePackage {
  const file = { path: '', size: 1, mtimeSeconds: 1, buildId: 1, keyFingerprint: '' };
  return readGatePackage({ id: cpv, cpv, metadata: { SLOT: '0', ...metadata }, file });
}

/** What is found of `a/app-1` with this metadata, beside these packages. */
function found(
  metadata: Readonly<Record<string, string>>,
  others: readonly GatePackage[] = [],
  sonames: readonly string[] = [],
): Finding[] {
  const app = made('a/app-1', metadata);
  const universe = new Universe();
  for (const one of [app, ...others]) {
    universe.add(one);
  }
  universe.provide(sonames);
  return closureFindings(app, universe);
}

const LIB = made('d/lib-2.1-r3', {
  SLOT: '2/16',
  USE: 'ssl amd64',
  IUSE: '+ssl zlib',
  PROVIDES: 'x86_64: liblib.so.16 x86_32: liblib.so.16',
});

describe('what a package needs', () => {
  it.each([
    'd/lib',
    '>=d/lib-2',
    '=d/lib-2.1*',
    '~d/lib-2.1',
    'd/lib:2',
    'd/lib:2/16=',
    'd/lib:*',
    'd/lib[ssl]',
    'd/lib[ssl,-zlib]',
    'd/lib[new(-)?]',
    'd/lib[gone(+)]',
    '|| ( d/none d/lib )',
    '|| ( ( d/none d/lib ) ( d/lib >=d/lib-2 ) )',
    'ssl? ( d/none )',
    '!d/none !!d/lib',
  ])('is there: %s', (RDEPEND) => {
    expect(found({ RDEPEND }, [LIB])).toEqual([]);
  });

  it.each([
    [
      'd/none',
      'a/app-1 needs d/none (RDEPEND), which neither the snapshot nor the base system has.',
    ],
    ['>d/lib-2.1-r3', '; there is d/lib-2.1-r3:2/16.'],
    ['d/lib:3', '; there is d/lib-2.1-r3:2/16.'],
    ['d/lib[zlib]', 'a/app-1 needs d/lib[zlib] (RDEPEND)'],
    ['d/lib[gone(-)]', 'a/app-1 needs d/lib[gone(-)] (RDEPEND)'],
    ['d/lib[-ssl]', 'needs d/lib[-ssl]'],
    ['|| ( d/none >d/lib-3 )', 'needs || ( d/none >d/lib-3 ) (RDEPEND)'],
    ['|| ( ( d/none d/lib ) d/no )', 'needs || ( ( d/none d/lib ) d/no )'],
  ])('is missing: %s', (RDEPEND, sentence) => {
    const [finding, ...more] = found({ RDEPEND }, [LIB]);
    expect(finding).toMatchObject({ kind: 'dependency-missing', cpv: 'a/app-1', rebuild: null });
    expect(finding?.message).toContain(sentence);
    expect(more).toEqual([]);
  });

  it('is asked of PDEPEND and IDEPEND too, and not of what builds need', () => {
    const all = { DEPEND: 'd/a', BDEPEND: 'd/b', PDEPEND: 'd/p', IDEPEND: 'd/i d/lib' };
    expect(found(all, [LIB]).map(({ message }) => message.split(',', 1)[0])).toEqual([
      'a/app-1 needs d/p (PDEPEND)',
      'a/app-1 needs d/i (IDEPEND)',
    ]);
  });

  it('is decided by its own flags', () => {
    const conditional = { RDEPEND: 'x? ( d/none ) !y? ( d/no ) d/lib[ssl?]', IUSE: 'ssl x y' };
    expect(found({ ...conditional, USE: 'y' }, [LIB])).toEqual([]);
    expect(found({ ...conditional, USE: 'x' }, [LIB])).toHaveLength(2);
  });

  it.each([
    ['x on', ['ssl'], undefined, 'd/none[ssl]', true],
    ['x off', ['-ssl'], undefined, 'd/none[-ssl]', true],
    ['x off', ['-ssl'], undefined, 'd/none[ssl(+)]', false],
    ['x off', ['-ssl'], undefined, 'd/none[-ssl(+)]', true],
    ['nothing of x', [], undefined, 'd/none[ssl]', false],
    ['nothing of x', [], undefined, 'd/none[ssl(-)]', false],
    ['nothing of x', [], undefined, 'd/none[ssl(+)]', true],
    ['nothing of x', [], undefined, 'd/none[-ssl(-)]', true],
    ['nothing of x', [], undefined, 'd/none[-ssl]', true],
    ['that there is no x', [], [], 'd/none[ssl(+)]', true],
    ['that there is no x', [], [], 'd/none[-ssl(+)]', false],
    ['that there is no x', [], [], 'd/none[-ssl]', false],
    ['x in both ways', [], ['ssl'], 'd/none[ssl]', false],
    ['x in both ways', [], ['ssl'], 'd/none[-ssl]', false],
    ['x in both ways', [], ['ssl'], 'd/none[ssl(+)]', false],
  ])('of the base system, which says %s %j (of %j): %s', (...row) => {
    const [, use, iuse, RDEPEND, isMet] = row;
    const known = iuse === undefined ? {} : { iuse };
    const base = readBasePackage({ cpv: 'd/none-3', slot: '0', use, ...known });
    expect(found({ RDEPEND }, [base])).toHaveLength(isMet ? 0 : 1);
  });

  it('may come from the base system, with the flags that it has on', () => {
    const base = readBasePackage({ cpv: 'd/none-3', slot: '0/4', use: ['ssl'] });
    expect(found({ RDEPEND: '>=d/none-2:0/4=[ssl,-zlib]' }, [base])).toEqual([]);
    expect(found({ RDEPEND: 'd/none[zlib]' }, [base])).toHaveLength(1);
  });
});

describe('a built slot operator', () => {
  it.each(['d/lib:2/15=', '>=d/lib-2:2/15=[ssl]', 'd/lib:1/1='])(
    '%s is broken when there is another sub-slot: the package has to be rebuilt',
    (RDEPEND) => {
      expect(found({ RDEPEND, SLOT: '7/3' }, [LIB])).toEqual([
        expect.objectContaining({
          kind: 'slot-operator-broken',
          message: `a/app-1 was built against ${RDEPEND} (RDEPEND), but there is d/lib-2.1-r3:2/16.`,
          rebuild: 'a/app:7',
        }),
      ]);
    },
  );

  it.each([
    ['|| ( d/lib:2/15= d/none )', 'a/app-1 was built against || ( d/lib:2/15= d/none ) (RDEPEND)'],
    ['|| ( d/none:0/1= ( d/lib:2/15= d/lib ) )', 'but there is d/lib-2.1-r3:2/16.'],
    ['|| ( ( d/gone d/lib:1/1= ) ( || ( d/no d/lib:2/15= ) ) )', 'publish d/lib as it was'],
  ])('is broken inside of alternatives too: %s', (RDEPEND, sentence) => {
    const [finding, ...more] = found({ RDEPEND }, [LIB]);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: 'slot-operator-broken', rebuild: 'a/app:0' });
    expect(`${finding?.message} ${finding?.remedy}`).toContain(sentence);
  });

  it.each(['|| ( ( d/lib:2/15= d/none ) d/no )', '|| ( d/none:0/1= d/no:0/1= )'])(
    'inside of alternatives is not what is wrong when more is missing: %s',
    (RDEPEND) => {
      const [finding] = found({ RDEPEND }, [LIB]);
      expect(finding).toMatchObject({ kind: 'dependency-missing', rebuild: null });
    },
  );

  it('is not what is wrong when nothing matches otherwise', () => {
    const [finding] = found({ RDEPEND: '>d/lib-3:2/15=' }, [LIB]);
    expect(finding).toMatchObject({ kind: 'dependency-missing', rebuild: null });
  });
});

describe('a soname', () => {
  it.each([
    ['x86_64: liblib.so.16 x86_32: liblib.so.16', []],
    ['x86_64: libc.so.6', ['x86_64: libc.so.6']],
  ])('is there: %s', (REQUIRES, sonames) => {
    expect(found({ REQUIRES }, [LIB], sonames)).toEqual([]);
  });

  it('counts only in its own multilib category', () => {
    const [finding] = found({ REQUIRES: 'x86_32: libc.so.6' }, [], ['x86_64: libc.so.6']);
    expect(finding?.message).toBe(
      'a/app-1 needs the library libc.so.6 (x86_32), which nothing provides.',
    );
  });

  it('of which there is another version means that the package has to be rebuilt', () => {
    expect(found({ REQUIRES: 'x86_64: liblib.so.15' }, [LIB])).toEqual([
      expect.objectContaining({
        kind: 'soname-missing',
        message: 'a/app-1 needs the library liblib.so.15 (x86_64); there is liblib.so.16.',
        rebuild: 'a/app:0',
      }),
    ]);
  });

  it('that nothing is like is only missing', () => {
    const [finding] = found({ REQUIRES: 'x86_64: libother.so.1' }, [LIB]);
    expect(finding).toMatchObject({ kind: 'soname-missing', rebuild: null });
    expect(finding?.message).toContain('which nothing provides');
  });
});

describe('the id of a finding', () => {
  it('is the same for another version of the package, and another for another need', () => {
    const [one] = found({ RDEPEND: 'd/none' });
    const [same] = closureFindings(made('a/app-2', { RDEPEND: 'd/none' }), new Universe());
    const [other] = found({ RDEPEND: 'd/no' });
    expect(same?.id).toBe(one?.id);
    expect(other?.id).not.toBe(one?.id);
    expect(one?.id).toMatch(/^dependency-missing-[0-9a-f]{10}$/);
  });
});
