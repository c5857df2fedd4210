import { AppError } from '../support/errors.ts';
import { isWholeText } from './whitespace.ts';

const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Far more than any value; a line without end would otherwise fill the memory. */
const LINE_CHARACTERS = 16 * 1024 * 1024;

/** Keys and values of one stanza of an index. */
export type IndexStanza = ReadonlyMap<string, string>;

/**
 * Reads a `Packages` file piece by piece (`portage/getbinpkg.py:PackageIndex.readPkgIndex`), strictly: what Portage would
 * pass over in silence is an error here, for it hides packages. Nothing of a stanza is kept once it is given out.
 *
 * `push` and `end` throw `invalid-packages-index` with the number of the line.
 */
export class IndexReader {
  #rest = '';
  #line = 0;
  #emptyAt = 0;
  #stanza: Map<string, string> | undefined;
  #isHeader = true;

  /** The stanzas that are complete with this piece; the first of all is the header. */
  push(text: string): IndexStanza[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LINE_CHARACTERS) {
      throw invalid(this.#line + 1, `it has more than ${LINE_CHARACTERS} characters`);
    }
    return lines.flatMap((line) => this.#read(line));
  }

  /** What is left at the end: the last line needs no line feed, nor the last stanza an empty line behind it. */
  end(): IndexStanza[] {
    const last = this.#rest;
    this.#rest = '';
    return [...this.#read(last), ...this.#complete(last === '' ? this.#line - 1 : this.#line)];
  }

  #read(line: string): IndexStanza[] {
    this.#line += 1;
    if (line === '') {
      if (this.#stanza === undefined) {
        this.#emptyAt ||= this.#line;
      }
      return this.#complete(this.#line - 1);
    }
    if (this.#emptyAt > 0) {
      throw invalid(this.#emptyAt, 'an empty line too many hides everything behind it');
    }
    this.#stanza ??= new Map();
    readLine(this.#stanza, line, this.#line);
    return [];
  }

  #complete(lastLine: number): IndexStanza[] {
    const stanza = this.#stanza;
    if (stanza === undefined) {
      return [];
    }
    if (!this.#isHeader && !stanza.has('CPV')) {
      throw invalid(lastLine, 'the entry that ends here has no CPV');
    }
    this.#isHeader = false;
    this.#stanza = undefined;
    return [stanza];
  }
}

/** The stanzas of an index out of its bytes, each as soon as it is complete: the header, then the entries. */
export async function* readIndexStanzas(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<IndexStanza> {
  const reader = new IndexReader();
  const decoder = new TextDecoder();
  for await (const piece of bytes) {
    yield* reader.push(decoder.decode(piece, { stream: true }));
  }
  yield* reader.push(decoder.decode());
  yield* reader.end();
}

function readLine(stanza: Map<string, string>, line: string, number: number): void {
  const colon = line.indexOf(':');
  const key = line.slice(0, Math.max(0, colon));
  const rest = line.slice(colon + 1);
  if (!KEY.test(key)) {
    throw invalid(number, `"${line.slice(0, 80)}" is not "KEY: value"`);
  }
  if (rest !== '' && !rest.startsWith(' ')) {
    throw invalid(number, `a space is missing behind "${key}:"`);
  }
  // A list over several lines of make.conf comes with its tabs into the header.
  if (!isWholeText(rest.replaceAll('\t', ' '))) {
    throw invalid(number, `the value of ${key} has a control character`);
  }
  if (stanza.has(key)) {
    throw invalid(number, `${key} stands twice in one stanza`);
  }
  stanza.set(key, rest.slice(1));
}

function invalid(line: number, fault: string): AppError {
  return new AppError('invalid-packages-index', `Line ${line} of the index: ${fault}.`, {
    details: { line },
  });
}
