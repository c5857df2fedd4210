/*
 * A bzip2 stream (the format has no specification but its decoder; names are those of bzip2's own sources):
 *
 *   "BZh9", blocks, 0x177245385090, CRC of all blocks
 *   block = 0x314159265359, CRC, one bit 0, 24 bits origPtr, map of used bytes, 3 bits number of code tables,
 *           15 bits number of selectors, selectors, code lengths, Huffman codes
 */
const BLOCK_BYTES = 700_000;
const LONGEST_CODE = 17;
const GROUP_SYMBOLS = 50;
const CODE_TABLES = 2;
const CRC_POLYNOMIAL = 0x04c11db7;

/**
 * Compresses as bzip2 does, which the metadata key `environment.bz2` needs, on machines without the program too.
 * For texts of some kilobytes: it is neither fast nor does it compress as well as it might.
 */
export function compressBzip2(data: Uint8Array): Buffer {
  const out = new BitWriter();
  out.bytes(Buffer.from('BZh9'));
  let combined = 0;
  for (let start = 0; start < data.length; start += BLOCK_BYTES) {
    const piece = data.subarray(start, start + BLOCK_BYTES);
    const crc = crcOf(piece);
    combined = ((combined << 1) | (combined >>> 31)) ^ crc;
    writeBlock(out, encodeRuns(piece), crc);
  }
  out.bytes(Buffer.from('177245385090', 'hex'));
  out.bits(combined >>> 0, 32);
  return out.finish();
}

class BitWriter {
  readonly #bytes: number[] = [];
  #pending = 0;
  #count = 0;

  bits(value: number, count: number): void {
    for (let bit = count - 1; bit >= 0; bit -= 1) {
      this.#pending = (this.#pending << 1) | (Math.floor(value / 2 ** bit) & 1);
      this.#count += 1;
      if (this.#count === 8) {
        this.#bytes.push(this.#pending);
        this.#pending = 0;
        this.#count = 0;
      }
    }
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.bits(byte, 8);
    }
  }

  finish(): Buffer {
    if (this.#count > 0) {
      this.bits(0, 8 - this.#count);
    }
    return Buffer.from(this.#bytes);
  }
}

function crcOf(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = crc < 0 ? (crc << 1) ^ CRC_POLYNOMIAL : crc << 1;
    }
  }
  return ~crc >>> 0;
}

/** Four equal bytes are followed by how many more there are. */
function encodeRuns(data: Uint8Array): Buffer {
  const out: number[] = [];
  for (let at = 0; at < data.length; ) {
    const byte = data[at] ?? 0;
    let run = 1;
    while (run < 255 && data[at + run] === byte) {
      run += 1;
    }
    for (let copy = 0; copy < Math.min(run, 4); copy += 1) {
      out.push(byte);
    }
    if (run >= 4) {
      out.push(run - 4);
    }
    at += run;
  }
  return Buffer.from(out);
}

function writeBlock(out: BitWriter, data: Buffer, crc: number): void {
  const order = sortRotations(data);
  const last = Buffer.from(order.map((start) => data[(start || data.length) - 1] ?? 0));
  const used = [...new Set(data)].toSorted((left, right) => left - right);
  const symbols = toSymbols(last, used);
  const lengths = codeLengths(symbols, used.length + 2);
  out.bytes(Buffer.from('314159265359', 'hex'));
  out.bits(crc, 32);
  out.bits(0, 1);
  out.bits(order.indexOf(0), 24);
  writeUsed(out, used);
  const selectors = Math.ceil(symbols.length / GROUP_SYMBOLS);
  out.bits(CODE_TABLES, 3);
  out.bits(selectors, 15);
  out.bits(0, selectors);
  for (let table = 0; table < CODE_TABLES; table += 1) {
    writeLengths(out, lengths);
  }
  const codes = codesOf(lengths);
  for (const symbol of symbols) {
    out.bits(codes[symbol] ?? 0, lengths[symbol] ?? 0);
  }
}

