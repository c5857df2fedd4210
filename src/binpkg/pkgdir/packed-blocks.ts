import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, deflateRaw } from 'node:zlib';

/*
 * `Packages.gz` as this room writes it: gzip members one after the other (RFC 1952 2.2), which every reader unpacks
 * into one text. Each says in an extra field what is in it, so that the next index takes over those that did
 * not change:
 *
 *   "RK", u16le 36, u32le bytes of the member, SHA-256 of the text
 */
const FIELD_BYTES = 36;
const HEAD_BYTES = 12 + 4 + FIELD_BYTES;
const TAIL_BYTES = 8;
const HEAD = Buffer.from([
  0x1f,
  0x8b,
  8,
  4,
  0,
  0,
  0,
  0,
  0,
  3,
  4 + FIELD_BYTES,
  0,
  0x52,
  0x4b,
  FIELD_BYTES,
  0,
]);

/** Members by the SHA-256 of their text. */
export type PackedBlocks = ReadonlyMap<string, Buffer>;

/** Finds the members of a file that `packBlocks` made. None of any other file. */
export function readPackedBlocks(packed: Buffer): PackedBlocks {
  const blocks = new Map<string, Buffer>();
  for (let at = 0; at < packed.length; ) {
    const head = packed.subarray(at, at + HEAD_BYTES);
    if (head.length < HEAD_BYTES || !head.subarray(0, HEAD.length).equals(HEAD)) {
      return new Map();
    }
    const size = head.readUInt32LE(HEAD.length);
    if (size < HEAD_BYTES + TAIL_BYTES || at + size > packed.length) {
      return new Map();
    }
    blocks.set(head.toString('hex', HEAD.length + 4), packed.subarray(at, at + size));
    at += size;
  }
  return blocks;
}

/** The name of a text among packed blocks. */
export function blockName(text: Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A member for each text, packed several at once; those that `known` has are taken from there. */
export async function packBlocks(
  texts: readonly { readonly name: string; readonly bytes: Buffer }[],
  known: PackedBlocks,
): Promise<Buffer[]> {
  const pack = async ({ name, bytes }: (typeof texts)[number]): Promise<Buffer> =>
    known.get(name) ?? (await packBlock(name, bytes));
  return await Promise.all(texts.map(pack));
}

async function packBlock(name: string, bytes: Buffer): Promise<Buffer> {
  const body = await promisify(deflateRaw)(bytes);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(HEAD_BYTES + body.length + TAIL_BYTES);
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32LE(crc32(bytes), 0);
  tail.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([HEAD, size, Buffer.from(name, 'hex'), body, tail]);
}
