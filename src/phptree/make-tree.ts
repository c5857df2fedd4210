import { chmod, copyFile, cp, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../support/errors.ts';
import { exists, namesIn } from '../support/files.ts';
import type { FoundPhp } from './find-php.ts';
import { extensionKind, type PhpBinary } from './read-php.ts';
import { confFiles, FPM_CONF, PHP_INI } from './tree-templates.ts';

export interface TreeChoices {
  /** Names of extensions that are left out. */
  readonly without: readonly string[];
  /** Files to take in place of the templates. */
  readonly phpIni: string | undefined;
  readonly fpmConf: string | undefined;
}

/**
 * Lays out what was found as a tree (docs/decisions/0025) in a folder that is not there yet. The settings of a tree of
 * this product are taken over; of all others they are written anew, because they hold paths of the place it was built for.
 *
 * Throws `php-extensions-unknown`, `php-extension-foreign`.
 */
export async function makeTree(
  found: FoundPhp,
  folder: string,
  binary: PhpBinary,
  choices: TreeChoices,
): Promise<void> {
  if (found.layout === 'rookery') {
    await copyTree(dirname(dirname(found.php)), folder);
  } else {
    await assemble(found, folder, binary, choices);
  }
  if (choices.phpIni !== undefined || !(await exists(join(folder, 'etc/php.ini')))) {
    await writeSettings(folder, 'php.ini', choices.phpIni, PHP_INI);
  }
  if (choices.fpmConf !== undefined || !(await exists(join(folder, 'etc/php-fpm.conf')))) {
    await writeSettings(folder, 'php-fpm.conf', choices.fpmConf, FPM_CONF);
  }
  await settleModes(folder);
}

/** Without what a server wrote about it. */
async function copyTree(from: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'etc', 'share']) {
    if (await exists(join(from, name))) {
      await cp(join(from, name), join(folder, name), { recursive: true, verbatimSymlinks: true });
    }
  }
}

async function assemble(
  found: FoundPhp,
  folder: string,
  binary: PhpBinary,
  { without }: TreeChoices,
): Promise<void> {
  const programs = [
    [found.php, 'bin/php'],
    [found.fpm, 'sbin/php-fpm'],
    [found.apache, 'lib/apache2/libphp.so'],
  ] as const;
  for (const [from, to] of programs) {
    if (from !== undefined) {
      await copyInto(from, join(folder, to));
    }
  }
  const extensions = join(folder, 'lib/extensions');
  const conf = join(folder, 'etc/conf.d');
  await mkdir(extensions, { recursive: true });
  await mkdir(conf, { recursive: true });
  const loaded: { name: string; kind: 'zend_extension' | 'extension' }[] = [];
  for (const file of await extensionFiles(found, binary)) {
    const name = basename(file, '.so');
    if (!without.includes(name)) {
      loaded.push({ name, kind: await extensionKind(file, binary) });
      await copyInto(file, join(extensions, basename(file)));
    }
  }
  for (const [name, text] of confFiles(loaded)) {
    await writeFile(join(conf, name), text);
  }
}

async function extensionFiles(found: FoundPhp, { api }: PhpBinary): Promise<string[]> {
  const folders = found.extensionFolders.filter((one) => one.endsWith(api));
  if (folders.length === 0 && found.extensionFolders.length > 0) {
    throw new AppError(
      'php-extensions-unknown',
      `${found.php} has the API ${api}, and there are extensions only in ${found.extensionFolders.join(', ')}.`,
    );
  }
  const files = await Promise.all(
    folders.map(async (one) => (await namesIn(one)).map((name) => join(one, name))),
  );
  return files.flat().filter((file) => file.endsWith('.so'));
}

/** The file that a link leads to. */
async function copyInto(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
}

async function writeSettings(
  folder: string,
  name: string,
  from: string | undefined,
  template: string,
): Promise<void> {
  const text = from === undefined ? template : await readFile(from);
  await mkdir(join(folder, 'etc'), { recursive: true });
  await writeFile(join(folder, 'etc', name), text);
}

/** Everybody may read, the owner may write; executable is what is in bin and sbin, and what was so before. */
async function settleModes(folder: string): Promise<void> {
  const programs = [join(folder, 'bin'), join(folder, 'sbin')];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) {
      await chmod(path, 0o755);
    } else if (entry.isFile()) {
      const wasProgram = ((await lstat(path)).mode & 0o100) !== 0 && !entry.name.endsWith('.so');
      await chmod(path, wasProgram || programs.includes(entry.parentPath) ? 0o755 : 0o644);
    }
  }
}
