import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../support/errors.ts';
import { ended, killGroup, spawnGroup } from '../../support/processes.ts';
import type { JobContext } from './executor.ts';
import type { RootAccess } from './root-access.ts';

/** Below EROOT, in the folder of Portage's own state. */
const LOCK = 'var/lib/portage/rookery.lock';
const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
/** Of flock(1), with -n, when somebody else has the lock. */
const CONFLICT = 1;

/**
 * Does work while no other job of any agent on this machine is in the same build root; until then it waits, and says
 * so in the job's log.
 *
 * The lock is flock(2) on a file in the root, taken by flock(1) on a descriptor of this process. The kernel gives it
 * up when the last process that has the descriptor ends: work passes `lock` on to its build, so that a build which
 * outlives a killed agent keeps the root.
 *
 * Throws `job-stopped`, `build-root-not-locked`, `program-not-found`.
 */
export async function whileRootIsHeld<T>(
  root: RootAccess,
  job: JobContext,
  work: (lock: number) => Promise<T>,
): Promise<T> {
  const path = join(root.eroot, LOCK);
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
  try {
    if (!(await callFlock('-xn', file, job, job.signal))) {
      const holder = (await readFile(path, 'utf8')).trim() || 'another process';
      job.log.note(`This job waits for the build root ${root.path}, held by ${holder}.`);
      await job.limits.paused(async () => await callFlock('-x', file, job, job.signal));
    }
    await file.truncate(0);
    await file.write(`the agent process ${process.pid} for ${job.lease.jobId}\n`, 0);
    return await work(file.fd);
  } finally {
    // Closing alone would leave it to a daemon that the build has started.
    await callFlock('-u', file, job);
    await file.close();
  }
}

/** False when the lock is not to be had at once, and was asked for like that. */
async function callFlock(
  option: string,
  file: FileHandle,
  job: JobContext,
  signal?: AbortSignal,
): Promise<boolean> {
  const command = ['flock', option, '3'];
  if (signal?.aborted) {
    throw stopped();
  }
  const { fd } = job.log;
  const child = spawnGroup(command, { env: job.environment }, ['ignore', fd, fd, file.fd]);
  const stop = (): void => {
    killGroup(child, 'SIGKILL');
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const exitCode = await ended(child, command);
    if (signal?.aborted) {
      throw stopped();
    }
    if (exitCode !== 0 && exitCode !== CONFLICT) {
      throw new AppError(
        'build-root-not-locked',
        `The build root of ${job.lease.profile.name} cannot be locked: flock ended with ${exitCode}.`,
      );
    }
    return exitCode === 0;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function stopped(): AppError {
  return new AppError('job-stopped', 'The build was stopped.');
}
