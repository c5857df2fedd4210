import { join } from 'node:path';
import { AppError } from '../support/errors.ts';
import { exists, namesIn } from '../support/files.ts';

/** A PHP that was found in a folder; all paths are absolute. */
export interface FoundPhp {
  readonly layout: 'rookery' | 'prefix' | 'gentoo' | 'debian';
  readonly php: string;
  readonly fpm: string | undefined;
  readonly apache: string | undefined;
  /** Folders of extensions, of one API each; one of them is this PHP's. */
  readonly extensionFolders: readonly string[];
}

const LIBRARIES = ['lib64', 'lib'] as const;
const SLOT = /^php(?<slot>[0-9]+\.[0-9]+)$/;
const API = /20[0-9]{6}$/;

/**
 * Finds the PHP in a folder: a tree of this product, what `make install` of PHP leaves in a prefix, the image of
 * Gentoo's dev-lang/php (`usr/lib64/php8.2/...`), or Debian's packages (`usr/bin/php8.2`, `usr/lib/php/<api>`). Nothing
 * else in the folder is looked at, so it may be the root of a running system.
 *
 * Throws `php-not-found`, or `php-ambiguous` when there are several and `version` (`8.2`, or longer) chooses none.
 */
export async function findPhp(folder: string, version: string | undefined): Promise<FoundPhp> {
  const found = [
    ...(await inPrefix(folder)),
    ...(await ofGentoo(folder)),
    ...(await ofDebian(folder)),
  ];
  const slot = version?.split('.').slice(0, 2).join('.');
  const fitting = found.filter(
    (one) => slot === undefined || one.slot === slot || one.slot === null,
  );
  const [first, ...more] = fitting;
  if (first === undefined) {
    throw new AppError(
      'php-not-found',
      `There is no PHP${slot === undefined ? '' : ` ${slot}`} in ${folder}: neither bin/php, nor usr/lib64/php<version>/bin/php as of Gentoo, nor usr/bin/php<version> as of Debian.`,
      { details: { folder } },
    );
  }
  if (more.length > 0) {
    throw new AppError(
      'php-ambiguous',
      `There are several versions of PHP in ${folder}: ${fitting.map((one) => one.slot ?? one.php).join(', ')}. Choose one with --version.`,
      { details: { folder } },
    );
  }
  return first;
}

type Candidate = FoundPhp & { readonly slot: string | null };

async function inPrefix(folder: string): Promise<Candidate[]> {
  const php = join(folder, 'bin/php');
  if (!(await exists(php))) {
    return [];
  }
  const own = join(folder, 'lib/extensions');
  const isTree = await exists(own);
  if (
    !isTree &&
    (await firstOf(join(folder, 'lib/php/extensions'), join(folder, 'include/php'))) === undefined
  ) {
    return [];
  }
  return [
    {
      layout: isTree ? 'rookery' : 'prefix',
      slot: null,
      php,
      fpm: await firstOf(join(folder, 'sbin/php-fpm')),
      apache: await firstOf(
        join(folder, 'lib/apache2/libphp.so'),
        join(folder, 'libphp.so'),
        join(folder, 'modules/libphp.so'),
      ),
      extensionFolders: isTree ? [own] : await apiFolders(join(folder, 'lib/php/extensions')),
    },
  ];
}

async function ofGentoo(folder: string): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const library of LIBRARIES) {
    for (const name of await namesIn(join(folder, 'usr', library))) {
      const slot = SLOT.exec(name)?.groups?.['slot'];
      const base = join(folder, 'usr', library, name);
      const php = await firstOf(join(base, 'bin/php'));
      if (slot !== undefined && php !== undefined) {
        const folders = LIBRARIES.map((one) => join(base, one, 'extensions'));
        found.push({
          layout: 'gentoo',
          slot,
          php,
          fpm: await firstOf(join(base, 'bin/php-fpm'), join(base, 'sbin/php-fpm')),
          apache: await firstOf(
            join(base, `apache2/libphp${slot}.so`),
            join(folder, 'usr', library, `apache2/modules/libphp${slot}.so`),
          ),
          extensionFolders: (await Promise.all(folders.map(apiFolders))).flat(),
        });
      }
    }
  }
  return found;
}

async function ofDebian(folder: string): Promise<Candidate[]> {
  const names = await namesIn(join(folder, 'usr/bin'));
  return await Promise.all(
    names.flatMap((name) => {
      const slot = SLOT.exec(name)?.groups?.['slot'];
      return slot === undefined ? [] : [debianPhp(folder, slot)];
    }),
  );
}

async function debianPhp(folder: string, slot: string): Promise<Candidate> {
  return {
    layout: 'debian',
    slot,
    php: join(folder, `usr/bin/php${slot}`),
    fpm: await firstOf(join(folder, `usr/sbin/php-fpm${slot}`)),
    apache: await firstOf(join(folder, `usr/lib/apache2/modules/libphp${slot}.so`)),
    extensionFolders: await apiFolders(join(folder, 'usr/lib/php')),
  };
}

async function apiFolders(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => API.test(name)).map((name) => join(folder, name));
}

async function firstOf(...paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await exists(path)) {
      return path;
    }
  }
  return undefined;
}
