import { describe, expect, it } from '@jest/globals';
import { inputsDigest } from '../../src/builds/inputs-digest.ts';
import { makeProfile, makeRecipe } from './farm.ts';

type Inputs = Parameters<typeof inputsDigest>[0];

const INPUTS: Inputs = {
  recipe: makeRecipe('a/b-1', { source: { folder: '/srv/one' }, build: ['make'] }),
  sourceDigest: 's1',
  profile: makeProfile({ flags: { CFLAGS: '-O2', LDFLAGS: '-s' }, cpuFlags: ['avx', 'sse4_2'] }),
  dependencies: ['d1', 'd2'],
};

describe('inputsDigest', () => {
  it('is the same for what compiles to the same', () => {
    const digest = inputsDigest(INPUTS);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    const same: readonly Inputs[] = [
      { ...INPUTS, dependencies: ['d2', 'd1', 'd2'] },
      { ...INPUTS, recipe: { ...INPUTS.recipe, source: { folder: '/srv/other' } } },
      {
        ...INPUTS,
        profile: makeProfile({ ...INPUTS.profile, makeopts: '-j64', description: 'x' }),
      },
      { ...INPUTS, profile: makeProfile({ ...INPUTS.profile, cpuFlags: ['sse4_2', 'avx'] }) },
      {
        ...INPUTS,
        profile: makeProfile({ ...INPUTS.profile, flags: { LDFLAGS: '-s', CFLAGS: '-O2' } }),
      },
    ];
    expect(same.map(inputsDigest)).toEqual(same.map(() => digest));
  });

  it('differs for each thing that may change the package', () => {
    const others: readonly Inputs[] = [
      INPUTS,
      { ...INPUTS, sourceDigest: 's2' },
      { ...INPUTS, dependencies: ['d1'] },
      { ...INPUTS, recipe: { ...INPUTS.recipe, build: ['make', 'make check'] } },
      { ...INPUTS, recipe: { ...INPUTS.recipe, rdepend: ['a/c'] } },
      { ...INPUTS, profile: { ...INPUTS.profile, chost: 'aarch64-unknown-linux-gnu' } },
      { ...INPUTS, profile: { ...INPUTS.profile, flags: { CFLAGS: '-O3', LDFLAGS: '-s' } } },
      { ...INPUTS, profile: { ...INPUTS.profile, cpuFlags: ['avx'] } },
    ];
    expect(new Set(others.map(inputsDigest)).size).toBe(others.length);
  });
});
