import { expect, it } from '@jest/globals';
import { CPU_FLAG_WORDS } from '../../src/gentoo/cpu-flags.ts';
import { instructionSetOf, KNOWN_MARCHES } from '../../src/gentoo/instruction-set.ts';

it('every word that a -march stands for is a word of CPU_FLAGS_X86', () => {
  const words = KNOWN_MARCHES.flatMap(
    (march) => instructionSetOf(`-march=${march}`)?.cpuFlags ?? [],
  );

  expect(words.length).toBeGreaterThan(100);
  expect(words.filter((word) => CPU_FLAG_WORDS['CPU_FLAGS_X86']?.includes(word) !== true)).toEqual(
    [],
  );
});