/** Where the rotations of a block begin, in the order of their bytes (prefix doubling). */
function sortRotations(data: Buffer): number[] {
  const { length } = data;
  const order = Array.from({ length }, (_, index) => index);
  let ranks: number[] = [...data];
  for (let known = 1; ; known *= 2) {
    const near = ranks;
    const far = (index: number): number => near[(index + known) % length] ?? 0;
    const compare = (left: number, right: number): number =>
      (near[left] ?? 0) - (near[right] ?? 0) || far(left) - far(right);
    order.sort(compare);
    ranks = Array.from({ length }, () => 0);
    let rank = 0;
    for (let place = 1; place < length; place += 1) {
      rank += compare(order[place - 1] ?? 0, order[place] ?? 0) === 0 ? 0 : 1;
      ranks[order[place] ?? 0] = rank;
    }
    if (rank === length - 1 || known >= length) {
      return order;
    }
  }
}

/** Move-to-front; runs of 0 become binary numbers of the symbols 0 and 1; one more symbol ends the block. */
function toSymbols(data: Buffer, used: readonly number[]): number[] {
  const recent = [...used];
  const symbols: number[] = [];
  let zeros = 0;
  const writeZeros = (): void => {
    for (let left = zeros; left > 0; left = (left - 1) >> 1) {
      symbols.push(left % 2 === 1 ? 0 : 1);
    }
    zeros = 0;
  };
  for (const byte of data) {
    const position = recent.indexOf(byte);
    if (position === 0) {
      zeros += 1;
    } else {
      writeZeros();
      symbols.push(position + 1);
      recent.splice(position, 1);
      recent.unshift(byte);
    }
  }
  writeZeros();
  return [...symbols, used.length + 1];
}

function writeUsed(out: BitWriter, used: readonly number[]): void {
  const sixteen = Array.from({ length: 16 }, (_, index) => index);
  const isUsed = new Set(used);
  const ranges = sixteen.map((high) => sixteen.map((low) => isUsed.has(high * 16 + low)));
  for (const range of ranges) {
    out.bits(range.includes(true) ? 1 : 0, 1);
  }
  for (const bit of ranges.filter((range) => range.includes(true)).flat()) {
    out.bits(bit ? 1 : 0, 1);
  }
}

/** Lengths of a Huffman code over all symbols; frequencies are flattened until none is too long. */
function codeLengths(symbols: readonly number[], alphabet: number): number[] {
  let frequencies = Array.from({ length: alphabet }, () => 1);
  for (const symbol of symbols) {
    frequencies[symbol] = (frequencies[symbol] ?? 0) + 1;
  }
  for (;;) {
    const lengths = huffmanLengths(frequencies);
    if (Math.max(...lengths) <= LONGEST_CODE) {
      return lengths;
    }
    frequencies = frequencies.map((frequency) => Math.ceil(frequency / 2));
  }
}

function huffmanLengths(frequencies: readonly number[]): number[] {
  const lengths = frequencies.map(() => 0);
  let trees = frequencies.map((weight, symbol) => ({ weight, symbols: [symbol] }));
  while (trees.length > 1) {
    trees = trees.toSorted((left, right) => left.weight - right.weight);
    const [one, other, ...rest] = trees;
    if (one === undefined || other === undefined) {
      break;
    }
    const joined = [...one.symbols, ...other.symbols];
    for (const symbol of joined) {
      lengths[symbol] = (lengths[symbol] ?? 0) + 1;
    }
    trees = [...rest, { weight: one.weight + other.weight, symbols: joined }];
  }
  return lengths;
}

/** Canonical codes: in the order of their lengths, then of the symbols. */
function codesOf(lengths: readonly number[]): number[] {
  const codes = lengths.map(() => 0);
  let code = 0;
  for (let length = 1; length <= LONGEST_CODE; length += 1) {
    for (const [symbol, own] of lengths.entries()) {
      if (own === length) {
        codes[symbol] = code;
        code += 1;
      }
    }
    code *= 2;
  }
  return codes;
}

/** The first length, then for each symbol steps up (10) or down (11) to its own, ended by 0. */
function writeLengths(out: BitWriter, lengths: readonly number[]): void {
  let present = lengths[0] ?? 1;
  out.bits(present, 5);
  for (const length of lengths) {
    while (present !== length) {
      const isLonger = length > present;
      out.bits(isLonger ? 2 : 3, 2);
      present += isLonger ? 1 : -1;
    }
    out.bits(0, 1);
  }
}
