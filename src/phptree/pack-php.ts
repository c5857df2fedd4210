import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { packImage } from '../binpkg/image.ts';
import { digestFile } from '../support/digests.ts';
import { AppError } from '../support/errors.ts';
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
 * Lays out the PHP of a folder as a tree, learns what only running it tells, and packs both for an upload.
 *
 * Throws `php-version-differs`, and what `findPhp`, `readPhpBinary`, `makeTree` and `askExtensions` throw.
 */
export async function packPhp(from: {
  readonly image: string;
  /** Where to make it. */
  readonly folder: string;
  readonly build: {
    readonly kind: 'import' | 'build';
    readonly sources: readonly { readonly name: string; readonly sha256: string | null }[];
    readonly agent: string | null;
  };
  readonly options: PackPhpOptions;
}): Promise<PackedPhp> {
  const { image, folder, build, options } = from;
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
      `${found.php} is PHP ${binary.version}, and not ${version} as was said.`,
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
    build,
  };
  await writeFile(join(packed, 'facts.json'), `${JSON.stringify(facts)}\n`);
  const file = join(folder, 'tree.tar');
  const archive = await packImage(packed);
  await pipeline(Readable.from(archive.stream()), createWriteStream(file, { flags: 'wx' }));
  const { size, digests } = await digestFile(file, ['sha512']);
  return { file, size, sha512: digests.of('sha512') };
}
