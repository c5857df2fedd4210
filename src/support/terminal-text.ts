/**
 * Everything that is not plain text: control characters, and the marks that turn the direction of writing round,
 * with which a line can show something else than it says.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const ALL_ODD = new RegExp(ODD.source, 'g');
/** Control sequences, strings and short escapes of terminals (ECMA-48, 5.3 to 5.6); one that is cut off ends with its line. */
const SEQUENCES =
  // oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b\][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b\n]*(?:\u001b\\)?|\u001b[ -/]*[0-~]?/g;
// oxlint-disable-next-line no-control-regex -- what was typed over, as in `c\bc`
const OVERTYPED = /[^\b]\u0008/g;

/**
 * One line of a terminal, without its line end, as plain text: no colours, no other escapes, and of what was written
 * over with carriage returns only what was left standing last. Tabs stay.
 */
export function plainLine(line: string): string {
  if (!ODD.test(line)) {
    return line;
  }
  const text = line.replaceAll(SEQUENCES, '');
  return lastWritten(text).replaceAll(OVERTYPED, '').replaceAll(ALL_ODD, '');
}

/** Several lines, each as `plainLine`; what follows the last line end is taken as a line too. */
export function plainText(text: string): string {
  return ODD.test(text) ? text.split('\n').map(plainLine).join('\n') : text;
}

function lastWritten(line: string): string {
  if (!line.includes('\r')) {
    return line;
  }
  return line.split('\r').findLast((part) => part.trim() !== '') ?? '';
}
