import { AppError, isErrno, messageOf } from '../support/errors.ts';

/** A GET that must be answered with 200. Throws `binhost-unreadable`; `interrupted` when the signal aborts. */
export async function httpGet(url: string, signal: AbortSignal | undefined): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted) {
      throw new AppError('interrupted', `Fetching ${url} was interrupted.`, { cause: error });
    }
    throw new AppError('binhost-unreadable', `${url} cannot be fetched: ${networkReason(error)}.`, {
      cause: error,
    });
  }
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new AppError('binhost-unreadable', `${url} is answered with ${response.status}.`, {
      details: { status: response.status },
    });
  }
  return response;
}

/** The whole body. Throws `answer-too-large` above `limit` bytes, `connection-lost` when it breaks off. */
export async function readAll(response: Response, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(response)) {
    size += chunk.byteLength;
    if (size > limit) {
      throw new AppError('answer-too-large', `${response.url} is larger than ${limit} bytes.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body in pieces. Throws `connection-lost` when it breaks off. */
export async function* bodyChunks(response: Response): AsyncIterable<Uint8Array> {
  if (response.body === null) {
    return;
  }
  const reader = response.body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      yield next.value;
    }
  } catch (error) {
    throw new AppError(
      'connection-lost',
      `The connection broke while ${response.url} was read: ${networkReason(error)}.`,
      { cause: error },
    );
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** `fetch` wraps what happened; the reason is in its cause. */
export function networkReason(error: unknown): string {
  const cause =
    typeof error === 'object' && error !== null && 'cause' in error && error.cause !== undefined
      ? error.cause
      : error;
  if (isErrno(cause, 'ECONNREFUSED')) {
    return 'connection refused';
  }
  if (isErrno(cause, 'ENOTFOUND')) {
    return 'the host name is not known';
  }
  return messageOf(cause) || messageOf(error);
}
