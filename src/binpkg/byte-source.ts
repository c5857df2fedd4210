import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { AppError } from '../support/errors.ts';

/** Bytes that can be read from any place, more than once. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** These bytes; fewer only where the source ends. */
  read(offset: number, length: number): Promise<Buffer>;
  /**
   * These bytes in pieces, which the reader may keep; with `passing`, only until it takes the next one. Throws
   * `source-truncated` where the source ends earlier.
   */
  stream(offset: number, length: number, use?: PieceUse): AsyncIterable<Buffer>;
}

/** Whether pieces of bytes are kept, or done with when the next one is taken: then their memory is used again. */
export type PieceUse = 'kept' | 'passing';

const PIECE_BYTES = 256 * 1024;

/**
 * A regular file as a source. Its size is fixed here; a file that grows later is not followed.
 *
 * Throws `not-a-file`, and the system's error when it cannot be opened.
 */
export async function openByteSource(
  path: string,
): Promise<ByteSource & { close(): Promise<void> }> {
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) {
      throw new AppError('not-a-file', `${path} is not a regular file.`, { details: { path } });
    }
    return new FileSource(handle, stat.size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Bytes in memory as a source. */
export function memorySource(bytes: Buffer): ByteSource {
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    stream: async function* stream(offset, length) {
      for (let done = 0; done < length; done += PIECE_BYTES) {
        const piece = bytes.subarray(
          offset + done,
          offset + done + Math.min(PIECE_BYTES, length - done),
        );
        if (piece.length < Math.min(PIECE_BYTES, length - done)) {
          throw truncated(bytes.length);
        }
        yield piece;
      }
    },
  };
}

class FileSource implements ByteSource {
  readonly size: number;
  readonly #handle: fs.FileHandle;

  constructor(handle: fs.FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.size - offset));
    return await this.#readInto(Buffer.allocUnsafe(wanted), offset, wanted);
  }

  /** While one piece is worked on, the next one is being read. */
  async *stream(offset: number, length: number, use: PieceUse = 'kept'): AsyncGenerator<Buffer> {
    const buffers = use === 'passing' ? [newPiece(), newPiece()] : [];
    let turn = 0;
    const readAt = async (done: number): Promise<Buffer> => {
      const most = Math.min(PIECE_BYTES, length - done, this.size - offset - done);
      turn += 1;
      const buffer = buffers[turn % 2] ?? Buffer.allocUnsafe(Math.max(0, most));
      return await this.#readInto(buffer, offset + done, Math.max(0, most));
    };
    let coming = readAt(0);
    try {
      for (let done = 0; done < length; ) {
        const piece = await coming;
        if (piece.length === 0) {
          throw truncated(this.size);
        }
        done += piece.length;
        coming = readAt(done);
        coming.catch(() => undefined);
        yield piece;
      }
    } finally {
      await Promise.allSettled([coming]);
    }
  }

  async #readInto(buffer: Buffer, offset: number, wanted: number): Promise<Buffer> {
    let done = 0;
    while (done < wanted) {
      const { bytesRead } = await this.#handle.read(buffer, done, wanted - done, offset + done);
      if (bytesRead === 0) {
        break;
      }
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function newPiece(): Buffer {
  return Buffer.allocUnsafeSlow(PIECE_BYTES);
}

function truncated(size: number): AppError {
  return new AppError('source-truncated', `The file ends early, at or before byte ${size}.`, {
    details: { size },
  });
}
