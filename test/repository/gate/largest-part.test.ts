import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { lacksOf } from '../../../src/repository/gate/closure.ts';
import { type GatePackage, readGatePackage } from '../../../src/repository/gate/gate-package.ts';
import { largestPart, type Part } from '../../../src/repository/gate/largest-part.ts';
import { Universe } from '../../../src/repository/gate/universe.ts';

let made = 0;

function one(cpv: string, metadata: Readonly<Record<string, string>> = {}): GatePackage {
  made += 1;
  const file = { path: '', size: 1, mtimeSeconds: 1, buildId: 1, keyFingerprint: '' };
  return readGatePackage({ id: `pkg-${made}`, cpv, metadata: { SLOT: '0', ...metadata }, file });
}

function part(present: readonly GatePackage[], offered: readonly GatePackage[]): Part {
  return largestPart({ present, offered, unfit: new Map(), isLetPass: () => false });
}

function names({ chosen, leftOut }: Part): {
  chosen: string[];
  leftOut: Record<string, string>;
} {
  return {
    chosen: chosen.map(({ cpv }) => cpv),
    leftOut: Object.fromEntries(leftOut.map(({ package: { cpv }, reason }) => [cpv, reason])),
  };
}

const OLD_LIB = one('d/lib-1', { SLOT: '0/1', PROVIDES: 'x86_64: liblib.so.1' });
const NEW_LIB = one('d/lib-2', { SLOT: '0/2', PROVIDES: 'x86_64: liblib.so.2' });
const USER = { RDEPEND: 'd/lib:0/1=', REQUIRES: 'x86_64: liblib.so.1' };
const NEW_USER = { RDEPEND: 'd/lib:0/2=', REQUIRES: 'x86_64: liblib.so.2' };

describe('the largest part of an offer', () => {
  it('is all of it when nothing would lack anything', () => {
    const offered = [NEW_LIB, one('a/app-1', NEW_USER), one('a/other-1')];
    expect(names(part([OLD_LIB, one('a/app-1', USER)], offered))).toEqual({
      chosen: ['d/lib-2', 'a/app-1', 'a/other-1'],
      leftOut: {},
    });
  });

  it('is without what needs something that was not built, and without what needs that', () => {
    const offered = [
      one('a/top-1', { RDEPEND: 'a/mid' }),
      one('a/mid-1', NEW_USER),
      one('a/free-1', { RDEPEND: 'd/lib' }),
    ];
    expect(names(part([OLD_LIB], offered))).toEqual({
      chosen: ['a/free-1'],
      leftOut: {
        'a/top-1':
          'a/top-1 needs a/mid (RDEPEND), which neither the snapshot nor the base system has. Left out as well: a/mid-1.',
        'a/mid-1': 'a/mid-1 was built against d/lib:0/2= (RDEPEND), but there is d/lib-1:0/1.',
      },
    });
  });

  it('is without what would break a package that stays, and without what was built with it', () => {
    const stays = one('a/stays-1', { REQUIRES: 'x86_64: liblib.so.1' });
    const found = part([OLD_LIB, stays], [NEW_LIB, one('a/app-1', NEW_USER), one('a/free-2')]);
    expect(names(found)).toEqual({
      chosen: ['a/free-2'],
      leftOut: {
        'd/lib-2':
          'It would break a/stays-1, which stays as it is. a/stays-1 needs the library liblib.so.1 (x86_64); there is liblib.so.2.',
        'a/app-1':
          'a/app-1 was built against d/lib:0/2= (RDEPEND), but there is d/lib-1:0/1. Left out as well: d/lib-2.',
      },
    });
    expect(found.leftOut[1]?.lacks).toEqual(['d/lib']);
  });

  it('takes what was broken before as it is', () => {
    const broken = one('a/broken-1', { RDEPEND: 'd/none', REQUIRES: 'x86_64: libgone.so.1' });
    const again = one('a/broken-2', { RDEPEND: 'd/none' });
    expect(names(part([broken], [again])).chosen).toEqual(['a/broken-2']);
    expect(names(part([broken], [one('a/b-1', { RDEPEND: 'd/none' })])).chosen).toEqual([]);
  });

  it('leaves out what is unfit by itself, with what needs it', () => {
    const [lib, app] = [NEW_LIB, one('a/app-1', NEW_USER)];
    const unfit = new Map([[lib.id, 'It is damaged.']]);
    const found = largestPart({ present: [], offered: [lib, app], unfit, isLetPass: () => false });
    expect(names(found)).toEqual({
      chosen: [],
      leftOut: {
        'd/lib-2': 'It is damaged.',
        'a/app-1':
          'a/app-1 needs d/lib:0/2= (RDEPEND), which neither the snapshot nor the base system has. Left out as well: d/lib-2.',
      },
    });
  });

  it('minds no fault that is let pass', () => {
    const app = one('a/app-1', NEW_USER);
    const asked = { present: [], offered: [app], unfit: new Map() };
    expect(largestPart({ ...asked, isLetPass: () => true }).chosen).toEqual([app]);
  });

  it('lets the one give way that needs what the other replaces', () => {
    const needsOld = one('a/needs-old-1', { RDEPEND: '<d/lib-2' });
    expect(names(part([OLD_LIB], [needsOld, NEW_LIB])).chosen).toEqual(['d/lib-2']);
    const stays = one('a/stays-1', { REQUIRES: 'x86_64: liblib.so.1' });
    expect(names(part([OLD_LIB, stays], [needsOld, NEW_LIB])).chosen).toEqual(['a/needs-old-1']);
  });
});

