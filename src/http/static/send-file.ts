import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';

const SHORT_BYTES = 256 * 1024;
const CHUNK_BYTES = 512 * 1024;
const CROWDED_CHUNK_BYTES = 64 * 1024;

/** A span of an open file; `last` is part of it. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** Whether a span fits into one read, so that the descriptor need not stay open while a slow client takes it. */
export function isShort(span: Span): boolean {
  return span.last - span.first < SHORT_BYTES;
}

/** The bytes of a short span, or undefined when the file has become shorter than it was. */
export async function readSpan(handle: FileHandle, span: Span): Promise<Buffer | undefined> {
  const bytes = Buffer.allocUnsafe(span.last - span.first + 1);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(
      bytes,
      filled,
      bytes.length - filled,
      span.first + filled,
    );
    if (bytesRead === 0) {
      return undefined;
    }
    filled += bytesRead;
  }
  return bytes;
}

/**
 * Writes a span of an open file to a response and ends it: one buffer is filled while the other is on its way; in a
 * crowd there is a single small one. Returns early when the client has gone, and cuts off one that takes nothing for
 * `stallMs`. A file that has become shorter breaks the connection, so that the client knows; the result says whether
 * everything was sent.
 */
export async function sendSpan(
  handle: FileHandle,
  response: ServerResponse,
  span: Span,
  { isCrowded, stallMs }: { readonly isCrowded: boolean; readonly stallMs: number },
): Promise<boolean> {
  response.setTimeout(stallMs);
  const buffers = isCrowded
    ? [Buffer.allocUnsafeSlow(CROWDED_CHUNK_BYTES)]
    : [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)];
  const underway = buffers.map(async () => {});
  let position = span.first;
  for (let turn = 0; position <= span.last; turn = (turn + 1) % buffers.length) {
    await underway[turn];
    const buffer = buffers[turn];
    if (buffer === undefined || response.destroyed) {
      break;
    }
    const wanted = Math.min(buffer.length, span.last - position + 1);
    const { bytesRead } = await handle.read(buffer, 0, wanted, position);
    if (bytesRead === 0) {
      response.destroy();
      break;
    }
    underway[turn] = write(response, buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
  await Promise.all(underway);
  if (response.destroyed) {
    return false;
  }
  response.end();
  return true;
}

async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('close', done);
      resolve();
    };
    if (response.destroyed) {
      resolve();
      return;
    }
    response.once('close', done);
    response.write(bytes, done);
  });
}
