import { BLOCK_BYTES } from '../../src/binpkg/archive/tar-header.ts';

/** Numbers that follow from a seed, so that a failing case can be made again. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `sides` (mulberry32). */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * sides);
  }

  of<T>(choices: readonly T[]): T {
    const chosen = choices[this.roll(choices.length)];
    if (chosen === undefined) {
      throw new Error('there is nothing to choose from');
    }
    return chosen;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.roll(256)));
  }
}

export type Mutation = (bytes: Buffer, dice: Dice, others: readonly Buffer[]) => Buffer;

const NUMBER_FIELDS = [
  { offset: 100, width: 8 },
  { offset: 108, width: 8 },
  { offset: 124, width: 12 },
  { offset: 124, width: 12 },
  { offset: 124, width: 12 },
  { offset: 136, width: 12 },
] as const;
const NAMES = [
  '..',
  '.',
  './',
  '/etc/victim',
  '../victim',
  './../../victim',
  'image/../../victim',
  'image/usr/../..',
  'image/usr/link/victim',
  './usr/bin/hi/victim',
  'image/usr/bin/hello',
  './usr/bin/hello/',
  'image',
  'metadata/../../victim',
  'metadata/PF',
  'metadata/a/b',
  'x/gpkg-1',
  'x/Manifest',
] as const;
const U32 = [0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff] as const;

/** Changes to the bytes of a file that know nothing of what they mean. */
export const BYTE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  'flip bits': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    for (let left = 1 + dice.roll(8); left > 0; left -= 1) {
      const at = dice.roll(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << dice.roll(8));
    }
    return copy;
  },
  'set bytes': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    copy.fill(dice.of([0, 0x20, 0x30, 0x80, 0xff]), ...range(bytes, dice, 40));
    return copy;
  },
  truncate: (bytes, dice) => bytes.subarray(0, dice.roll(bytes.length)),
  extend: (bytes, dice) => Buffer.concat([bytes, dice.bytes(1 + dice.roll(2000))]),
  'cut out': (bytes, dice) => {
    const [start, end] = range(bytes, dice, 2000);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  insert: (bytes, dice) => {
    const at = dice.roll(bytes.length);
    const piece = dice.bytes(1 + dice.roll(600));
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  },
  splice: (bytes, dice, others) => {
    const donor = others[dice.roll(others.length)] ?? bytes;
    const copy = Buffer.from(bytes);
    const [start, end] = range(donor, dice, 3000);
    donor.copy(copy, dice.roll(copy.length), start, end);
    return copy;
  },
  'length field': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    const at = dice.roll(4) === 0 ? copy.length - 8 : dice.roll(copy.length - 4);
    const near = (copy.readUInt32BE(at) + dice.of([-12, -1, 1, 12, 100])) >>> 0;
    copy.writeUInt32BE(dice.of([near, dice.of(U32)]), at);
    return copy;
  },
};

/** Changes to a tar archive, its blocks and its numbers. Checksums are made right again. */
export const TAR_MUTATIONS: Readonly<Record<string, Mutation>> = {
  'number in a header': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    const header = headerOf(copy, dice);
    const { offset, width } = dice.of(NUMBER_FIELDS);
    numberText(width, dice).copy(header, offset);
    return fixedSum(copy, header);
  },
  'name in a header': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    const header = headerOf(copy, dice);
    const at = dice.of([0, 0, 157]);
    header.fill(0, at, at + 100);
    header.write(dice.of(NAMES), at, 'latin1');
    header.fill(0, 345, 500);
    return fixedSum(copy, header);
  },
  'byte in a header': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    const header = headerOf(copy, dice);
    const at = dice.of([dice.roll(100), 156, 157 + dice.roll(100), 257 + dice.roll(8), 345]);
    header[at] = dice.of([0, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x37, 0x4c, 0x78, 0x67, 0xff]);
    return fixedSum(copy, header);
  },
  'swap blocks': (bytes, dice) => {
    const copy = Buffer.from(bytes);
    const [a, b] = [blockOf(copy, dice), blockOf(copy, dice)];
    const kept = Buffer.from(a);
    b.copy(a);
    kept.copy(b);
    return copy;
  },
  'repeat blocks': (bytes, dice) => {
    const [at, count] = [dice.roll(bytes.length / BLOCK_BYTES), 1 + dice.roll(6)];
    const [start, end] = [at * BLOCK_BYTES, (at + count) * BLOCK_BYTES];
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  'drop blocks': (bytes, dice) => {
    const [at, count] = [dice.roll(bytes.length / BLOCK_BYTES), 1 + dice.roll(6)];
    const [start, end] = [at * BLOCK_BYTES, (at + count) * BLOCK_BYTES];
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
};

/** One to three of the mutations, one after the other. */
export function mutated(
  bytes: Buffer,
  from: Readonly<Record<string, Mutation>>,
  by: { readonly dice: Dice; readonly others: readonly Buffer[] },
): { readonly bytes: Buffer; readonly steps: readonly string[] } {
  const { dice, others } = by;
  const names = Object.keys(from);
  const steps: string[] = [];
  let result = bytes;
  for (let left = dice.of([1, 1, 1, 2, 3]); left > 0 && result.length > BLOCK_BYTES; left -= 1) {
    const name = names[dice.roll(names.length)] ?? '';
    steps.push(name);
    result = from[name]?.(result, dice, others) ?? result;
  }
  return { bytes: result, steps };
}

function range(bytes: Buffer, dice: Dice, most: number): [number, number] {
  const start = dice.roll(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + dice.roll(most))];
}

function blockOf(bytes: Buffer, dice: Dice): Buffer {
  const at = dice.roll(Math.floor(bytes.length / BLOCK_BYTES)) * BLOCK_BYTES;
  return bytes.subarray(at, at + BLOCK_BYTES);
}

/** A block that is a header, or any where the dice find none. */
function headerOf(bytes: Buffer, dice: Dice): Buffer {
  let block = blockOf(bytes, dice);
  for (let tries = 0; tries < 20 && block.toString('latin1', 257, 262) !== 'ustar'; tries += 1) {
    block = blockOf(bytes, dice);
  }
  return block;
}

function numberText(width: number, dice: Dice): Buffer {
  const text = dice.of(['7'.repeat(width - 1), '-1', '1', '17', '00000001000', ' ', '9', '777777']);
  const octal = Buffer.alloc(width);
  octal.write(text.slice(0, width), 'latin1');
  const big = dice.bytes(width);
  big[0] = dice.of([0x80, 0xff]);
  return dice.roll(3) === 0 ? big : octal;
}

function fixedSum(bytes: Buffer, header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}
