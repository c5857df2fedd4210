/** Every code that this room throws. */
export const SIGNING_ERROR_CODES = [
  'clear-sign-text-invalid',
  'gpg-refused',
  'public-key-invalid',
  'signature-expired-key',
  'signature-invalid',
  'signature-unknown-key',
  'signing-key-damaged',
  'signing-key-expired',
  'signing-key-locked',
] as const;
