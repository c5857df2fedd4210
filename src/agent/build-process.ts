import { sleep } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { ended, killGroup, spawnGroup } from '../support/processes.ts';
import type { JobLog } from './job-log.ts';
import type { JobTraces } from './job-traces.ts';
import { ProcessTree } from './process-tree.ts';
import { endStrays } from './stray-processes.ts';

/** Between the polite signal and the one that cannot be refused. */
const GRACE_MS = 3000;
/** How often what a build has started is looked at. */
const LOOK_EVERY_MS = 2000;
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
 * behind: when it ends, or the signal aborts (SIGTERM, and SIGKILL 3 s later), whatever is left of what it has started
 * is killed, whichever group, session or folder it has moved to.
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
  const tree = new ProcessTree(child.pid ?? 0);
  if (child.pid !== undefined) {
    options.traces.addGroup(child.pid);
  }
  const over = new AbortController();
  const guard = stopOnAbort({ child, tree }, options.signal, over.signal);
  const looks = setInterval(() => {
    tree.look();
  }, LOOK_EVERY_MS);
  try {
    const code = await exit;
    if (options.signal.aborted) {
      throw stopped();
    }
    return code;
  } finally {
    over.abort();
    clearInterval(looks);
    await guard;
    killGroup(child, 'SIGKILL');
    tree.look();
    tree.signal('SIGKILL');
    await endStrays({ folders: [options.folder] }, STRAYS_MS);
  }
}

function stopped(): AppError {
  return new AppError('job-stopped', 'The build was stopped.');
}

async function stopOnAbort(
  { child, tree }: { readonly child: ReturnType<typeof spawnGroup>; readonly tree: ProcessTree },
  signal: AbortSignal,
  over: AbortSignal,
): Promise<void> {
  await abortOf([signal, over]);
  if (over.aborted) {
    return;
  }
  tree.look();
  killGroup(child, 'SIGTERM');
  tree.signal('SIGTERM');
  await sleep(GRACE_MS, over);
  tree.look();
  killGroup(child, 'SIGKILL');
  tree.signal('SIGKILL');
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
