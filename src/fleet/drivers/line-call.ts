import { connect, type NetConnectOpts, type Socket } from 'node:net';

/**
 * One conversation over a socket: connects, sends, reads until `isWhole` says so or the other side ends, closes.
 * Rejects with an Error whose message says what became of it.
 *
 * @param options.maxBytes - more than this is an error
 */
export async function callSocket(
  target: NetConnectOpts,
  text: string,
  options: {
    readonly timeoutMs: number;
    readonly maxBytes: number;
    readonly isWhole?: (said: string) => boolean;
  },
): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const socket: Socket = connect(target);
    const pieces: Buffer[] = [];
    let size = 0;
    const finish = (error?: Error): void => {
      socket.destroy();
      clearTimeout(timer);
      if (error === undefined) {
        resolve(Buffer.concat(pieces).toString('utf8'));
      } else {
        reject(error);
      }
    };
    const timer = setTimeout(() => {
      finish(new Error(`no answer within ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    socket.once('connect', () => socket.write(text));
    socket.on('data', (piece) => {
      pieces.push(piece);
      size += piece.length;
      if (size > options.maxBytes) {
        finish(new Error(`an answer of more than ${options.maxBytes} bytes`));
      } else if (options.isWhole?.(Buffer.concat(pieces).toString('utf8')) === true) {
        finish();
      }
    });
    socket.once('end', () => {
      finish();
    });
    socket.once('error', finish);
  });
}
