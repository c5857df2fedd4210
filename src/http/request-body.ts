import type { IncomingMessage } from 'node:http';
import { AppError, isErrno } from '../support/errors.ts';

const MAX_BODY_MS = 120_000;
const MAX_DISCARD_MS = 10_000;
const UPLOAD_IDLE_MS = 900_000;

/**
 * The whole body, in memory.
 *
 * Throws `body-too-large`, `body-timeout`, `body-truncated`, `unsupported-media-type` (an encoded body).
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  refuseEncoded(request);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
    throw tooLarge(maxBytes);
  }
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    request.destroy();
  }, MAX_BODY_MS);
  try {
    return await collect(request, maxBytes);
  } catch (error) {
    if (isLate) {
      throw new AppError('body-timeout', `The body took more than ${MAX_BODY_MS} ms.`);
    }
    throw isErrno(error, 'ECONNRESET')
      ? new AppError('body-truncated', 'The connection ended before the body did.', {
          cause: error,
        })
      : error;
  } finally {
    clearTimeout(timer);
  }
}

/** A JSON body; an absent one is an empty object. Throws what `readBody` throws, and `invalid-body`. */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = request.headers['content-type'];
  const bytes = await readBody(request, maxBytes);
  if (bytes.length === 0) {
    return {};
  }
  if (type !== undefined && !/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    throw new AppError(
      'unsupported-media-type',
      `The body has to be application/json, not ${type.slice(0, 100)}.`,
    );
  }
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new AppError('invalid-body', 'The body is not JSON.');
  }
}

/**
 * For a body that is read as a stream: it is taken as it is, and what is done with it before the answer may take
 * long. Throws `unsupported-media-type`.
 */
export function expectUpload(request: IncomingMessage): void {
  refuseEncoded(request);
  request.socket.setTimeout(UPLOAD_IDLE_MS);
}

/** The announced length of a body, if it is announced. */
export function announcedLength(request: IncomingMessage): number | undefined {
  const text = request.headers['content-length'];
  return text === undefined ? undefined : Number(text);
}

function refuseEncoded(request: IncomingMessage): void {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new AppError(
      'unsupported-media-type',
      `A body in the encoding ${encoding.slice(0, 100)} is not taken.`,
    );
  }
}

/**
 * A client that is still sending when it is refused may go on for a while, so that it gets to read the refusal
 * instead of a reset connection; node:http reads and forgets what it sends. One that does not end soon is cut off.
 */
export function boundDiscarding(request: IncomingMessage): void {
  if (request.complete || request.destroyed) {
    return;
  }
  const timer = setTimeout(() => {
    request.destroy();
  }, MAX_DISCARD_MS);
  timer.unref();
  request.once('close', () => {
    clearTimeout(timer);
  });
}

async function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data');
        reject(tooLarge(maxBytes));
        return;
      }
      chunks.push(chunk);
    });
    request.once('end', resolve);
    request.once('error', reject);
  });
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('body-too-large', `The body has more than ${maxBytes} bytes.`, {
    details: { maxBytes },
  });
}
