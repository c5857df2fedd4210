import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { AppError } from '../support/errors.ts';

/** Bytes that can be read from any place, more than once. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** These bytes; fewer only where the source ends. */
  read(offset: number, length: number): Promise<Buffer>;
  /** These bytes in pieces, which the reader may keep. Throws `source-truncated` where the source ends earlier. */
  stream(offset: number, length: number): AsyncIterable<Buffer>;
}

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
    const buffer = Buffer.allocUnsafe(wanted);
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

  async *stream(offset: number, length: number): AsyncGenerator<Buffer> {
    for (let done = 0; done < length; ) {
      const piece = await this.read(offset + done, Math.min(PIECE_BYTES, length - done));
      if (piece.length === 0) {
        throw truncated(this.size);
      }
      done += piece.length;
      yield piece;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function truncated(size: number): AppError {
  return new AppError('source-truncated', `The file ends early, at or before byte ${size}.`, {
    details: { size },
  });
}
