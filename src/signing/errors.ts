/** Every code that this room throws. */
export const SIGNING_ERROR_CODES = [
  'clear-sign-text-invalid',
  'gpg-key-missing',
  'gpg-refused',
  'gpg-signing-failed',
  'key-in-use',
  'key-rotation-under-way',
  'key-source-gpg',
  'public-key-invalid',
  'signature-expired-key',
  'signature-invalid',
  'signature-unknown-key',
  'signing-key-damaged',
  'signing-key-expired',
  'signing-key-locked',
  'unknown-key',
] as const;
