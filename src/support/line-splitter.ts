export interface NumberedLine {
  /** Without its line end; may hold whatever the program has written. */
  readonly text: string;
  /** From 1 on. */
  readonly line: number;
  /** Where it begins, in bytes. */
  readonly offset: number;
}

const NEWLINE = 0x0a;
const MAXIMUM_LINE = 64 * 1024;

/**
 * Lines out of bytes, whatever their pieces. A line longer than 64 KiB is given out in parts, which count as lines of
 * their own, so that memory stays bounded.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #line = 0;
  #offset = 0;

  constructor(offset = 0) {
    this.#offset = offset;
  }

  *take(bytes: Uint8Array): Generator<NumberedLine> {
    const all = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    let begin = 0;
    for (let end = all.indexOf(NEWLINE); end >= 0; end = all.indexOf(NEWLINE, begin)) {
      yield* this.#give(all.subarray(begin, end), 1);
      begin = end + 1;
    }
    while (all.length - begin > MAXIMUM_LINE) {
      yield this.#next(all.subarray(begin, begin + MAXIMUM_LINE), 0);
      begin += MAXIMUM_LINE;
    }
    this.#rest = all.subarray(begin);
  }

  /** What is left after the last line end, as a line, if there is anything. */
  *end(): Generator<NumberedLine> {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    if (rest.length > 0) {
      yield this.#next(rest, 0);
    }
  }

  *#give(line: Buffer, ending: number): Generator<NumberedLine> {
    let begin = 0;
    for (; line.length - begin > MAXIMUM_LINE; begin += MAXIMUM_LINE) {
      yield this.#next(line.subarray(begin, begin + MAXIMUM_LINE), 0);
    }
    yield this.#next(line.subarray(begin), ending);
  }

  #next(bytes: Buffer, ending: number): NumberedLine {
    const offset = this.#offset;
    this.#offset += bytes.length + ending;
    this.#line += 1;
    return { text: bytes.toString('utf8'), line: this.#line, offset };
  }
}
