import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackedBlocks } from '../../binpkg/pkgdir/packed-blocks.ts';
import { digestOf } from '../../support/digests.ts';
import { isErrno } from '../../support/errors.ts';
import type { BlockText } from './block-store.ts';

/** A block of an index that is on disk already. */
export interface KnownBlock {
  readonly name: string;
  readonly index: KnownIndex;
  /** Where its text is in `Packages`. */
  readonly start: number;
  readonly length: number;
  readonly packed: Buffer;
}

/**
 * The index of an earlier publication, of which a new one takes over what did not change. The disk is believed
 * nothing: of what is taken over the digests are compared with those that the database has.
 */
export class KnownIndex {
  readonly folder: string;
  readonly #plain: FileHandle;
  readonly #blocks: ReadonlyMap<string, Omit<KnownBlock, 'index'>>;

  private constructor(
    folder: string,
    plain: FileHandle,
    blocks: ReadonlyMap<string, Omit<KnownBlock, 'index'>>,
  ) {
    this.folder = folder;
    this.#plain = plain;
    this.#blocks = blocks;
  }

  /** Undefined when there is none, or one that was not written in blocks. Close it. */
  static async open(folder: string): Promise<KnownIndex | undefined> {
    try {
      const blocks = cutPacked(await readFile(join(folder, 'Packages.gz')));
      return blocks.size === 0
        ? undefined
        : new KnownIndex(folder, await open(join(folder, 'Packages'), 'r'), blocks);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        return undefined;
      }
      throw error;
    }
  }

  find({ sha256, packedSha256 }: BlockText): KnownBlock | undefined {
    const found = this.#blocks.get(sha256);
    return found === undefined || digestOf('sha256', found.packed) !== packedSha256
      ? undefined
      : { ...found, index: this };
  }

  /** Bytes of `Packages`, unchecked. */
  async read(start: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    while (at < length) {
      const { bytesRead } = await this.#plain.read(bytes, at, length - at, start + at);
      if (bytesRead === 0) {
        return bytes.subarray(0, at);
      }
      at += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#plain.close();
  }
}

/** The members, and where their texts begin in the text of all. */
function cutPacked(packed: Buffer): ReadonlyMap<string, Omit<KnownBlock, 'index'>> {
  const blocks = new Map<string, Omit<KnownBlock, 'index'>>();
  let start = 0;
  for (const [name, member] of readPackedBlocks(packed)) {
    const length = member.readUInt32LE(member.length - 4);
    blocks.set(name, { name, start, length, packed: member });
    start += length;
  }
  return blocks;
}
