import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Compressor, Decompressor } from 'zstd-napi';
import { AppError } from '../support/errors.ts';
import { syncDirectory } from '../support/files.ts';

/**
 * A log that will not grow any more, in the seekable form of zstd (`contrib/seekable_format` of its sources): frames
 * that each hold so many bytes, and a skippable frame at the end that says how long each is. Whoever reads zstd reads
 * the log; who wants a part of it unpacks the frames that the part lies in.
 *
 *     frame ... frame | 0x184D2A5E | size of the rest | (packed size, size) ... | frames | 0 | 0x8F92EAB1
 *
 * Numbers are 32-bit little-endian, the 0 is one byte.
 */
const FRAME_BYTES = 512 * 1024;
const LEVEL = 6;
const SKIPPABLE_MAGIC = 0x184d2a5e;
const TABLE_MAGIC = 0x8f92eab1;
const HEADER_BYTES = 8;
const ENTRY_BYTES = 8;
const FOOTER_BYTES = 9;
const MOST_FRAMES = 1_000_000;

interface Frame {
  readonly packedOffset: number;
  readonly packedSize: number;
  readonly offset: number;
  readonly size: number;
}

/** Packs the file into `<path>.zst`, in its whole length or not at all. The file itself stays. */
export async function packLog(path: string): Promise<void> {
  const temporary = `${path}.packing`;
  const source = await open(path, 'r');
  try {
    const target = await open(temporary, 'w');
    try {
      await packInto(source, target);
      await target.sync();
    } finally {
      await target.close();
    }
    await rename(temporary, packedPath(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await source.close();
  }
  await syncDirectory(dirname(path));
}

export function packedPath(path: string): string {
  return `${path}.zst`;
}

async function packInto(source: FileHandle, target: FileHandle): Promise<void> {
  const compressor = new Compressor();
  compressor.setParameters({ compressionLevel: LEVEL, checksumFlag: true });
  const sizes: (readonly [packed: number, size: number])[] = [];
  const buffer = Buffer.alloc(FRAME_BYTES);
  for (let offset = 0; ; ) {
    const { bytesRead } = await source.read(buffer, 0, FRAME_BYTES, offset);
    if (bytesRead === 0) {
      break;
    }
    const packed = compressor.compress(buffer.subarray(0, bytesRead));
    await target.write(packed);
    sizes.push([packed.length, bytesRead]);
    offset += bytesRead;
  }
  await target.write(seekTable(sizes));
}

function seekTable(sizes: readonly (readonly [number, number])[]): Buffer {
  const content = sizes.length * ENTRY_BYTES + FOOTER_BYTES;
  const table = Buffer.alloc(HEADER_BYTES + content);
  table.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  table.writeUInt32LE(content, 4);
  sizes.forEach(([packed, size], index) => {
    table.writeUInt32LE(packed, HEADER_BYTES + index * ENTRY_BYTES);
    table.writeUInt32LE(size, HEADER_BYTES + index * ENTRY_BYTES + 4);
  });
  table.writeUInt32LE(sizes.length, table.length - FOOTER_BYTES);
  table.writeUInt32LE(TABLE_MAGIC, table.length - 4);
  return table;
}

/** Reads parts of a packed log. Throws `log-damaged` when it is not in this form. */
export class PackedLog {
  readonly #handle: FileHandle;
  readonly #frames: readonly Frame[];
  /** Of the log itself. */
  readonly size: number;

  private constructor(handle: FileHandle, frames: readonly Frame[]) {
    this.#handle = handle;
    this.#frames = frames;
    const last = frames.at(-1);
    this.size = last === undefined ? 0 : last.offset + last.size;
  }

  /** Takes the handle over: `close` closes it, and so does damage. */
  static async over(handle: FileHandle): Promise<PackedLog> {
    try {
      return new PackedLog(handle, await readFrames(handle));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes from `offset` on, at most `maxBytes`, and no more than there are in two frames. */
  async read(offset: number, maxBytes: number): Promise<Buffer> {
    const index = this.#frames.findIndex((frame) => offset < frame.offset + frame.size);
    const frame = this.#frames[index];
    if (frame === undefined) {
      return Buffer.alloc(0);
    }
    const first = (await this.#unpack(frame)).subarray(offset - frame.offset);
    const next = this.#frames[index + 1];
    if (first.length >= maxBytes || next === undefined) {
      return first.subarray(0, maxBytes);
    }
    return Buffer.concat([first, await this.#unpack(next)]).subarray(0, maxBytes);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #unpack(frame: Frame): Promise<Buffer> {
    const packed = await readExactly(this.#handle, frame.packedOffset, frame.packedSize);
    const bytes = unpacked(packed);
    if (bytes.length !== frame.size) {
      throw damaged();
    }
    return bytes;
  }
}

function unpacked(packed: Buffer): Buffer {
  try {
    return new Decompressor().decompress(packed);
  } catch (error) {
    throw damaged(error);
  }
}

async function readFrames(handle: FileHandle): Promise<Frame[]> {
  const { size: fileSize } = await handle.stat();
  const footer = await readExactly(handle, fileSize - FOOTER_BYTES, FOOTER_BYTES);
  const count = footer.readUInt32LE(0);
  if (footer.readUInt32LE(FOOTER_BYTES - 4) !== TABLE_MAGIC || count > MOST_FRAMES) {
    throw damaged();
  }
  const begin = fileSize - FOOTER_BYTES - count * ENTRY_BYTES;
  const table = await readExactly(handle, begin, count * ENTRY_BYTES);
  let [packedOffset, offset] = [0, 0];
  const frames: Frame[] = [];
  for (let at = 0; at < table.length; at += ENTRY_BYTES) {
    const [packedSize, size] = [table.readUInt32LE(at), table.readUInt32LE(at + 4)];
    frames.push({ packedOffset, packedSize, offset, size });
    packedOffset += packedSize;
    offset += size;
  }
  if (packedOffset !== begin - HEADER_BYTES || frames.some(({ size }) => size > FRAME_BYTES)) {
    throw damaged();
  }
  return frames;
}

async function readExactly(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  if (offset < 0) {
    throw damaged();
  }
  const { bytesRead } =
    length === 0 ? { bytesRead: 0 } : await handle.read(bytes, 0, length, offset);
  if (bytesRead !== length) {
    throw damaged();
  }
  return bytes;
}

function damaged(cause?: unknown): AppError {
  return new AppError('log-damaged', 'The packed log is damaged on the disk of the server.', {
    cause,
  });
}
