import { posix } from 'node:path';

/** A backslash and what it escapes, a variable, or one character. */
const PIECE = /\\(?:\\['"$]?|[\s\S])?|\$(?:\{\w+\}|\w+)?|[\s\S]/y;
/** What is in single quotes stays as it is. */
const SINGLE_QUOTED = /'[^']*'?/y;

/**
 * One folder of a run path, normalised, with the folder of its file for `$ORIGIN` (`soname_deps.py`). Portage expands
 * as a shell does (`portage/util/__init__.py:varexpand`): other variables, such as `$LIB`, are empty, and a `$` before
 * anything else makes all of it empty.
 */
export function runPathFolder(text: string, origin: string): string {
  return posix.normalize(expanded(text, origin)).replace(/(?<=.)\/$/, '');
}

function expanded(text: string, origin: string): string {
  let result = '';
  let isDoubleQuoted = false;
  for (let at = 0; at < text.length; ) {
    const isSingleQuoted = !isDoubleQuoted && text[at] === "'";
    const piece = pieceAt(text, at, isSingleQuoted ? SINGLE_QUOTED : PIECE);
    at += piece.length;
    if (piece === '$' && at < text.length) {
      return '';
    }
    if (piece === '"') {
      isDoubleQuoted = !isDoubleQuoted;
    }
    result += isSingleQuoted ? piece : valueOf(piece, origin);
  }
  return result;
}

function pieceAt(text: string, at: number, pattern: RegExp): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? text.slice(at);
}

function valueOf(piece: string, origin: string): string {
  if (piece.startsWith('$') && piece.length > 1) {
    return piece.replace(/^\$\{?(\w+)\}?$/, '$1') === 'ORIGIN' ? origin : '';
  }
  return /^\\[\\$]/.test(piece) ? piece.slice(1) : piece;
}
