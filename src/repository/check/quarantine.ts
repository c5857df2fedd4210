import { constants } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from '../../support/errors.ts';
import { exists, syncDirectory, syncFile } from '../../support/files.ts';
import type { FileName } from './file-names.ts';

/**
 * Takes damaged names away, served ones first, so that nobody gets wrong bytes any longer. The bytes stay: one file in
 * quarantine for each file that had such a name, at `target`, `target.2` and so on. Repeatable after a kill at any step.
 */
export async function moveToQuarantine(names: readonly FileName[], target: string): Promise<void> {
  const moved = new Set<string>();
  const servedFirst = names.toSorted((a, b) => Number(a.isPool) - Number(b.isPool));
  for (const { path, stats } of servedFirst) {
    if (stats === undefined) {
      continue;
    }
    if (moved.has(stats.identity)) {
      await rm(path, { force: true });
    } else {
      await move(path, await freeName(target));
      moved.add(stats.identity);
    }
    await syncDirectory(dirname(path));
  }
}

async function freeName(target: string): Promise<string> {
  let name = target;
  for (let count = 2; await exists(name); count += 1) {
    name = `${target}.${count}`;
  }
  return name;
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV')) {
      throw error;
    }
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await syncFile(to);
    await syncDirectory(dirname(to));
    await rm(from);
    return;
  }
  await syncDirectory(dirname(to));
}
