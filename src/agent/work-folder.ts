import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isErrno } from '../support/errors.ts';
import { readTextIfPresent } from '../support/files.ts';
import { readTraces } from './job-traces.ts';
import { isRunning, pidOf, processMark } from './process-marks.ts';
import { endStrays } from './stray-processes.ts';

const LOCK = 'agent.pid';
const JOBS = 'jobs';
/** How long processes that were killed are waited for. */
const STRAYS_MS = 15_000;

export interface WorkFolder {
  readonly path: string;
  /** A folder for one job, readable for other users of the machine, gone afterwards whatever happens. */
  withJobFolder<T>(work: (folder: string) => Promise<T>): Promise<T>;
  release(): Promise<void>;
}

/**
 * Takes a folder for this process alone. What an agent that was killed has left is cleared away: its builds, which go
 * on without it, then what they have in build roots, then their folders.
 *
 * Throws `work-folder-in-use`, `build-still-running`.
 */
export async function openWorkFolder(path: string): Promise<WorkFolder> {
  await mkdir(path, { recursive: true });
  const lock = join(path, LOCK);
  const holder = await readTextIfPresent(lock);
  if (holder !== undefined && isRunning(holder) && pidOf(holder) !== process.pid) {
    throw new AppError(
      'work-folder-in-use',
      `The folder ${path} is in use by the agent with process id ${pidOf(holder)}.`,
      { details: { path } },
    );
  }
  await writeFile(lock, processMark(process.pid) ?? '');
  const jobs = join(path, JOBS);
  await clearJobs(jobs);
  await mkdir(jobs, { recursive: true });
  return {
    path,
    withJobFolder: async (work) => {
      const folder = await mkdtemp(join(jobs, 'job-'));
      try {
        await chmod(folder, 0o755);
        return await work(folder);
      } finally {
        await removeTree(folder);
      }
    },
    release: async () => {
      await rm(lock, { force: true });
    },
  };
}

async function clearJobs(jobs: string): Promise<void> {
  const { leaders, folders } = await readTraces(jobs);
  if (!(await endStrays({ leaders, folders: [jobs, ...folders] }, STRAYS_MS))) {
    throw new AppError(
      'build-still-running',
      `A build that an earlier agent has left in ${jobs} cannot be ended: its processes are still there.`,
      { details: { path: jobs } },
    );
  }
  for (const folder of [...folders, jobs]) {
    await removeTree(folder);
  }
}

/** Removes a folder even if a build has left folders in it that cannot be written to. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    if (!isErrno(error, 'EACCES') && !isErrno(error, 'EPERM')) {
      throw error;
    }
    await makeWritable(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      await makeWritable(join(path, entry.name));
    }
  }
}
