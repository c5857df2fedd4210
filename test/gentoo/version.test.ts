import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { compareVersions, isVersion } from '../../src/gentoo/version.ts';
import { VERSIONS, versionArbitrary } from './samples.ts';

/** Each line in rising order; versions joined by `=` are equal. */
const RISING = [
  '0 1 2 9 10 99999999999999999998 99999999999999999999',
  '1=01 1.0 1.0.0 1.1',
  '1.001 1.01=1.010 1.02 1.1 1.9 1.10 1.100',
  '1.2 1.2a 1.2b 1.2z 1.2.0',
  '1_alpha=1_alpha0 1_alpha1 1_beta 1_pre 1_rc 1=1-r0=1-r00 1_p=1_p0 1_p1 1_p10 1.0',
  '1_alpha_alpha 1_alpha_beta 1_alpha 1_alpha_p 1_alpha1',
  '1.0_p9 1.0_p10=1.0_p010 1.0_p11',
  '1.0 1.0-r1=1.0-r01 1.0-r2 1.0-r10 1.0_p',
  '8.3.1_rc1 8.3.1 8.3.1-r100 8.3.2 8.3.10',
];

describe('compareVersions', () => {
  it.each(RISING)('puts %s in this order', (line) => {
    const versions = line
      .split(' ')
      .flatMap((group, rank) => group.split('=').map((version) => ({ version, rank })));

    for (const a of versions) {
      for (const b of versions) {
        const label = `${a.version} against ${b.version}`;
        const order = Math.sign(compareVersions(a.version, b.version));
        expect([label, order]).toEqual([label, Math.sign(a.rank - b.rank)]);
      }
    }
  });

  it('is a total order: antisymmetric and transitive', () => {
    const any = fc.oneof(versionArbitrary, fc.constantFrom(...VERSIONS));
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        const [low = '', middle = '', high = ''] = [a, b, c].toSorted(compareVersions);
        return (
          Math.sign(compareVersions(a, b)) === -Math.sign(compareVersions(b, a)) &&
          compareVersions(a, a) === 0 &&
          compareVersions(low, middle) <= 0 &&
          compareVersions(middle, high) <= 0 &&
          compareVersions(low, high) <= 0
        );
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '',
    '1.',
    '.1',
    'a',
    '1ab',
    '1_foo',
    '1-r',
    '1-r1-r2',
    '1.2b.3',
    '1 ',
    '١',
    '1\n',
    '-1',
  ])('refuses %j and names it', (text) => {
    expect(isVersion(text)).toBe(false);
    expect(() => compareVersions('1', text)).toThrow(
      expect.objectContaining({
        code: 'invalid-version',
        message: expect.stringContaining(`"${text}"`),
      }),
    );
  });
});
