import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { isPackageName, parseCpv } from '../../src/gentoo/cpv.ts';
import { nameArbitrary, versionArbitrary } from './samples.ts';

describe('parseCpv', () => {
  it('gives every part by its name in PMS', () => {
    expect(parseCpv('app-misc/top-level+x-2.1_p3-r04')).toEqual({
      cpv: 'app-misc/top-level+x-2.1_p3-r04',
      category: 'app-misc',
      pn: 'top-level+x',
      pv: '2.1_p3',
      pr: 'r04',
      pf: 'top-level+x-2.1_p3-r04',
      p: 'top-level+x-2.1_p3',
      version: '2.1_p3-r04',
    });
    expect(parseCpv('virtual/x-1')).toMatchObject({ pr: 'r0', version: '1', pf: 'x-1', p: 'x-1' });
  });

  it.each([
    ['top-1', 'the category is missing'],
    ['app-misc/top', '"top" is not a package name and a version'],
    ['app-misc/top-1-2', 'the package name "top-1" is not valid'],
    ['-a/top-1', '"-a" is not a category'],
    ['app-misc/a/top-1', '"a/top-1"'],
    ['../top-1', '".." is not a category'],
    ['app-misc/top-1\n', 'is not a package name'],
    [`app-misc/${'x'.repeat(400)}-1`, 'longer than 300'],
  ])('refuses %j and says why', (cpv, why) => {
    expect(() => parseCpv(cpv)).toThrow(
      expect.objectContaining({ code: 'invalid-cpv', message: expect.stringContaining(why) }),
    );
    expect(() => parseCpv(cpv)).toThrow(cpv.slice(0, 20).trimEnd());
  });

  it('puts together again what it took apart', () => {
    fc.assert(
      fc.property(nameArbitrary.filter(isPackageName), versionArbitrary, (name, version) => {
        const { category, pn, pv, pr, p, pf } = parseCpv(`dev-x/${name}-${version}`);
        expect([category, pn, p, pf]).toEqual([
          'dev-x',
          name,
          `${name}-${pv}`,
          `${name}-${version}`,
        ]);
        expect(version === pv ? 'r0' : version).toBe(version === pv ? pr : `${pv}-${pr}`);
      }),
    );
  });

  it('answers at once for text made to keep patterns busy', () => {
    expect(() => parseCpv(`a/${'-1'.repeat(140)}!`)).toThrow('is not category/package-version');
    expect(isPackageName(`a${'-1'.repeat(140)}-`)).toBe(true);
  });
});
