import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ensureInside, exists } from '../../support/files.ts';

/** What of the build root's own configuration is not taken over as it is. */
const LEFT_OUT: readonly string[] = ['binrepos.conf', 'gnupg', 'make.conf'];

/**
 * Copies a build root's `etc/portage` into a configuration root that a job may change. `make.conf` becomes a folder
 * whose first part (`00-root`) is the root's own file or folder; binary hosts and keys are left out.
 *
 * `inside` turns a path of this process into the one that programs in the root see: relative links, as
 * make.profile often is, become absolute ones in its words.
 */
export async function copyRootConfiguration(
  from: string,
  to: string,
  inside: (path: string) => string,
): Promise<void> {
  await mkdir(join(to, 'make.conf'), { recursive: true });
  for (const name of await readdir(from)) {
    if (!LEFT_OUT.includes(name)) {
      await copyEntry(join(from, name), join(to, name), inside);
    }
  }
  if (await exists(join(from, 'make.conf'))) {
    await copyEntry(join(from, 'make.conf'), join(to, 'make.conf/00-root'), inside);
  }
}

async function copyEntry(
  from: string,
  to: string,
  inside: (path: string) => string,
): Promise<void> {
  const stat = await lstat(from);
  if (stat.isSymbolicLink()) {
    await symlink(resolve(inside(dirname(from)), await readlink(from)), to);
  } else if (stat.isDirectory()) {
    await mkdir(to, { recursive: true });
    for (const name of await readdir(from)) {
      await copyEntry(join(from, name), join(to, name), inside);
    }
  } else if (stat.isFile()) {
    await copyFile(from, to);
    await chmod(to, stat.mode & 0o777);
  }
}

/**
 * Lays files over a configuration. Where one side has a file and the other a folder of that name (as Portage allows
 * for `package.use` and the like), the file becomes part of the folder: the root's first, ours later. Links are
 * replaced, never written through: they may lead to the root's own files.
 */
export async function layFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await layFile(folder, path, text);
  }
}

async function layFile(folder: string, path: string, text: string): Promise<void> {
  const segments = path.split('/').filter((segment) => segment !== '');
  for (let depth = 1; depth < segments.length; depth += 1) {
    await makeFolder(ensureInside(folder, ...segments.slice(0, depth)));
  }
  const place = ensureInside(folder, ...segments);
  const isFolder = (await exists(place)) && (await lstat(place)).isDirectory();
  const target = isFolder ? join(place, '70-profile') : place;
  await rm(target, { force: true });
  await writeFile(target, text, { flag: 'wx' });
}

async function makeFolder(path: string): Promise<void> {
  if ((await exists(path)) && !(await lstat(path)).isDirectory()) {
    await rename(path, `${path}.root`);
    await mkdir(path);
    await rename(`${path}.root`, join(path, '00-root'));
    return;
  }
  await mkdir(path, { recursive: true });
}
