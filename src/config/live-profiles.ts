import * as z from 'zod';
import { hardwareProfileSchema, type ProfileCatalog } from '../gentoo/profile.ts';
import type { ResolvedProfiles } from '../gentoo/resolve-profile.ts';
import { sleep } from '../support/clock.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import { watchFolder } from '../support/watch-folder.ts';
import { printOf } from './folder-print.ts';
import { catalogOf, readProfiles } from './profile-catalog.ts';
import {
  changesBetween,
  type KnownProfiles,
  nextProfiles,
  type ProfileChange,
} from './profile-changes.ts';

export interface LiveProfilesOptions {
  readonly folder: string;
  /** Where the last good state of each profile is kept, for the next start. */
  readonly memoryFile: string;
  readonly log: Log;
  /** Nothing may have changed for so long before the folder is read; a second when it is not given. */
  readonly quietMs?: number;
  /**
   * The folder is looked at so often also when nobody has told of a change, because some file systems never do; each minute
   * when it is not given.
   */
  readonly lookEveryMs?: number;
}

type Listener = (changes: readonly ProfileChange[]) => Promise<void>;

const QUIET_MS = 1000;
const LOOK_EVERY_MS = 60_000;
/** A folder that changes while it is read is read again, so often; then the next change or look is waited for. */
const TRIES = 5;
const memorySchema = z.object({ profiles: z.array(z.unknown()) });

/**
 * The profiles of a folder that may change while they are used. The whole folder is read and validated, and what comes
 * out takes the place of what was in one step: a caller never sees half of a change. What is broken now stays what it
 * was, also over a restart; a profile whose folder is gone stays to be served until the next start.
 */
export class LiveProfiles implements ProfileCatalog, Service {
  readonly name = 'profiles';
  readonly #options: LiveProfilesOptions;
  readonly #watcher: Service;
  readonly #looking: Service;
  readonly #listeners: Listener[] = [];
  #known: KnownProfiles = { profiles: [], broken: {}, removed: new Set() };
  #catalog: ProfileCatalog = catalogOf(this.#known);
  #print = '';
  #reading: Promise<void> = Promise.resolve();
  #stopping = new AbortController();

