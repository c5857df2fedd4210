import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { constants as os } from 'node:os';
import { AppError, isErrno } from './errors.ts';

export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment of the child. Nothing is inherited unless it is in here. */
  readonly env: Readonly<Record<string, string>>;
  /** Bytes for standard input. */
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  /** Most bytes kept of each output stream; more ends the child with `process-output-too-large`. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const DEFAULT_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The part of this process's environment that a tool needs to be found and to speak plain English. */
export function toolEnvironment(): Record<string, string> {
  const { PATH, HOME, TMPDIR } = process.env;
  return {
    PATH: PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    ...(HOME === undefined ? {} : { HOME }),
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
  };
}

/**
 * Runs a program to its end, without a shell, in a process group of its own. Any exit code is a result.
 *
 * Throws `program-not-found`, `process-timeout`, `process-output-too-large`, `process-aborted`, `process-killed`.
 */
export async function run(command: readonly string[], options: RunOptions): Promise<RunResult> {
  const child = spawnGroup(command, options, ['pipe', 'pipe', 'pipe']);
  const limit = options.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES;
  let stopReason: AppError | undefined;
  const stopBecause = (error: AppError): void => {
    stopReason ??= error;
    killGroup(child, 'SIGKILL');
  };
  const tooLarge = (): void => {
    stopBecause(
      new AppError('process-output-too-large', `${name(command)} wrote more than ${limit} bytes.`),
    );
  };
  const stdout = collect(child.stdout, limit, tooLarge);
  const stderr = collect(child.stderr, limit, tooLarge);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timer = setTimeout(() => {
    stopBecause(
      new AppError('process-timeout', `${name(command)} did not end within ${timeoutMs} ms.`),
    );
  }, timeoutMs);
  const onAbort = (): void => {
    stopBecause(new AppError('process-aborted', `${name(command)} was stopped.`));
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) {
    onAbort();
  }
  try {
    writeInput(child, options.input);
    const exitCode = await ended(child, command);
    if (stopReason !== undefined) {
      throw stopReason;
    }
    return { exitCode, stdout: stdout(), stderr: stderr().toString('utf8') };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** As `run`, but an exit code other than 0 is thrown as `process-failed` with the end of what it said. */
export async function runChecked(
  command: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const result = await run(command, options);
  if (result.exitCode !== 0) {
    const said = result.stderr.trim().split('\n').slice(-5).join('\n');
    throw new AppError(
      'process-failed',
      `${name(command)} ended with ${result.exitCode}: ${said}`,
      {
        details: { exitCode: result.exitCode },
      },
    );
  }
  return result;
}

/** Starts a program as the leader of a new process group, with exactly this environment. */
export function spawnGroup(
  command: readonly string[],
  options: Pick<RunOptions, 'cwd' | 'env'>,
  stdio: SpawnOptions['stdio'],
): ChildProcess {
  const [program, ...args] = command;
  if (program === undefined) {
    throw new Error('a command needs at least its program');
  }
  return spawn(program, args, { cwd: options.cwd, env: options.env, stdio, detached: true });
}

/** Signals every process of the child's group. False when none is left. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): boolean {
  if (child.pid === undefined) {
    return false;
  }
  try {
    return process.kill(-child.pid, signal);
  } catch (error) {
    if (isErrno(error, 'ESRCH')) {
      return false;
    }
    throw error;
  }
}

/** The exit code of a child; 128 + n when it died by signal n. Throws `program-not-found`. */
export async function ended(child: ChildProcess, command: readonly string[]): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    child.once('error', (error) => {
      reject(
        isErrno(error, 'ENOENT')
          ? new AppError('program-not-found', `The program ${name(command)} is not installed.`, {
              cause: error,
            })
          : error,
      );
    });
    child.once('close', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : os.signals[signal]));
    });
  });
}

function name(command: readonly string[]): string {
  return command[0] ?? '';
}

function writeInput(child: ChildProcess, input: string | Uint8Array | undefined): void {
  // A program may end before it has read everything; its exit code tells the story.
  child.stdin?.on('error', (error) => {
    if (!isErrno(error, 'EPIPE') && !isErrno(error, 'ECONNRESET')) {
      child.emit('error', error);
    }
  });
  child.stdin?.end(input ?? '');
}

function collect(
  stream: NodeJS.ReadableStream | null,
  limit: number,
  tooLarge: () => void,
): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) {
      tooLarge();
      return;
    }
    chunks.push(chunk);
  });
  return () => Buffer.concat(chunks);
}
