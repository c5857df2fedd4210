import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BaseSystem } from '../gentoo/base-system.ts';
import { isCpv } from '../gentoo/cpv.ts';
import { sonamesIn } from '../gentoo/soname-list.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { readTextIfPresent } from '../support/files.ts';

/**
 * What is installed below a root, from the database that Portage keeps (`var/db/pkg/<category>/<pf>/<KEY>`): packages
 * with slot and flags, those that are off with a `-`, and the sonames they provide. What Portage is merging now is passed over.
 *
 * Throws `not-an-installation`.
 */
export async function readInstalled(root: string): Promise<BaseSystem> {
  const database = join(root, 'var/db/pkg');
  const packages: BaseSystem['packages'] = [];
  const sonames = new Set<string>();
  for (const category of await namesBelow(database, root)) {
    for (const pf of await namesBelow(join(database, category), root)) {
      const cpv = `${category}/${pf}`;
      if (!isCpv(cpv)) {
        continue;
      }
      const read = async (key: string): Promise<string> =>
        ((await readTextIfPresent(join(database, cpv, key))) ?? '').trim();
      packages.push({ cpv, slot: (await read('SLOT')) || '0', use: await flagsOf(read) });
      for (const soname of sonamesIn(await read('PROVIDES'))) {
        sonames.add(soname);
      }
    }
  }
  return { packages, sonames: [...sonames] };
}

/** The flags that the package has itself: first those that are on. */
async function flagsOf(read: (key: string) => Promise<string>): Promise<string[]> {
  const own = new Set(words(await read('IUSE')).map((flag) => flag.replace(/^[+-]/, '')));
  const on = words(await read('USE')).filter((flag) => own.has(flag));
  const off = [...own].filter((flag) => !on.includes(flag));
  return [...on, ...off.map((flag) => `-${flag}`)];
}

async function namesBelow(folder: string, root: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .toSorted();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      throw new AppError(
        'not-an-installation',
        `There are no installed packages below ${root}: ${folder} is no folder.`,
        { cause: error },
      );
    }
    throw error;
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