  private constructor(options: LiveProfilesOptions) {
    this.#options = options;
    const onError = (error: unknown): void => {
      options.log.warn({ error: messageOf(error) }, 'the profiles were not read again');
    };
    const { folder, quietMs = QUIET_MS, lookEveryMs = LOOK_EVERY_MS } = options;
    this.#watcher = watchFolder({
      folder,
      quietMs,
      onQuiet: () => {
        this.reload().catch(onError);
      },
      onError,
    });
    const work = async (): Promise<void> => {
      await this.reload();
    };
    this.#looking = repeating({ name: 'look at profiles', everyMs: lookEveryMs, work, onError });
  }

  /** Throws `profiles-unreadable`. */
  static async open(options: LiveProfilesOptions): Promise<LiveProfiles> {
    const live = new LiveProfiles(options);
    const read = await live.#readWhole();
    const remembered = (await readMemory(options)).filter(({ name }) =>
      Object.hasOwn(read.broken, name),
    );
    live.#set(nextProfiles({ profiles: remembered, broken: {}, removed: new Set() }, read));
    await live.#remember();
    for (const [profile, faults] of Object.entries(live.broken())) {
      const isKept = remembered.some(({ name }) => name === profile);
      const what = isKept ? 'and stays what it was when it was good' : 'and left out';
      options.log.warn({ profile, faults }, `a profile is broken ${what}`);
    }
    return live;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    await this.#watcher.start();
    await this.#looking.start();
    await this.reload();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#looking.stop();
    await this.#watcher.stop();
    await this.#reading;
  }

  /** Calls the listener with what is different each time, after it has taken effect. */
  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  list(): ReturnType<ProfileCatalog['list']> {
    return this.#catalog.list();
  }

  /** Also those that stay what they were; `list` has them too. */
  broken(): ReturnType<ProfileCatalog['broken']> {
    return this.#catalog.broken();
  }

  get(name: string): ReturnType<ProfileCatalog['get']> {
    return this.#catalog.get(name);
  }

  /** The same profiles as new requests see them: `get` throws `profile-removed` for one whose folder is gone. */
  forRequests(): ProfileCatalog {
    return {
      list: () => this.list().filter(({ name }) => !this.#known.removed.has(name)),
      broken: () => this.broken(),
      get: (name) => {
        if (this.#known.removed.has(name)) {
          throw new AppError(
            'profile-removed',
            `The folder of the profile "${name}" is gone: nothing new is built for it.`,
            { details: { profile: name } },
          );
        }
        return this.get(name);
      },
    };
  }

  /** Reads the folder again if anything in it is different. One after the other. Throws `profiles-unreadable`. */
  async reload(): Promise<void> {
    const turn = this.#afterwards(this.#reading);
    // The next one goes on whatever becomes of this one; the caller is told.
    this.#reading = turn.catch(() => undefined);
    await turn;
  }

  async #afterwards(before: Promise<void>): Promise<void> {
    await before;
    if (await this.#hasChanged()) {
      await this.#readAgain();
    }
  }

  /** Whether there is something new that stands still; what is still being written is left for the next time. */
  async #hasChanged(): Promise<boolean> {
    const { folder, quietMs = QUIET_MS } = this.#options;
    let print = await printOf(folder);
    for (let tries = 0; tries < TRIES && print !== this.#print; tries += 1) {
      await sleep(quietMs, this.#stopping.signal);
      if (this.#stopping.signal.aborted) {
        return false;
      }
      const again = await printOf(folder);
      if (again === print) {
        return true;
      }
      print = again;
    }
    return false;
  }

  async #readAgain(): Promise<void> {
    const before = this.#known;
    this.#set(nextProfiles(before, await this.#readWhole()));
    const changes = changesBetween(before, this.#known);
    for (const { kind, profile, faults } of changes) {
      this.#options.log[faults.length > 0 ? 'warn' : 'info']({ profile, faults }, kind);
    }
    if (changes.length > 0) {
      await this.#remember();
      for (const listener of this.#listeners) {
        await listener(changes);
      }
    }
  }

  /** Reads until nothing has changed meanwhile. */
  async #readWhole(): Promise<ResolvedProfiles> {
    const { folder } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const print = await printOf(folder);
      const read = await readProfiles(folder);
      if ((await printOf(folder)) === print) {
        this.#print = print;
        return read;
      }
      if (tries === TRIES) {
        throw new AppError(
          'profiles-unreadable',
          `The profiles folder ${folder} changes all the time; nothing of it was taken over.`,
          { details: { folder } },
        );
      }
    }
  }

  #set(known: KnownProfiles): void {
    this.#known = known;
    this.#catalog = catalogOf(known);
  }

  async #remember(): Promise<void> {
    const { removed, profiles } = this.#known;
    const kept = profiles.filter(({ name }) => !removed.has(name));
    await writeFileAtomic(this.#options.memoryFile, `${JSON.stringify({ profiles: kept })}\n`);
  }
}

/** What an earlier run of the server knew. A file of another version, or a damaged one, is as good as none. */
async function readMemory({ memoryFile, log }: LiveProfilesOptions) {
  const text = await readTextIfPresent(memoryFile);
  if (text === undefined) {
    return [];
  }
  const memory = memorySchema.safeParse(jsonOf(text));
  const profiles = (memory.data?.profiles ?? []).flatMap(
    (one) => hardwareProfileSchema.safeParse(one).data ?? [],
  );
  if (!memory.success || profiles.length < memory.data.profiles.length) {
    log.warn({ file: memoryFile }, 'not every last good state of a profile could be read');
  }
  return profiles;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}
