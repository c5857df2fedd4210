import { describe, expect, it } from '@jest/globals';
import { instructionSetOf, levelOfCpuFlags } from '../../src/gentoo/instruction-set.ts';

describe('instructionSetOf', () => {
  it.each([
    ['-O2 -march=x86-64', 1],
    ['-O2 -march=x86-64-v2 -pipe', 2],
    ['-march=x86-64-v3', 3],
    ['-march=x86-64-v4', 4],
    ['-march=core2', 1],
    ['-march=amdfam10', 1],
    ['-march=nehalem', 2],
    ['-march=bdver1', 2],
    ['-march=ivybridge', 2],
    ['-march=haswell', 3],
    ['-march=core-avx2', 3],
    ['-march=znver3', 3],
    ['-march=alderlake', 3],
    ['-march=znver4', 4],
    ['-march=skylake-avx512', 4],
    ['-march=sapphirerapids', 4],
    ['-march=native', null],
    ['-march=armv8-a', null],
    ['-march=constructor', null],
  ])('%s needs level %s', (flags, level) => {
    expect(instructionSetOf(flags)?.level).toBe(level);
  });

  it('takes the last of several, and none for none', () => {
    expect(instructionSetOf('-march=x86-64-v3 -march=x86-64')?.march).toBe('x86-64');
    expect(instructionSetOf('-O2 -pipe -mtune=znver3 -Xmarch=x')).toBeNull();
  });

  it('names the CPU flags', () => {
    expect(instructionSetOf('-march=znver3')?.cpuFlags).toEqual(
      'aes avx avx2 bmi1 bmi2 f16c fma3 mmx mmxext pclmul popcnt rdrand sha sse sse2 sse3 sse4_1 sse4_2 sse4a ssse3 vpclmulqdq'.split(
        ' ',
      ),
    );
    expect(instructionSetOf('-march=native')?.cpuFlags).toEqual([]);
  });
});

describe('levelOfCpuFlags', () => {
  it('is the highest level that is complete', () => {
    const v2 = instructionSetOf('-march=x86-64-v2')?.cpuFlags ?? [];

    expect(levelOfCpuFlags(v2)).toBe(2);
    expect(levelOfCpuFlags([...v2, 'avx', 'avx2'])).toBe(2);
    expect(levelOfCpuFlags(v2.filter((flag) => flag !== 'sse4_2'))).toBe(1);
    expect(levelOfCpuFlags(['avx2'])).toBeNull();
  });
});
