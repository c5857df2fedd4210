import type { PackageMetadata } from '../binpkg/metadata.ts';
import { instructionSetOf } from '../gentoo/instruction-set.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';

/**
 * Whether what a package was compiled for (its recorded CFLAGS) runs on every machine of a profile. Where the `-march`
 * of either is missing or not known there is nothing to compare, and it passes.
 *
 * Throws `package-wrong-instruction-set` (details: cpv, march, level, expected, expectedLevel).
 */
export function checkInstructionSet(
  { cpv, text }: Pick<PackageMetadata, 'cpv' | 'text'>,
  profile: Pick<HardwareProfile, 'name' | 'flags'>,
): void {
  const found = instructionSetOf(text['CFLAGS'] ?? '');
  const wanted = instructionSetOf(profile.flags['CFLAGS'] ?? '');
  if (found === null || wanted === null || found.level === null || wanted.level === null) {
    return;
  }
  if (found.level > wanted.level) {
    throw new AppError(
      'package-wrong-instruction-set',
      `${cpv} was compiled with -march=${found.march} (x86-64-v${found.level}), but machines of the profile ${profile.name} have -march=${wanted.march} (x86-64-v${wanted.level}).`,
      {
        details: {
          cpv,
          march: found.march,
          level: found.level,
          expected: wanted.march,
          expectedLevel: wanted.level,
        },
      },
    );
  }
}
