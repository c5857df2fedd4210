import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

const SHARED_MEMORY = '/dev/shm';
const ENOUGH_BYTES = 4 * 1024 ** 3;

/**
 * Lets the tests of this run have their temporary folders in memory, where there is enough of it and programs may run:
 * most of what they wait for otherwise is the disk, and they stop programs, never the machine, so that nothing they
 * prove depends on it. A test that wants the disk asks for `onDisk` (`temporary-folder.ts`). Removes what runs that
 * were killed have left there. A TMPDIR that is set stands.
 */
export function useMemoryDisk() {
  if (process.env.TMPDIR !== undefined || !isFit()) {
    return;
  }
  // Sockets lie in it, and their paths may be 107 bytes long: a short name.
  const ours = `rk-${namespace()}-`;
  const dead = readdirSync(SHARED_MEMORY).filter(
    (name) => name.startsWith(ours) && !existsSync(join('/proc', name.slice(ours.length))),
  );
  for (const name of dead) {
    remove(join(SHARED_MEMORY, name));
  }
  process.env.ROOKERY_TEST_DISK = tmpdir();
  const folder = join(SHARED_MEMORY, ours + process.pid);
  mkdirSync(folder, { mode: 0o755, recursive: true });
  process.env.TMPDIR = folder;
  process.on('exit', () => {
    remove(folder);
  });
}

/** Of the process ids: another container may share the memory, and its runs look dead from here. */
function namespace() {
  const number = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
  return Number(number).toString(36);
}

/** What cannot be removed, because a file system is mounted in it, keeps nobody from testing. */
function remove(folder) {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    process.stderr.write(`${folder} is left over: ${error.message}\n`);
  }
}

/** Containers often have 64 MiB of it, or none in which a program may be started. */
function isFit() {
  if (!existsSync(SHARED_MEMORY) || !existsSync('/proc/mounts')) {
    return false;
  }
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const [, , kind, options = ''] =
    mounts.map((line) => line.split(' ')).find(([, folder]) => folder === SHARED_MEMORY) ?? [];
  const { bavail, bsize } = statfsSync(SHARED_MEMORY);
  return (
    kind === 'tmpfs' &&
    !options.split(',').includes('noexec') &&
    !options.split(',').includes('ro') &&
    Math.min(bavail * bsize, freemem()) >= ENOUGH_BYTES
  );
}
