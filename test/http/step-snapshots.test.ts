import { readFileSync } from 'node:fs';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exists } from '../../src/support/files.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { makeStepNode, type StepNode } from '../fleet/step-node.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** The smallest that mkfs.btrfs makes with room for snapshots; sparse. */
const DISK_BYTES = 160 * 1024 * 1024;
const folder = temporaryFolder();
const top = join(folder, 'top');
const system = join(top, 'system');
const env = { ...toolEnvironment(), PATH: `${toolEnvironment()['PATH']}:/usr/sbin:/sbin` };

/** Undefined: there can be a file system of btrfs here. */
async function btrfsIsMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    return 'it needs root';
  }
  if (!/\bbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8'))) {
    return 'the kernel has no btrfs';
  }
  const found = await run(['sh', '-c', 'command -v mkfs.btrfs && losetup -f'], { env });
  return found.exitCode === 0 ? undefined : 'there is no mkfs.btrfs, or no loop device';
}

async function has(): Promise<string> {
  return await readFile(join(system, 'world'), 'utf8');
}

const missing = await btrfsIsMissing();

(missing === undefined ? describe : describe.skip)(
  `a snapshot of btrfs${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let node: StepNode;

    beforeAll(async () => {
      const disk = join(folder, 'disk');
      await writeFile(disk, '');
      await truncate(disk, DISK_BYTES);
      await mkdir(top);
      await runChecked(['mkfs.btrfs', '-q', disk], { env });
      await runChecked(['mount', '-o', 'loop', disk, top], { env });
      await runChecked(['btrfs', 'subvolume', 'create', system], { env });
      node = await makeStepNode(join(folder, 'node'));
    });
    afterAll(async () => {
      await run(['umount', top], { env });
    });

    const step = async (name: string): Promise<number> => {
      const { exitCode } = await node.step(['do', name, 'btrfs'], { env });
      return exitCode;
    };

    it('is made, gone back to, and dropped', async () => {
      expect(await step('snapshot')).toBe(3);
      await node.set(`btrfs-subvolume = ${system}`, `btrfs-snapshots = ${join(top, 'snapshots')}`);
      await writeFile(join(system, 'world'), 'one');
      expect(await step('snapshot')).toBe(0);
      expect(await step('snapshot')).toBe(3);
      await writeFile(join(system, 'world'), 'two');
      expect(await step('restore-snapshot')).toBe(0);
      expect(await has()).toBe('one');
      expect(await step('restore-snapshot')).toBe(3);

      // What was gone back from makes room for the next one.
      expect(await step('snapshot')).toBe(0);
      await writeFile(join(system, 'world'), 'three');
      expect(await step('restore-snapshot')).toBe(0);
      expect(await has()).toBe('one');

      expect(await step('snapshot')).toBe(0);
      await writeFile(join(system, 'world'), 'four');
      expect(await step('drop-snapshot')).toBe(0);
      expect(await step('drop-snapshot')).toBe(0);
      expect(await has()).toBe('four');
      expect(await exists(join(top, 'snapshots/before-rollout'))).toBe(false);
    });

    it('is refused by a disk that cannot be written, and leaves what was there', async () => {
      await writeFile(join(system, 'world'), 'five');
      await runChecked(['btrfs', 'property', 'set', top, 'ro', 'true'], { env });
      expect(await step('snapshot')).toBe(6);
      await runChecked(['btrfs', 'property', 'set', top, 'ro', 'false'], { env });
      expect(await has()).toBe('five');
    });
  },
);
