import { AppError } from '../../support/errors.ts';

/** Every reason for which a GPKG is refused, and what it means. */
export const GPKG_REFUSALS = {
  'gpkg-not-a-package': 'the file does not begin with a ustar, pax or GNU tar header',
  'gpkg-container-damaged': 'the container is no whole tar archive',
  'gpkg-too-many-members': 'the container has more members than allowed',
  'gpkg-marker-missing': 'no member is called gpkg-1',
  'gpkg-member-path': 'a member is not exactly one folder deep',
  'gpkg-base-mismatch': 'members lie in different folders',
  'gpkg-member-duplicate': 'two members have the same name',
  'gpkg-member-not-file': 'a member is not a regular file',
  'gpkg-member-ambiguous': 'there are two metadata or two image archives',
  'gpkg-member-uncompressed': 'an inner archive is not compressed, which clients cannot read',
  'gpkg-metadata-missing': 'there is no metadata archive with a known suffix',
  'gpkg-image-missing': 'there is no image archive with a known suffix',
  'gpkg-manifest-missing': 'there is no Manifest',
  'gpkg-manifest-too-large': 'the Manifest is larger than allowed',
  'gpkg-manifest-invalid': 'a line of the Manifest is malformed',
  'gpkg-manifest-duplicate': 'the Manifest lists a member twice',
  'gpkg-hash-missing': 'a line of the Manifest lacks BLAKE2B or SHA512',
  'gpkg-member-unlisted': 'the Manifest does not list a member',
  'gpkg-member-missing': 'the Manifest lists a member that is not there',
  'gpkg-size-mismatch': 'a member has another size than the Manifest says',
  'gpkg-digest-mismatch': 'a member has another digest than the Manifest says',
  'gpkg-unsigned': 'signatures are required and there are none',
  'gpkg-signature-missing': 'the package is signed, but a member or the Manifest is not',
  'gpkg-signature-order': 'a signature stands before what it signs',
  'gpkg-signature-too-large': 'a signature is larger than allowed',
  'gpkg-signature-invalid': 'a signature does not verify',
  'gpkg-signature-unknown-key': 'a signature is by a key that is not trusted',
  'gpkg-signature-expired-key': 'a signature is by a key that has expired',
  'gpkg-metadata-damaged': 'the metadata archive cannot be unpacked or read',
  'gpkg-metadata-too-large': 'the metadata archive is larger than allowed',
  'gpkg-metadata-path': 'an entry of the metadata archive is not metadata/<KEY>',
  'gpkg-metadata-not-file': 'an entry of the metadata archive is not a regular file',
  'gpkg-metadata-duplicate': 'the metadata archive holds a key twice',
  'gpkg-image-damaged': 'the image archive cannot be unpacked or read',
  'gpkg-image-too-large': 'the image is larger than allowed',
  'gpkg-ratio-exceeded': 'an archive unpacks to far more than a real one would',
  'gpkg-image-too-many-entries': 'the image has more entries, or names, than allowed',
  'gpkg-image-path-too-long': 'a path in the image is longer or deeper than allowed',
  'gpkg-image-absolute': 'a path in the image is absolute',
  'gpkg-image-traversal': 'a path in the image contains ..',
  'gpkg-image-outside': 'an entry does not lie below image/',
  'gpkg-image-duplicate': 'the image holds a path twice',
  'gpkg-image-device': 'the image holds a device or a FIFO',
  'gpkg-image-hardlink':
    'a hard link points to no earlier file of the image, or to a symbolic link',
  'gpkg-image-link': 'a symbolic link in the image has no target, or too long a one',
  'gpkg-image-through-symlink': 'a path in the image leads through a symbolic link or a file',
  'gpkg-time-exceeded': 'verification took longer than allowed',
} as const;

export type GpkgRefusal = keyof typeof GPKG_REFUSALS;

/** The error for a refusal. `message` names the member or value. */
export function refusal(
  code: GpkgRefusal,
  message: string,
  options: { readonly details?: Record<string, unknown>; readonly cause?: unknown } = {},
): AppError {
  return new AppError(code, message, options);
}
