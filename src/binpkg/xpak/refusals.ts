import { AppError } from '../../support/errors.ts';

/** Every reason for which an XPAK is refused, and what it means. */
export const XPAK_REFUSALS = {
  'xpak-not-a-package': 'the file does not end with an XPAK trailer',
  'xpak-damaged': 'the lengths of trailer, segment, index and data do not fit together',
  'xpak-unsigned': 'signatures are required, and this format has none',
  'xpak-metadata-too-large': 'the metadata are larger, or more keys, than allowed',
  'xpak-index-damaged': 'an entry of the metadata index is cut off',
  'xpak-data-outside': 'a metadata value lies outside of the data',
  'xpak-data-overlap': 'two metadata values share bytes',
  'xpak-key-invalid': 'a metadata key is not a plain name',
  'xpak-key-duplicate': 'a metadata key is there twice',
  'xpak-image-missing': 'there is no image before the metadata',
  'xpak-image-compression': 'the image is in no compression that Portage knows',
  'xpak-image-damaged': 'the image cannot be unpacked or read',
  'xpak-image-too-large': 'the image is larger than allowed',
  'xpak-ratio-exceeded': 'the image unpacks to far more than a real one would',
  'xpak-image-too-many-entries': 'the image has more entries, or names, than allowed',
  'xpak-image-path-too-long': 'a path in the image is longer or deeper than allowed',
  'xpak-image-absolute': 'a path in the image is absolute',
  'xpak-image-traversal': 'a path in the image contains ..',
  'xpak-image-outside': 'a path in the image is not plain, or its root is no folder',
  'xpak-image-duplicate': 'the image holds a path twice',
  'xpak-image-device': 'the image holds a device or a FIFO',
  'xpak-image-hardlink': 'a hard link points to no earlier file of the image',
  'xpak-image-link': 'a symbolic link in the image has no target, or too long a one',
  'xpak-image-through-symlink': 'a path in the image leads through a symbolic link or a file',
  'xpak-time-exceeded': 'reading took longer than allowed',
} as const;

export type XpakRefusal = keyof typeof XPAK_REFUSALS;

/** The error for a refusal. `message` names the key, path or value. */
export function xpakRefusal(
  code: XpakRefusal,
  message: string,
  options: { readonly details?: Record<string, unknown>; readonly cause?: unknown } = {},
): AppError {
  return new AppError(code, message, options);
}

/** Whether a code is one of `XPAK_REFUSALS`. */
export function isXpakRefusal(code: string): code is XpakRefusal {
  return Object.hasOwn(XPAK_REFUSALS, code);
}
