import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { DigestSet } from '../support/digests.ts';
import type { DiskSpace } from '../support/disk-space.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { syncDirectory, writeAll } from '../support/files.ts';
import type { TemporaryFiles } from './temporary-files.ts';

/** The upload itself, and the signed package that is made of it. */
const FILES_OF_UPLOAD = 2;
/** Somebody else may fill the disk meanwhile. */
const LOOK_EVERY_BYTES = 16 * 1024 * 1024;

export interface ExpectedUpload {
  readonly sha512: string;
  readonly size?: number;
}

/**
 * See `Repository.receiveUpload`. A refused stream is left as it is, so that its sender can still be answered; an error
 * of the stream comes out where it is read, and never as an event that nobody listens to.
 */
export async function receiveUpload(
  store: {
    readonly uploads: TemporaryFiles;
    readonly folder: string;
    readonly maxBytes: number;
    readonly space: DiskSpace;
  },
  stream: Readable,
  expected: ExpectedUpload,
): Promise<string> {
  stream.on('error', () => undefined);
  if (expected.size !== undefined && expected.size > store.maxBytes) {
    throw tooLarge(expected.size, store.maxBytes);
  }
  await store.space.requireRoom(FILES_OF_UPLOAD * (expected.size ?? 0));
  const path = await store.uploads.newPath('upload');
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await copyChecked(stream, handle, { ...expected, ...store });
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncDirectory(store.folder);
    return path;
  } catch (error) {
    await store.uploads.discard(path);
    throw error;
  }
}

async function copyChecked(
  stream: Readable,
  handle: FileHandle,
  expected: ExpectedUpload & { readonly maxBytes: number; readonly space: DiskSpace },
): Promise<void> {
  const digest = new DigestSet(['sha512']);
  const chunks = stream[Symbol.asyncIterator]();
  let looked = 0;
  for (;;) {
    const chunk = await nextChunk(chunks, digest.size);
    if (chunk === undefined) {
      break;
    }
    if (digest.size + chunk.byteLength > expected.maxBytes) {
      throw tooLarge(digest.size + chunk.byteLength, expected.maxBytes);
    }
    digest.update(chunk);
    if (expected.size !== undefined && digest.size > expected.size) {
      throw new AppError(
        'upload-digest-mismatch',
        `The upload has more than the ${expected.size} bytes that were announced.`,
      );
    }
    if (digest.size - looked >= LOOK_EVERY_BYTES) {
      looked = digest.size;
      await expected.space.requireRoom(digest.size);
    }
    await writeAll(handle, chunk);
  }
  if (expected.size !== undefined && digest.size < expected.size) {
    throw new AppError(
      'upload-truncated',
      `The upload ended after ${digest.size} of ${expected.size} bytes.`,
      { details: { received: digest.size, expected: expected.size } },
    );
  }
  const sha512 = digest.finish().of('sha512');
  if (sha512 !== expected.sha512) {
    throw new AppError(
      'upload-digest-mismatch',
      `The upload has the SHA-512 ${sha512}, announced was ${expected.sha512}.`,
      { details: { sha512, expected: expected.sha512 } },
    );
  }
}

async function nextChunk(
  chunks: AsyncIterator<unknown>,
  received: number,
): Promise<Uint8Array | undefined> {
  let next: IteratorResult<unknown>;
  try {
    next = await chunks.next();
  } catch (error) {
    throw new AppError(
      'upload-truncated',
      `The upload broke off after ${received} bytes: ${messageOf(error)}.`,
      { cause: error, details: { received } },
    );
  }
  if (next.done) {
    return undefined;
  }
  if (next.value instanceof Uint8Array) {
    return next.value;
  }
  return Buffer.from(String(next.value));
}

function tooLarge(size: number, maxBytes: number): AppError {
  return new AppError(
    'upload-too-large',
    `The upload has at least ${size} bytes, ${maxBytes} is the most that is accepted.`,
    { details: { size, maxBytes } },
  );
}
