import { readlink, realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { sleep } from '../support/clock.ts';
import { isErrno } from '../support/errors.ts';
import { namesIn } from '../support/files.ts';
import { isRunning, pidOf, processMark } from './process-marks.ts';

const ROUND_MS = 50;
const NOT_TO_BE_SEEN = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ESRCH'];

/** What is to be ended. */
export interface Strays {
  /** Marks of processes that lead a group; the whole group goes. */
  readonly leaders?: readonly string[];
  /** Whatever has its working directory in one of these has left its group, or has outlived its leader. */
  readonly folders: readonly string[];
}

/** Kills until nothing of it is found, for up to `patienceMs`. False when something is left even then. */
export async function endStrays(strays: Strays, patienceMs: number): Promise<boolean> {
  const folders = await realPaths(strays.folders);
  for (let waited = 0; ; waited += ROUND_MS) {
    const leaders = (strays.leaders ?? []).filter(isRunning);
    const others = await processesIn(folders);
    if (leaders.length === 0 && others.length === 0) {
      return true;
    }
    if (waited >= patienceMs) {
      return false;
    }
    for (const leader of leaders) {
      kill(-pidOf(leader));
    }
    for (const pid of others) {
      kill(pid);
    }
    await sleep(ROUND_MS);
  }
}

/** As `/proc/<pid>/cwd` names them. */
async function realPaths(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    const path = await unlessHidden(async () => await realpath(folder));
    if (path !== undefined) {
      found.push(path);
    }
  }
  return found;
}

async function processesIn(folders: readonly string[]): Promise<number[]> {
  const found: number[] = [];
  for (const name of await namesIn('/proc')) {
    const pid = Number(name);
    if (/^\d+$/.test(name) && pid !== process.pid) {
      const cwd = await unlessHidden(async () => await readlink(`/proc/${name}/cwd`));
      const isInside = folders.some((path) => cwd === path || cwd?.startsWith(path + sep));
      if (isInside && processMark(pid) !== undefined) {
        found.push(pid);
      }
    }
  }
  return found;
}

async function unlessHidden(ask: () => Promise<string>): Promise<string | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (NOT_TO_BE_SEEN.some((code) => isErrno(error, code))) {
      return undefined;
    }
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM')) {
      throw error;
    }
  }
}
