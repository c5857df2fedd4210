import type { PackageMetadata } from '../binpkg/metadata.ts';
import { type Cpv, parseCpv } from '../gentoo/cpv.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError, isAppError } from '../support/errors.ts';
import { checkInstructionSet } from './instruction-rules.ts';
import { checkWords } from './metadata-words.ts';

/** Names that a publication's folder needs for its own files. */
const RESERVED_CATEGORIES: readonly string[] = ['Packages', 'Packages.gz'];
/** Category, PN and `<PF>-<BUILD_ID>.gpkg.tar` are file names, of 255 bytes at most. */
const MAX_NAME_BYTES = 200;
const ENVIRONMENT = 'environment.bz2';

/**
 * Whether a package that is well-formed in itself belongs into a profile, and will install from it. Returns its
 * BUILD_TIME and the parts of its CPV.
 *
 * Throws `package-wrong-chost`, `package-invalid-cpv`, `package-invalid-metadata` (details: key),
 * `package-wrong-instruction-set`.
 */
export function checkPackage(
  metadata: PackageMetadata,
  files: ReadonlyMap<string, Buffer>,
  profile: Pick<HardwareProfile, 'name' | 'chost' | 'flags'>,
): { readonly buildTimeSeconds: number; readonly parts: Cpv } {
  const { cpv, chost, buildTimeSeconds } = metadata;
  const parts = parseName(cpv);
  if (chost !== profile.chost) {
    throw new AppError(
      'package-wrong-chost',
      `${cpv} was built for the CHOST ${chost ?? '(none)'}, the profile ${profile.name} has ${profile.chost}.`,
      { details: { cpv, chost: chost ?? null, expected: profile.chost } },
    );
  }
  if ((files.get(ENVIRONMENT)?.length ?? 0) === 0) {
    throw invalid(
      cpv,
      ENVIRONMENT,
      'has no environment.bz2, without which Portage cannot install it',
    );
  }
  if (buildTimeSeconds === undefined) {
    throw invalid(cpv, 'BUILD_TIME', 'has no BUILD_TIME');
  }
  checkWords(metadata);
  checkInstructionSet(metadata, profile);
  return { buildTimeSeconds, parts };
}

function parseName(cpv: string): Cpv {
  try {
    const parts = parseCpv(cpv);
    const isTooLong = Math.max(parts.category.length, parts.pf.length) > MAX_NAME_BYTES;
    if (!isTooLong && !RESERVED_CATEGORIES.includes(parts.category)) {
      return parts;
    }
  } catch (error) {
    if (!isAppError(error, 'invalid-cpv')) {
      throw error;
    }
    throw new AppError('package-invalid-cpv', error.message, { cause: error, details: { cpv } });
  }
  throw new AppError(
    'package-invalid-cpv',
    `${cpv} cannot be the name of a package here: its file names would be reserved or too long.`,
    { details: { cpv } },
  );
}

function invalid(cpv: string, key: string, fault: string): AppError {
  return new AppError('package-invalid-metadata', `${cpv} ${fault}.`, { details: { cpv, key } });
}
