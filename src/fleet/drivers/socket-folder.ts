import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '../../support/errors.ts';

/** A socket's path has at most 107 bytes; ssh puts 58 after the folder's. */
const LONGEST_FOLDER = 48;
const OURS = /^rookery-ssh-([0-9]+)-[A-Za-z0-9]{6}$/;
const PATTERN_BYTES = 'rookery-ssh-4194304-123456'.length + 1;

/**
 * Makes a folder for sockets of ssh, with a path that is short enough for them. What a server that was killed has left of its own is
 * removed: its folder, and every ssh that still keeps a connection or a tunnel there.
 */
export async function makeSocketFolder(): Promise<string> {
  const place = tmpdir().length + PATTERN_BYTES > LONGEST_FOLDER ? '/tmp' : tmpdir();
  await removeLeftovers(place);
  return await mkdtemp(join(place, `rookery-ssh-${process.pid}-`));
}

async function removeLeftovers(place: string): Promise<void> {
  for (const name of await readdir(place)) {
    const pid = OURS.exec(name)?.[1];
    const folder = join(place, name);
    if (pid !== undefined && !isRunning(Number(pid)) && (await isOwn(folder))) {
      await endProcessesAt(folder);
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** One of another user counts as running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
}

async function isOwn(folder: string): Promise<boolean> {
  try {
    const found = await lstat(folder);
    return found.isDirectory() && found.uid === process.getuid?.();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}

/** ssh shows the path of its socket in its command line, also when it has become one that keeps a connection. */
async function endProcessesAt(folder: string): Promise<void> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  for (const pid of pids) {
    if ((await commandLine(pid)).includes(`${folder}/`)) {
      end(pid);
    }
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) {
      throw error;
    }
  }
}

async function commandLine(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH') || isErrno(error, 'EACCES')) {
      return '';
    }
    throw error;
  }
}
