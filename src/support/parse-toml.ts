import { parse } from 'smol-toml';
import { messageOf } from './errors.ts';

const MAX_DEPTH = 50;

/** The value of a TOML text, or one sentence with the file and the place where it stops being TOML. */
export function parseToml(
  text: string,
  file: string,
):
  | { readonly value: Readonly<Record<string, unknown>>; readonly faults: readonly [] }
  | { readonly value: undefined; readonly faults: readonly string[] } {
  try {
    return { value: parse(text, { maxDepth: MAX_DEPTH }), faults: [] };
  } catch (error) {
    return { value: undefined, faults: [`${file}${placeOf(error)}: ${sentenceOf(error)}.`] };
  }
}

function placeOf(error: unknown): string {
  const line: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'line') : undefined;
  return typeof line === 'number' ? `, line ${line}` : '';
}

/** The first line of the parser's message; the rest shows the text around the fault. */
function sentenceOf(error: unknown): string {
  return (messageOf(error).split('\n', 1)[0] ?? '')
    .replace(/\.$/, '')
    .replace(/^Invalid TOML document: /, '');
}
