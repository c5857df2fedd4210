import { AppError } from '../support/errors.ts';
import { tarMagic } from './archive/tar-header.ts';
import { type ByteSource, openByteSource } from './byte-source.ts';
import { type VerifiedPackage, type VerifyOptions, verifyGpkg } from './gpkg/verify.ts';
import { isXpakTail, XPAK_TAIL_BYTES } from './xpak/segment.ts';
import { type VerifiedXpak, verifyXpak } from './xpak/verify.ts';

export type PackageFormat = 'gpkg' | 'xpak';

/** A verified package of either format. */
export type VerifiedFile =
  | (VerifiedPackage & { readonly format: 'gpkg' })
  | (VerifiedXpak & { readonly format: 'xpak' });

export interface PackageFile {
  readonly format: PackageFormat;
  readonly source: ByteSource;
  close(): Promise<void>;
}

/** Portage looks for the marker in this many bytes. */
const HEAD_BYTES = 100;
const TAR_HEAD_BYTES = 512;

/**
 * Opens a package file and tells its format by its content.
 *
 * Throws `package-format-unknown`, `not-a-file`, and the system's error when it cannot be opened.
 */
export async function openPackageFile(path: string): Promise<PackageFile> {
  const source = await openByteSource(path);
  try {
    const format = await packageFormat(source);
    return { format, source, close: async () => await source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/**
 * The format of a package (`portage/binpkg.py:get_binpkg_format`): a GPKG begins with its marker, an XPAK ends with its
 * trailer, and any other tar archive may be a GPKG with its members in another order.
 *
 * Throws `package-format-unknown`.
 */
export async function packageFormat(source: ByteSource): Promise<PackageFormat> {
  const head = await source.read(0, TAR_HEAD_BYTES);
  if (head.subarray(0, HEAD_BYTES).includes('/gpkg-1\0')) {
    return 'gpkg';
  }
  const tail = await source.read(Math.max(0, source.size - XPAK_TAIL_BYTES), XPAK_TAIL_BYTES);
  if (isXpakTail(tail)) {
    return 'xpak';
  }
  if (head.length === TAR_HEAD_BYTES && tarMagic(head) !== 'v7') {
    return 'gpkg';
  }
  throw new AppError(
    'package-format-unknown',
    'The file is neither a GPKG nor an XPAK: it is no tar archive and has no XPAK trailer.',
  );
}

/** Checks a package of either format completely. Throws what `verifyGpkg` and `verifyXpak` throw. */
export async function verifyPackageFile(
  { format, source }: Pick<PackageFile, 'format' | 'source'>,
  options: VerifyOptions = {},
): Promise<VerifiedFile> {
  return format === 'gpkg'
    ? { format, ...(await verifyGpkg(source, options)) }
    : { format, ...(await verifyXpak(source, options)) };
}
