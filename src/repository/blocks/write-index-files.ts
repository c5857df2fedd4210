import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type PackedBlocks, packBlocks } from '../../binpkg/pkgdir/packed-blocks.ts';
import { digestOf } from '../../support/digests.ts';
import type { BlockBytes } from './block-text.ts';
import type { KnownBlock, KnownIndex } from './known-index.ts';

/** A piece of an index: just composed, or taken over from another index. */
export type IndexPiece = BlockBytes | KnownBlock;

/** Pieces that follow one another in another index: one read, one write. */
interface Stretch {
  readonly index: KnownIndex;
  readonly start: number;
  length: number;
  readonly blocks: KnownBlock[];
}

const STRETCH_BYTES = 4 * 1024 * 1024;

/** What should have been taken over from an index is not what it was. */
export class DamagedIndexError extends Error {
  constructor(folder: string) {
    super(`the index in ${folder} is damaged`);
  }
}

/**
 * Writes `Packages` and `Packages.gz`, durably, both of the time of the TIMESTAMP. Returns the gzip members of the
 * composed pieces by name. Throws `DamagedIndexError`.
 */
export async function writeIndexFiles(
  folder: string,
  pieces: readonly IndexPiece[],
  timestampSeconds: number,
): Promise<PackedBlocks> {
  const packing = packComposed(pieces);
  const results = await Promise.allSettled([
    packing,
    writeDurably(join(folder, 'Packages'), timestampSeconds, async (handle) => {
      await writePlain(handle, pieces);
    }),
    writeDurably(join(folder, 'Packages.gz'), timestampSeconds, async (handle) => {
      const packed = await packing;
      const members = pieces.map((piece) =>
        'bytes' in piece ? (packed.get(piece.name) ?? Buffer.alloc(0)) : piece.packed,
      );
      await handle.writeFile(Buffer.concat(members));
    }),
  ]);
  for (const result of results) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
  return await packing;
}

async function packComposed(pieces: readonly IndexPiece[]): Promise<PackedBlocks> {
  const composed = pieces.filter((piece): piece is BlockBytes => 'bytes' in piece);
  const members = await packBlocks(composed, new Map());
  return new Map(members.map((member, at) => [composed[at]?.name ?? '', member]));
}

/** Reads one stretch ahead while another is written. */
async function writePlain(handle: FileHandle, pieces: readonly IndexPiece[]): Promise<void> {
  const parts = stretchesOf(pieces);
  let next = readPart(parts[0]);
  for (const at of parts.keys()) {
    const bytes = await next;
    next = readPart(parts[at + 1]);
    const [written] = await Promise.allSettled([handle.writeFile(bytes), next]);
    if (written.status === 'rejected') {
      throw written.reason;
    }
  }
}

function stretchesOf(pieces: readonly IndexPiece[]): (BlockBytes | Stretch)[] {
  const parts: (BlockBytes | Stretch)[] = [];
  for (const piece of pieces) {
    const last = parts.at(-1);
    if ('bytes' in piece) {
      parts.push(piece);
    } else if (
      last !== undefined &&
      'blocks' in last &&
      last.index === piece.index &&
      last.start + last.length === piece.start &&
      last.length + piece.length <= STRETCH_BYTES
    ) {
      last.blocks.push(piece);
      last.length += piece.length;
    } else {
      const { index, start, length } = piece;
      parts.push({ index, start, length, blocks: [piece] });
    }
  }
  return parts;
}

async function readPart(part: BlockBytes | Stretch | undefined): Promise<Buffer> {
  if (part === undefined) {
    return Buffer.alloc(0);
  }
  if ('bytes' in part) {
    return part.bytes;
  }
  const bytes = await part.index.read(part.start, part.length);
  for (const { name, start, length } of part.blocks) {
    const at = start - part.start;
    if (digestOf('sha256', bytes.subarray(at, at + length)) !== name) {
      throw new DamagedIndexError(part.index.folder);
    }
    await setImmediate();
  }
  return bytes;
}

async function writeDurably(
  path: string,
  mtimeSeconds: number,
  content: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    await content(handle);
    await handle.chmod(0o644);
    await handle.utimes(mtimeSeconds, mtimeSeconds);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
