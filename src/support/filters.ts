import { pipeline } from 'node:stream/promises';
import { AppError, isErrno } from './errors.ts';
import { ended, killGroup, type RunOptions, spawnGroup } from './processes.ts';

const SAID_BYTES = 16 * 1024;

/**
 * Pipes bytes through a program and gives what it writes, piece by piece. The program is slowed down to the
 * reader's pace, and its group is killed when the reader stops early, the input fails or `signal` aborts.
 *
 * Throws `program-not-found`, `process-failed` (with the end of what it said), `process-aborted`, and what the
 * input throws.
 */
export async function* filterThrough(
  command: readonly string[],
  input: AsyncIterable<Uint8Array>,
  options: Pick<RunOptions, 'cwd' | 'env' | 'signal'>,
): AsyncGenerator<Buffer> {
  const child = spawnGroup(command, options, ['pipe', 'pipe', 'pipe']);
  const exit = ended(child, command);
  exit.catch(() => undefined);
  const said = collectEnd(child.stderr);
  const stop = (): void => {
    killGroup(child, 'SIGKILL');
  };
  options.signal?.addEventListener('abort', stop, { once: true });
  const fed = feed(input, child.stdin, stop);
  fed.catch(() => undefined);
  let finished = false;
  try {
    if (options.signal?.aborted) {
      stop();
    }
    for await (const piece of piecesOf(child.stdout)) {
      yield piece;
    }
    const exitCode = await exit;
    finished = true;
    await fed;
    check(command, { exitCode, said: said(), aborted: options.signal?.aborted === true });
  } finally {
    options.signal?.removeEventListener('abort', stop);
    if (!finished) {
      stop();
      child.stdout?.destroy();
      await Promise.allSettled([fed, exit]);
    }
  }
}

async function* piecesOf(stream: NodeJS.ReadableStream | null): AsyncGenerator<Buffer> {
  for await (const piece of stream ?? []) {
    yield Buffer.isBuffer(piece) ? piece : Buffer.from(piece);
  }
}

/** A program that stops reading is judged by its exit code; an input that fails ends the program. */
async function feed(
  input: AsyncIterable<Uint8Array>,
  stdin: NodeJS.WritableStream | null,
  stop: () => void,
): Promise<void> {
  if (stdin === null) {
    return;
  }
  try {
    await pipeline(input, stdin);
  } catch (error) {
    if (!isErrno(error, 'EPIPE') && !isErrno(error, 'ERR_STREAM_PREMATURE_CLOSE')) {
      stop();
      throw error;
    }
  }
}

function collectEnd(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.on('data', (piece: Buffer) => {
    text = (text + piece.toString('utf8')).slice(-SAID_BYTES);
  });
  return () => text.trim().split('\n').slice(-5).join('\n');
}

function check(
  command: readonly string[],
  result: { readonly exitCode: number; readonly said: string; readonly aborted: boolean },
): void {
  const name = command[0] ?? '';
  if (result.aborted) {
    throw new AppError('process-aborted', `${name} was stopped.`);
  }
  if (result.exitCode !== 0) {
    throw new AppError('process-failed', `${name} ended with ${result.exitCode}: ${result.said}`, {
      details: { exitCode: result.exitCode },
    });
  }
}
