import { mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { extractImage } from '../../binpkg/extract-image.ts';
import { type PackedPhp, type PackPhpOptions, packPhp } from '../../phptree/pack-php.ts';
import { digestFile } from '../../support/digests.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import { withTemporaryFolder } from '../../support/files.ts';
import type { CommandContext } from '../command-context.ts';
import { withPackageFile } from '../package-reading.ts';

/**
 * Makes an upload of the PHP in a package file (GPKG or XPAK) or in a folder, and hands it to `work`; it is gone
 * afterwards. See `docs/decisions/0025` for the layout, `src/protocol/php.ts` for the upload.
 *
 * Throws `php-source-missing`, what `packPhp` throws, and what is wrong
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
    const build = { kind: 'import' as const, sources: [name], agent: null };
    return await work(await packPhp({ image, folder, build, options: pathsOf(context, options) }));
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