const NAMES = ['a', 'b', 'c', 'd'];
const record = fc.record({
  name: fc.constantFrom(...NAMES),
  version: fc.integer({ min: 1, max: 3 }),
  sub: fc.integer({ min: 1, max: 2 }),
  atoms: fc.array(
    fc
      .tuple(
        fc.constantFrom('', '>=', '<'),
        fc.constantFrom(...NAMES),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom('', ':0/1=', ':0/2='),
      )
      .map(([operator, name, version, slot]) =>
        operator === '' ? `x/${name}${slot}` : `${operator}x/${name}-${version}${slot}`,
      ),
    { maxLength: 2 },
  ),
  choice: fc.array(fc.constantFrom(...NAMES), { maxLength: 2 }),
  provides: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
  requires: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
});
type Made = typeof record extends fc.Arbitrary<infer Value> ? Value : never;

function sonames(numbers: readonly number[]): string {
  return numbers.length === 0 ? '' : `x86_64: ${numbers.map((n) => `lib${n}.so.1`).join(' ')}`;
}

function toPackage({ name, version, sub, atoms, choice, provides, requires }: Made): GatePackage {
  const any = choice.length < 2 ? [] : [`|| ( ${choice.map((other) => `x/${other}`).join(' ')} )`];
  return one(`x/${name}-${version}`, {
    SLOT: `0/${sub}`,
    RDEPEND: [...atoms, ...any].join(' '),
    PROVIDES: sonames(provides),
    REQUIRES: sonames(requires),
  });
}

const oneOfEach = fc
  .uniqueArray(record, { selector: ({ name }) => name, maxLength: NAMES.length })
  .map((all) => all.map(toPackage));

/** The faults of what a channel would hold, by who has them and what they are. */
function faultsWith(
  present: readonly GatePackage[],
  chosen: readonly GatePackage[],
): ReadonlySet<string> {
  const taken = new Set(chosen.map(({ name }) => name));
  const there = [...present.filter(({ name }) => !taken.has(name)), ...chosen];
  const universe = new Universe();
  for (const each of there) {
    universe.add(each);
  }
  return new Set(
    there.flatMap((each) => lacksOf(each, universe).map(({ text }) => `${each.name} ${text}`)),
  );
}

function subsetsOf<T>(all: readonly T[]): T[][] {
  return Array.from({ length: 2 ** all.length }, (_, bits) =>
    all.filter((_one, index) => (bits >> index) % 2 === 1),
  );
}

describe('the largest part of any offer', () => {
  it('breaks nothing, and nothing can be added; without a choice it holds all that do so too', () => {
    let compared = 0;
    fc.assert(
      fc.property(oneOfEach, oneOfEach, (present, offered) => {
        const before = faultsWith(present, []);
        const isClosed = (chosen: readonly GatePackage[]): boolean =>
          [...faultsWith(present, chosen)].every((fault) => before.has(fault));
        const { chosen, leftOut, isGreatest } = part(present, offered);

        expect(isClosed(chosen)).toBe(true);
        expect(chosen.length + leftOut.length).toBe(offered.length);
        for (const { package: left, reason } of leftOut) {
          expect(reason).toMatch(/^\S.*\.$/);
          expect(isClosed([...chosen, left])).toBe(false);
        }
        if (isGreatest && leftOut.length > 0) {
          compared += 1;
          const others = subsetsOf(offered).filter(isClosed).flat();
          expect(others.every((other) => chosen.includes(other))).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
    expect(compared).toBeGreaterThan(100);
  });
});
