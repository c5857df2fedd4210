import { lstat, mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Journal } from '../journal/journal.ts';
import type { Clock } from '../support/clock.ts';
import { AppError, isAppError, isErrno, messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import { watchFiles } from '../support/watch.ts';
import { findIncoming } from './incoming/find-incoming.ts';
import { importIncoming } from './incoming/import-incoming.ts';
import {
  type IncomingName,
  incomingName,
  isFaultOfFile,
  REJECTED,
} from './incoming/incoming-names.ts';
import { type Handled, IncomingQueue, type QueueTimes } from './incoming/incoming-queue.ts';
import { rejectFile } from './incoming/reject-file.ts';
import type { Repository } from './repository.ts';

const TIMES: QueueTimes = { quietMs: 1000, settleMs: 60_000, retryMs: 30_000 };
/** An empty file may be a placeholder, of Portage for a build under way: it is given this much longer. */
const EMPTY_FACTOR = 60;
/** What the watcher does not tell of, as on NFS, is found by looking. */
const LOOK_MS = 30_000;

export interface IncomingOptions {
  readonly repository: Repository;
  readonly journal: Journal;
  readonly profiles: ProfileCatalog;
  readonly clock: Clock;
  /** `incoming/`, with a folder for each profile; a PKGDIR may be copied into one, or be one. */
  readonly folder: string;
  readonly log: Log;
  readonly times?: Partial<QueueTimes>;
  readonly lookMs?: number;
}

/**
 * The drop folder: a package file that lands in `incoming/<profile>/`, at any depth, is imported and removed, also one
 * that came while the server was down. What is refused is moved to `incoming/<profile>/rejected/`, with the reason beside
 * it in `<name>.reason.txt`. When the fault is the server's, the file stays and is tried again.
 */
export function watchIncoming(options: IncomingOptions): Service {
  const { folder, clock, log } = options;
  const end = new AbortController();
  const onError = (error: unknown): void => {
    log.error({ error: messageOf(error) }, 'watching the incoming folder failed');
  };
  const times = { ...TIMES, ...options.times };
  const queue = new IncomingQueue({
    ...times,
    clock,
    handle: async (path, quiet) => await handle({ ...options, times }, path, quiet),
    onError,
  });
  const add = (path: string): void => {
    if (incomingName(relative(folder, path)) !== undefined) {
      queue.add(path);
    }
  };
  const watcher = watchFiles({ folder, quietMs: 0, onFile: add, onError });
  const looking = repeating({
    name: 'looking into the incoming folder',
    everyMs: options.lookMs ?? LOOK_MS,
    work: async () => {
      await findIncoming(folder, add, end.signal);
    },
    onError,
  });
  let working: Promise<void> | undefined;
  return {
    name: 'incoming folder',
    start: async () => {
      await mkdir(folder, { recursive: true });
      for (const { name } of options.profiles.list()) {
        await mkdir(join(folder, name), { recursive: true });
      }
      await watcher.start();
      await looking.start();
      working = queue.run(end.signal).catch(onError);
    },
    stop: async () => {
      end.abort();
      await looking.stop();
      await watcher.stop();
      await working;
    },
  };
}

async function handle(
  options: IncomingOptions & { readonly times: QueueTimes },
  path: string,
  quiet: number,
): Promise<Handled> {
  const name = incomingName(relative(options.folder, path));
  if (name === undefined) {
    return 'gone';
  }
  const { profile, file } = name;
  try {
    const { package: imported, created } = await take(options, name, path);
    options.log.info({ profile, cpv: imported.cpv, created }, 'imported an incoming file');
    return 'gone';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return 'gone';
    }
    const fields = { profile, file, error: messageOf(error) };
    if (!isAppError(error) || !isFaultOfFile(error.code)) {
      options.log.error(fields, 'an incoming file cannot be imported now and stays');
      return 'retry';
    }
    if (quiet < options.times.settleMs * ((await isEmpty(path)) ? EMPTY_FACTOR : 1)) {
      return 'unsettled';
    }
    return await reject(options, name, { path, error });
  }
}

async function isEmpty(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    return stats.isFile() && stats.size === 0;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}

async function take(
  { repository, profiles }: IncomingOptions,
  { profile, file }: IncomingName,
  path: string,
): ReturnType<Repository['importPackage']> {
  if (profile === undefined) {
    throw new AppError(
      'incoming-without-profile',
      `${file} lies in no folder of a profile: it belongs into incoming/<profile>/.`,
    );
  }
  profiles.get(profile);
  return await importIncoming(repository, profile, path);
}

async function reject(
  options: IncomingOptions,
  { profile, file }: IncomingName,
  refused: { readonly path: string; readonly error: AppError },
): Promise<Handled> {
  const { path, error } = refused;
  try {
    const aside = join(options.folder, profile ?? '', REJECTED);
    const at = options.clock.now();
    const name = await rejectFile(aside, path, { error, file, at });
    await options.journal.record({
      kind: 'incoming-rejected',
      subject: `incoming:${profile ?? ''}`,
      actor: 'server',
      data: { file, name, code: error.code, reason: error.message },
    });
    options.log.warn({ profile, file, code: error.code }, 'rejected an incoming file');
    return 'gone';
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) {
      return 'gone';
    }
    const fields = { profile, file, error: messageOf(failure), reason: error.message };
    options.log.error(fields, 'an incoming file cannot be moved to rejected');
    return 'retry';
  }
}
