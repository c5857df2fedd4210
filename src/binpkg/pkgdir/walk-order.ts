import { type Dirent, opendirSync } from 'node:fs';
import { isErrno } from '../../support/errors.ts';
import { MAX_DEPTH } from './scan-folder.ts';

/**
 * Places of the files of a PKGDIR in the order of `os.walk`: as the system lists them, a folder's files before its
 * folders. Portage indexes the last of several files that are one instance for it
 * (`portage/dbapi/bintree.py:_populate_local`). Folders that cannot be read, and deeper ones, are passed over.
 */
export function walkOrder(pkgdir: string): ReadonlyMap<string, number> {
  const order = new Map<string, number>();
  walk(`${pkgdir}/`, '', { order, depth: 0 });
  return order;
}

function walk(
  root: string,
  prefix: string,
  { order, depth }: { readonly order: Map<string, number>; readonly depth: number },
): void {
  const folders: string[] = [];
  for (const entry of unsorted(root + prefix)) {
    if (!entry.isDirectory()) {
      order.set(prefix + entry.name, order.size);
    } else if (depth < MAX_DEPTH) {
      folders.push(`${prefix}${entry.name}/`);
    }
  }
  for (const folder of folders) {
    walk(root, folder, { order, depth: depth + 1 });
  }
}

/** `readdir` would sort them. */
function unsorted(folder: string): Dirent[] {
  const found: Dirent[] = [];
  try {
    const open = opendirSync(folder);
    try {
      for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
        found.push(entry);
      }
    } finally {
      open.closeSync();
    }
  } catch (error) {
    if (!isErrno(error, 'EACCES') && !isErrno(error, 'ENOENT')) {
      throw error;
    }
  }
  return found;
}
