import { sleep } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { ended, killGroup, spawnGroup } from '../support/processes.ts';
import type { JobLog } from './job-log.ts';
import type { JobTraces } from './job-traces.ts';
import { endStrays } from './stray-processes.ts';

/** Between the polite signal and the one that cannot be refused. */
const GRACE_MS = 5000;
const STRAYS_MS = 1000;

export interface BuildProcessOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly log: JobLog;
  readonly traces: JobTraces;
  /** Where standard output goes instead of the log. */
  readonly stdout?: number;
  /** A descriptor that the program inherits as number 3. */
  readonly keptOpen?: number;
  /** Processes that still run below this folder afterwards have left their group, and are ended too. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * Runs one program of a build in a process group of its own, its output in the job's log, and leaves no process
 * behind: when it ends, or the signal aborts (SIGTERM, and SIGKILL 5 s later), whatever is left of the group is
 * killed.
 *
 * Returns the exit code, 128 + n for signal n. Throws `job-stopped`, `program-not-found`.
 */
export async function runBuildProcess(
  command: readonly string[],
  options: BuildProcessOptions,
): Promise<number> {
  if (options.signal.aborted) {
    throw stopped();
  }
  const child = spawnGroup(command, options, [
    'ignore',
    options.stdout ?? options.log.fd,
    options.log.fd,
    ...(options.keptOpen === undefined ? [] : [options.keptOpen]),
  ]);
  const exit = ended(child, command);
  if (child.pid !== undefined) {
    options.traces.addGroup(child.pid);
  }
  const over = new AbortController();
  const guard = stopOnAbort(child, options.signal, over.signal);
  try {
    const code = await exit;
    if (options.signal.aborted) {
      throw stopped();
    }
    return code;
  } finally {
    over.abort();
    await guard;
    killGroup(child, 'SIGKILL');
    await endStrays({ folders: [options.folder] }, STRAYS_MS);
  }
}

function stopped(): AppError {
  return new AppError('job-stopped', 'The build was stopped.');
}

async function stopOnAbort(
  child: ReturnType<typeof spawnGroup>,
  signal: AbortSignal,
  over: AbortSignal,
): Promise<void> {
  await abortOf([signal, over]);
  if (over.aborted) {
    return;
  }
  killGroup(child, 'SIGTERM');
  await sleep(GRACE_MS, over);
  killGroup(child, 'SIGKILL');
}

async function abortOf(signals: readonly AbortSignal[]): Promise<void> {
  const either = AbortSignal.any([...signals]);
  if (!either.aborted) {
    await new Promise<void>((resolve) => {
      either.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
    });
  }
}
