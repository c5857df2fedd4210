import type { Response } from 'express';

/** Sends what there is at once and keeps the connection for as long as it takes. */
export function beginStream(response: Response, contentType: string): void {
  response.status(200).set({
    'Content-Type': contentType,
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  response.socket?.setTimeout(0);
  response.flushHeaders();
}

/** Writes a piece; resolves when the client has room for more, or has gone. */
export async function writePiece(response: Response, piece: string | Uint8Array): Promise<void> {
  if (response.destroyed || response.write(piece)) {
    return;
  }
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

/** Ends a stream that has begun; an answer that has not is left to whoever reports the error. */
export function endStream(response: Response): void {
  if (response.headersSent) {
    response.end();
  }
}
