import { posix } from 'node:path';

/** What is not itself: text in single quotes, a backslash and what it escapes, a variable. */
const PIECES = /'[^']*'?|\\(?:\\['"$]?|[\s\S])?|\$(?:\{\w+\}|\w+)?/g;

/**
 * One folder of a run path, normalised, with the folder of its file for `$ORIGIN` (`soname_deps.py`). Portage expands
 * as a shell does (`portage/util/__init__.py:varexpand`): other variables, such as `$LIB`, are empty, and a `$` before
 * anything else makes all of it empty.
 */
export function runPathFolder(text: string, origin: string): string {
  let isMalformed = false;
  const expanded = text.replaceAll(PIECES, (piece, offset: number) => {
    if (piece.startsWith("'")) {
      return piece;
    }
    if (piece.startsWith('\\')) {
      return /^\\[\\$]/.test(piece) ? piece.slice(1) : piece;
    }
    if (piece === '$') {
      isMalformed ||= offset + 1 < text.length;
      return piece;
    }
    return piece.replace(/^\$\{?(\w+)\}?$/, '$1') === 'ORIGIN' ? origin : '';
  });
  return posix.normalize(isMalformed ? '' : expanded).replace(/(?<=.)\/$/, '');
}
