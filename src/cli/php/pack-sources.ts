import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { packImage } from '../../binpkg/image.ts';
import { extensionSource, PHP_SOURCE, type PhpBuild } from '../../gentoo/php-build.ts';
import { digestFile } from '../../support/digests.ts';
import { AppError } from '../../support/errors.ts';
import { withTemporaryFolder } from '../../support/files.ts';
import type { CommandContext } from '../command-context.ts';
import { bodyChunks, httpGet } from '../http-get.ts';
import { refuseUnlessFile } from '../package-file-there.ts';

/** What of a build names sources. */
type Sources = Pick<PhpBuild, 'tarball' | 'extensions'>;

/**
 * Gets the sources of a build, files or URLs, looks at their digests, and hands a tar of them to `work`; all is gone
 * afterwards.
 *
 * Throws `php-source-differs`, `package-file-missing`, `binhost-unreadable`, `connection-lost`.
 */
export async function withPackedSources<T>(
  context: CommandContext,
  { tarball, extensions }: Sources,
  work: (packed: {
    readonly file: string;
    readonly size: number;
    readonly sha512: string;
  }) => Promise<T>,
): Promise<T> {
  const place = join(context.env['TMPDIR'] ?? tmpdir(), 'rookery-php');
  return await withTemporaryFolder(place, async (folder) => {
    const sources = join(folder, 'sources');
    await mkdir(sources);
    await fetchSource(context, tarball, join(sources, PHP_SOURCE));
    for (const { extension, ...source } of extensions) {
      await fetchSource(context, source, join(sources, extensionSource(extension)));
    }
    const file = join(folder, 'sources.tar');
    const archive = await packImage(sources);
    await pipeline(Readable.from(archive.stream()), createWriteStream(file, { flags: 'wx' }));
    const { size, digests } = await digestFile(file, ['sha512']);
    return await work({ file, size, sha512: digests.of('sha512') });
  });
}

/** What everybody may read of where the sources come from: no folder of this machine, no password. */
export function withToldNames(build: PhpBuild): PhpBuild {
  return { ...build, tarball: told(build.tarball), extensions: build.extensions.map(told) };
}

function told<T extends { readonly name: string }>(source: T): T {
  return { ...source, name: toldName(source.name) };
}

function toldName(name: string): string {
  if (!isUrl(name)) {
    return basename(name) || name;
  }
  const { origin, pathname } = new URL(name);
  return `${origin}${pathname}`;
}

function isUrl(name: string): boolean {
  return /^https?:\/\//.test(name) && URL.canParse(name);
}

async function fetchSource(
  context: CommandContext,
  { name, sha256 }: PhpBuild['tarball'],
  to: string,
): Promise<void> {
  await pipeline(await openSource(context, name), createWriteStream(to, { flags: 'wx' }));
  const found = (await digestFile(to, ['sha256'])).digests.of('sha256');
  if (found !== sha256) {
    throw new AppError(
      'php-source-differs',
      `${name} has the SHA-256 ${found}, and should have ${sha256}.`,
      { details: { found, expected: sha256 } },
    );
  }
}

async function openSource({ cwd }: CommandContext, name: string): Promise<Readable> {
  if (isUrl(name)) {
    return Readable.from(bodyChunks(await httpGet(name, undefined)));
  }
  const path = resolve(cwd, name);
  await refuseUnlessFile(path);
  return createReadStream(path);
}
