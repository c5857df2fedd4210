import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../src/support/errors.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';

const PIECE = Buffer.alloc(64 * 1024, 1);
const env = toolEnvironment();

/** Why no small file system can be mounted here; undefined when it can. */
export async function whyNoSmallDisk(folder: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    return 'only root can mount a small disk';
  }
  await mkdir(folder, { recursive: true });
  const { exitCode, stderr } = await run(mountCommand(folder, 1), { env });
  if (exitCode !== 0) {
    return `mount: ${stderr.trim()}`;
  }
  await runChecked(['umount', folder], { env });
  return undefined;
}

/** A file system of its own, of a few MiB in memory, that tests can fill up. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async mount(folder: string, mib: number): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true });
    await runChecked(mountCommand(folder, mib), { env });
    return new SmallDisk(folder);
  }

  /** Fills it up but for so many bytes, while others may write. */
  async fill(leave = 0): Promise<void> {
    const handle = await open(join(this.folder, 'filler'), 'a');
    try {
      for (let left = await this.free(); left > leave; left = await this.free()) {
        await handle.appendFile(PIECE.subarray(0, Math.min(left - leave, PIECE.length)));
      }
    } catch (error) {
      if (!isErrno(error, 'ENOSPC')) {
        throw error;
      }
    } finally {
      await handle.close();
    }
  }

  /** Takes away what `fill` has written. */
  async empty(): Promise<void> {
    await rm(join(this.folder, 'filler'), { force: true });
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  async unmount(): Promise<void> {
    await runChecked(['umount', '--lazy', this.folder], { env });
  }
}

function mountCommand(folder: string, mib: number): string[] {
  return ['mount', '-t', 'tmpfs', '-o', `size=${mib}m,mode=755`, 'tmpfs', folder];
}
