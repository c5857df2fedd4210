import { createReadStream } from 'node:fs';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import { digestFile } from '../support/digests.ts';
import { AppError, isAppError, isErrno, messageOf } from '../support/errors.ts';
import { exists, writeFileAtomic } from '../support/files.ts';
import type { Service } from '../support/lifecycle.ts';
import { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { watchFiles } from '../support/watch.ts';
import type { Repository } from './repository.ts';

const REJECTED = 'rejected';
const PORTAGE_INDEX = /^Packages(\.gz)?$/;

export interface IncomingOptions {
  readonly repository: Repository;
  readonly profiles: ProfileCatalog;
  /** `incoming/`, with a folder for each profile; a PKGDIR may be copied into one as it is. */
  readonly folder: string;
  readonly log: Log;
  /** How long a file must keep its size before it counts as whole. */
  readonly quietMs?: number;
}

/**
 * The drop folder: a package file that lands in `incoming/<profile>/`, at any depth, is imported and removed. What
 * is refused is moved to `incoming/<profile>/rejected/`, with the reason beside it in `<name>.reason.txt`.
 */
export function watchIncoming(options: IncomingOptions): Service {
  const locks = new Locks();
  const watcher = watchFiles({
    folder: options.folder,
    quietMs: options.quietMs ?? 1000,
    onFile: (path) => {
      void locks.run(options.folder, async () => {
        await handle(options, path);
      });
    },
    onError: (error) => {
      options.log.error({ error: messageOf(error) }, 'watching the incoming folder failed');
    },
  });
  return {
    name: 'incoming folder',
    start: async () => {
      for (const { name } of options.profiles.list()) {
        await mkdir(join(options.folder, name), { recursive: true });
      }
      await watcher.start();
    },
    stop: async () => {
      await watcher.stop();
      await locks.run(options.folder, async () => undefined);
    },
  };
}

async function handle(options: IncomingOptions, path: string): Promise<void> {
  const [profile, ...rest] = relative(options.folder, path).split('/');
  const isPackage = rest.length > 0 && rest[0] !== REJECTED && !PORTAGE_INDEX.test(basename(path));
  if (profile === undefined || !isPackage) {
    return;
  }
  try {
    await importOrReject(options, profile, path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) {
      const fields = { profile, file: rest.join('/'), error: messageOf(error) };
      options.log.error(fields, 'importing from the incoming folder failed');
    }
  }
}

async function importOrReject(
  options: IncomingOptions,
  profile: string,
  path: string,
): Promise<void> {
  const file = basename(path);
  try {
    const { package: imported, created } = await importFile(options, profile, path);
    options.log.info({ profile, cpv: imported.cpv, created }, 'imported an incoming file');
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    await reject(join(options.folder, profile, REJECTED), path, error);
    options.log.warn({ profile, file, code: error.code }, 'rejected an incoming file');
  }
}

async function importFile(
  options: IncomingOptions,
  profile: string,
  path: string,
): ReturnType<Repository['importPackage']> {
  options.profiles.get(profile);
  const before = await lstat(path);
  if (!before.isFile()) {
    throw new AppError('incoming-not-a-file', `${basename(path)} is not a regular file.`);
  }
  const { size, digests } = await digestFile(path, ['sha512']);
  const uploadSha512 = digests.of('sha512');
  const file = await options.repository.receiveUpload(createReadStream(path), {
    sha512: uploadSha512,
    size,
  });
  const result = await options.repository.importPackage({
    profile,
    file,
    uploadSha512,
    origin: 'incoming',
    actor: 'server',
  });
  const after = await lstat(path);
  // A file that was replaced meanwhile is another one; the watcher reports it again.
  if (after.ino === before.ino && after.mtimeMs === before.mtimeMs && after.size === before.size) {
    await rm(path);
  }
  return result;
}

async function reject(folder: string, path: string, error: AppError): Promise<void> {
  await mkdir(folder, { recursive: true });
  let target = join(folder, basename(path));
  for (let copy = 1; await exists(target); copy += 1) {
    target = join(folder, `${basename(path)}.${copy}`);
  }
  await writeFileAtomic(`${target}.reason.txt`, `${error.code}: ${error.message}\n`);
  await rename(path, target);
}
