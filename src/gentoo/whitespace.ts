const SPACES =
  // oxlint-disable-next-line no-control-regex -- the separators among the control characters are meant
  /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/;

/** Runs of white space as one space, none at the ends: Python's `" ".join(text.split())`. */
export function foldWhitespace(text: string): string {
  return text.replaceAll(SPACES, ' ').replaceAll(/^ | $/g, '');
}

/** Whether a text can stand on one line: no control characters, no line separators. */
export function isWholeText(text: string): boolean {
  return !CONTROL.test(text);
}
