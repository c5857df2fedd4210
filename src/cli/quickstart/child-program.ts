import { open, readFile } from 'node:fs/promises';
import { sleep } from '../../support/clock.ts';
import { AppError } from '../../support/errors.ts';
import { ended, killGroup, spawnGroup, toolEnvironment } from '../../support/processes.ts';
import { harmless } from '../output.ts';

/** The server or the agent, as a child of the quickstart. */
export interface ChildProgram {
  readonly name: string;
  readonly pid: number | undefined;
  readonly logFile: string;
  /** Aborts when the program ends, asked or not; the reason is a `program-ended` AppError. */
  readonly ended: AbortSignal;
  /** Asks it to stop, kills it when it does not, and resolves when it is gone. */
  readonly stop: () => Promise<void>;
  /** Kills it at once. */
  readonly kill: () => void;
}

const GRACE_MS = 5000;
const TAIL_BYTES = 4096;

/** Starts a program whose output goes to a file. Throws `program-not-found` through `ended`. */
export async function startChild(program: {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly logFile: string;
}): Promise<ChildProgram> {
  const { name, command, cwd, logFile } = program;
  const log = await open(logFile, 'w', 0o600);
  let child: ReturnType<typeof spawnGroup>;
  let exit: Promise<string>;
  try {
    child = spawnGroup(command, { cwd, env: toolEnvironment() }, ['ignore', log.fd, log.fd]);
    exit = ended(child, command).then(
      (code) => `The ${name} ended with exit code ${code}.`,
      (error: unknown) => `The ${name} cannot be run: ${String(error)}`,
    );
  } finally {
    await log.close();
  }
  const over = new AbortController();
  const watch = async (): Promise<void> => {
    over.abort(new AppError('program-ended', await exit));
  };
  const gone = watch();
  return {
    name,
    pid: child.pid,
    logFile,
    ended: over.signal,
    stop: async () => {
      killGroup(child, 'SIGTERM');
      const patience = new AbortController();
      await Promise.race([gone, sleep(GRACE_MS, patience.signal)]);
      patience.abort();
      killGroup(child, 'SIGKILL');
      await gone;
    },
    kill: () => {
      killGroup(child, 'SIGKILL');
    },
  };
}

/** The last lines that a program wrote. */
export async function lastLines(logFile: string, count: number): Promise<string[]> {
  const bytes = await readFile(logFile);
  const text = harmless(bytes.subarray(-TAIL_BYTES * count).toString('utf8'), 'drop-colors');
  return text.trimEnd().split('\n').slice(-count);
}
