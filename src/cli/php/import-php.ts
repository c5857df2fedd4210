import { createWriteStream } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extractImage } from '../../binpkg/extract-image.ts';
import { packImage } from '../../binpkg/image.ts';
import { digestFile } from '../../support/digests.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import { withTemporaryFolder } from '../../support/files.ts';
import type { CommandContext } from '../command-context.ts';
import { withPackageFile } from '../package-reading.ts';
import { askExtensions } from './ask-php.ts';
import { findPhp } from './find-php.ts';
import { makeTree } from './make-tree.ts';
import { readPhpBinary } from './read-php.ts';

export interface PackPhpOptions {
  /** `8.2`, or longer: which PHP, where there are several. */
  readonly version: string | undefined;
  readonly without: readonly string[];
  readonly phpIni: string | undefined;
  readonly fpmConf: string | undefined;
  /** What `php -m` would say; undefined: it is run. */
  readonly extensions: readonly string[] | undefined;
}

/** A tree, packed for an upload. */
export interface PackedPhp {
  readonly file: string;
  readonly size: number;
  readonly sha512: string;
}

/**
 * Makes an upload of the PHP in a package file (GPKG or XPAK) or in a folder, and hands it to `work`; it is gone
 * afterwards. See `docs/decisions/0025` for the layout, `src/protocol/php.ts` for the upload.
 *
 * Throws `php-source-missing`, what `findPhp`, `readPhpBinary`, `makeTree` and `askExtensions` throw, and what is wrong
 * with a package file.
 */
export async function withPackedPhp<T>(
  context: CommandContext,
  source: string,
  options: PackPhpOptions,
  work: (packed: PackedPhp) => Promise<T>,
): Promise<T> {
  const path = resolve(context.cwd, source);
  const isFolder = await looksAtFolder(path);
  const place = join(context.env['TMPDIR'] ?? tmpdir(), 'rookery-php');
  return await withTemporaryFolder(place, async (folder) => {
    const image = isFolder ? path : join(folder, 'image');
    if (!isFolder) {
      await mkdir(image);
      await withPackageFile(context, source, async (opened) => {
        await extractImage(opened, image);
      });
    }
    const name = { name: basename(path) || path, sha256: isFolder ? null : await sha256Of(path) };
    return await work(await packPhp({ image, folder, name, options: pathsOf(context, options) }));
  });
}

async function looksAtFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      throw new AppError('php-source-missing', `There is no file or folder ${path}.`, {
        cause: error,
      });
    }
    throw error;
  }
}

async function sha256Of(path: string): Promise<string> {
  return (await digestFile(path, ['sha256'])).digests.of('sha256');
}

function pathsOf({ cwd }: CommandContext, options: PackPhpOptions): PackPhpOptions {
  const { phpIni, fpmConf } = options;
  return {
    ...options,
    phpIni: phpIni === undefined ? undefined : resolve(cwd, phpIni),
    fpmConf: fpmConf === undefined ? undefined : resolve(cwd, fpmConf),
  };
}

async function packPhp(from: {
  readonly image: string;
  /** Where to make it. */
  readonly folder: string;
  readonly name: { readonly name: string; readonly sha256: string | null };
  readonly options: PackPhpOptions;
}): Promise<PackedPhp> {
  const { image, folder, name, options } = from;
  const found = await findPhp(image, options.version);
  const binary = await readPhpBinary(found.php);
  const { version } = options;
  if (
    version !== undefined &&
    binary.version !== version &&
    !binary.version.startsWith(`${version}.`)
  ) {
    throw new AppError(
      'php-version-differs',
      `${found.php} is PHP ${binary.version}, and --version says ${version}.`,
    );
  }
  const packed = join(folder, 'packed');
  const tree = join(packed, 'tree');
  await mkdir(packed);
  await makeTree(found, tree, binary, options);
  const facts = {
    php: binary.version,
    api: binary.api,
    isThreadSafe: binary.isThreadSafe,
    isDebug: binary.isDebug,
    extensions: options.extensions ?? (await askExtensions(tree)),
    build: { kind: 'import', sources: [name], agent: null },
  };
  await writeFile(join(packed, 'facts.json'), `${JSON.stringify(facts)}\n`);
  const file = join(folder, 'tree.tar');
  const archive = await packImage(packed);
  await pipeline(Readable.from(archive.stream()), createWriteStream(file, { flags: 'wx' }));
  const { size, digests } = await digestFile(file, ['sha512']);
  return { file, size, sha512: digests.of('sha512') };
}
