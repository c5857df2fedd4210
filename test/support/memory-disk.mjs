import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

const SHARED_MEMORY = '/dev/shm';
const ENOUGH_BYTES = 4 * 1024 ** 3;
const OF_A_RUN = /^rookery-(\d+)$/;

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
  for (const name of readdirSync(SHARED_MEMORY)) {
    const [, pid] = OF_A_RUN.exec(name) ?? [];
    if (pid !== undefined && !existsSync(join('/proc', pid))) {
      rmSync(join(SHARED_MEMORY, name), { recursive: true, force: true });
    }
  }
  process.env.ROOKERY_TEST_DISK = tmpdir();
  const folder = join(SHARED_MEMORY, `rookery-${process.pid}`);
  mkdirSync(folder, { mode: 0o755, recursive: true });
  process.env.TMPDIR = folder;
  process.on('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
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
