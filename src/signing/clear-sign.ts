import { createCleartextMessage, type KeyID, type PrivateKey, sign } from 'openpgp';
import { AppError } from '../support/errors.ts';

/**
 * OpenPGP clear-signed text (RFC 4880 7): LF line ends, lines that start with a dash escaped, nothing added at the
 * end. What `gpg --verify --output -` gives back is the text with exactly one newline at its end.
 *
 * Blanks at the end of a line are not covered by such a signature and a carriage return would be lost, so a text
 * with one of them is refused with `clear-sign-text-invalid`. So is an empty one.
 */
export async function clearSign(
  text: string,
  key: { readonly privateKey: PrivateKey; readonly keyId: KeyID },
  createdSeconds: number,
): Promise<string> {
  const body = checkClearSignText(text);
  const signed = await sign({
    message: await createCleartextMessage({ text: body }),
    signingKeys: key.privateKey,
    signingKeyIDs: key.keyId,
    date: new Date(createdSeconds * 1000),
    config: { nonDeterministicSignaturesViaNotation: false, showVersion: false },
  });
  return signed.replaceAll('\r', '');
}

/** The text without the newline at its end. Throws `clear-sign-text-invalid`. */
export function checkClearSignText(text: string): string {
  const body = text.replace(/\n$/, '');
  if (body === '') {
    throw new AppError('clear-sign-text-invalid', 'An empty text cannot be clear-signed.');
  }
  const wrong = body.split('\n').find((line) => line.includes('\r') || /[ \t]$/.test(line));
  if (wrong !== undefined) {
    throw new AppError(
      'clear-sign-text-invalid',
      `The line ${JSON.stringify(wrong.slice(0, 80))} ends in a blank or has a carriage return, which a clear signature would not keep.`,
    );
  }
  return body;
}
