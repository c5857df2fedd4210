import { AppError } from '../../support/errors.ts';
import { type CompressionSuffix, isCompressionSuffix } from '../compression.ts';

/*
 * The container (GLEP 78; `portage/gpkg.py:gpkg.compress`). A plain tar; every member is `<base>/<name>`.
 *
 *   gpkg-1                 format marker, empty; never signed
 *   metadata.tar.<c>       ustar of metadata/<KEY>
 *   metadata.tar.<c>.sig   detached OpenPGP signature over the compressed bytes
 *   image.tar.<c>          tar of image/...
 *   image.tar.<c>.sig
 *   Manifest               DATA lines for all of the above, clear-signed when the package is signed
 *
 * This is the order that is written. Any order is read, but a signature must stand after what it signs.
 */
export const MARKER = 'gpkg-1';
export const MANIFEST = 'Manifest';
export const SIGNATURE_SUFFIX = '.sig';
export const METADATA_PREFIX = 'metadata/';
export const IMAGE_FOLDER = 'image';
/** From this length on Portage writes the container in the GNU format. */
const LONG_BASE_CHARACTERS = 154;
const LARGE_BYTES = 8_000_000_000;

/** An inner archive's name, taken apart. `suffix` is undefined for a plain tar. */
export interface InnerArchive {
  readonly kind: 'metadata' | 'image';
  readonly suffix: CompressionSuffix | undefined;
}

/** What an inner archive a member is, if it is one that Portage would open. */
export function innerArchive(member: string): InnerArchive | undefined {
  const match = /^(metadata|image)\.tar(?:\.([a-z0-9]+))?$/.exec(member);
  if (match === null) {
    return undefined;
  }
  const kind = match[1] === 'metadata' ? 'metadata' : 'image';
  const text = match[2];
  if (text === undefined) {
    return { kind, suffix: undefined };
  }
  return isCompressionSuffix(text) ? { kind, suffix: text } : undefined;
}

/** The tar format of a container, chosen as Portage does. */
export function containerFormat(base: string, imageBytes: number): 'ustar' | 'gnu' {
  return base.length >= LONG_BASE_CHARACTERS || imageBytes >= LARGE_BYTES ? 'gnu' : 'ustar';
}

/** Checks a name for the container's folder. Throws `gpkg-base-invalid`. */
export function checkBase(base: string): void {
  if (!isPlainName(base) || Buffer.byteLength(base) > 255) {
    throw new AppError(
      'gpkg-base-invalid',
      `${JSON.stringify(base)} cannot be the folder name of a package.`,
      { details: { base } },
    );
  }
}

/** Whether a text is one path segment without control characters or spaces. */
export function isPlainName(name: string): boolean {
  return /^[^/\s\p{Cc}\p{Cs}]+$/u.test(name) && name !== '.' && name !== '..';
}
