import { AppError } from '../support/errors.ts';

const BEGIN_MESSAGE = '-----BEGIN PGP SIGNED MESSAGE-----';
const BEGIN_SIGNATURE = '-----BEGIN PGP SIGNATURE-----';
/** Not covered by a signature at the end of a line (RFC 4880 7.1). */
const BLANKS = new Set([' ', '\t', '\r']);
/** A Manifest of a package is below 4 KiB; a generous index of checksums stays below this. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

export interface ClearSignedText {
  /** The text as gpg gives it back. */
  readonly text: string;
  /** The text as it is hashed: CRLF between lines, none at the end (RFC 4880 7.1). */
  readonly hashedText: string;
  /** The armored signature. */
  readonly signature: string;
}

/**
 * Takes clear-signed text apart, strictly: nothing before it, nothing after it, no header but `Hash`, no line that
 * starts with an unescaped dash. Whatever is let through was signed. Throws `signature-invalid`.
 */
export function parseClearSigned(message: string): ClearSignedText {
  if (message.length > MAX_CHARACTERS) {
    throw invalid(`it has more than ${MAX_CHARACTERS} characters`);
  }
  const lines = message.split('\n').map(stripBlanks);
  if (lines[0] !== BEGIN_MESSAGE) {
    throw invalid('it does not start with the line of a clear-signed text');
  }
  const blank = lines.indexOf('');
  const headers = lines.slice(1, blank === -1 ? lines.length : blank);
  const wrongHeader = headers.find((line) => !/^Hash: [A-Za-z0-9, -]+$/.test(line));
  if (wrongHeader !== undefined) {
    throw invalid(`its header ${JSON.stringify(wrongHeader.slice(0, 80))} is not one of «Hash»`);
  }
  const end = lines.indexOf(BEGIN_SIGNATURE);
  if (end === -1 || end < blank) {
    throw invalid('it has no signature');
  }
  const body = lines.slice(blank + 1, end).map(unescape);
  return {
    text: `${body.join('\n')}\n`,
    hashedText: body.join('\r\n'),
    signature: lines.slice(end).join('\n'),
  };
}

function stripBlanks(line: string): string {
  let end = line.length;
  while (end > 0 && BLANKS.has(line.charAt(end - 1))) {
    end -= 1;
  }
  return line.slice(0, end);
}

function unescape(line: string): string {
  if (line.startsWith('- ')) {
    return line.slice(2);
  }
  if (line.startsWith('-')) {
    throw invalid(`its line ${JSON.stringify(line.slice(0, 80))} starts with a dash`);
  }
  return line;
}

function invalid(reason: string): Error {
  return new AppError('signature-invalid', `The clear-signed text cannot be read: ${reason}.`);
}
