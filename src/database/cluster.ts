import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { AppError, messageOf } from '../support/errors.ts';
import { newId } from '../support/ids.ts';
import { type Service, startAll, stopAll } from '../support/lifecycle.ts';
import { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import { ClusterLocks } from './cluster-locks.ts';
import type { Database } from './database.ts';
import { HINTS, hintListener } from './hints.ts';
import { leading } from './leadership.ts';
import { type HeldLock, LockSession } from './lock-session.ts';
import { isDatabaseUrl, shownUrl } from './postgresql.ts';

/** Every running server has this lock, shared; who needs all of them stopped takes it alone. */
export const SERVERS = 'servers';
const START = 'start';
const EVERY_MS = 1000;
const TRIES = 100;
const WAIT_MS = 100;

/** The servers that work on one database, seen from one of them. With SQLite there is one. */
export interface Cluster {
  /** Of this server, until it ends. */
  readonly id: string;
  /** They hold over all servers. */
  readonly locks: Locks;
  /** Whether there may be other servers. */
  readonly isShared: boolean;
  /**
   * Runs what a server does before it serves, one server at a time, and tells it whether no other runs. Throws
   * `database-locked` when a copy is under way.
   */
  enter(work: (isAlone: boolean) => Promise<void>): Promise<void>;
  /** Whether the server of this id has ended, or has lost its locks. */
  isGone(id: string): Promise<boolean>;
  /** Runs services on one of the servers, the leader. */
  leading(services: readonly Service[]): Service;
  /** Keeps this server known to the others. Calls `look` when another may have written something, and at times anyway. */
  following(look: () => void): Service;
  /** Tells all servers, this one too, to look. It may get lost on its way to others; many at once are one. */
  hint(): void;
  close(): Promise<void>;
}

export function openCluster(place: string, database: Database, log: Log): Cluster {
  return isDatabaseUrl(place) ? new SharedCluster(place, database, log) : singleServer();
}

function singleServer(): Cluster {
  return {
    id: newId('server'),
    locks: new Locks(),
    isShared: false,
    enter: async (work) => {
      await work(true);
    },
    isGone: async () => true,
    leading: (services) => ({
      name: 'leadership',
      start: async () => {
        await startAll(services);
      },
      stop: async () => {
        await stopAll(services);
      },
    }),
    following: () => ({
      name: 'following',
      start: async () => undefined,
      stop: async () => undefined,
    }),
    hint: () => undefined,
    close: async () => undefined,
  };
}

class SharedCluster implements Cluster {
  readonly id = newId('server');
  readonly isShared = true;
  readonly locks: Locks;
  readonly #url: string;
  readonly #database: Database;
  readonly #log: Log;
  readonly #session: LockSession;
  #membership: readonly HeldLock[] = [];
  #look: () => void = () => undefined;
  #isHintDue = false;
  #isHinting = false;

  constructor(url: string, database: Database, log: Log) {
    this.#url = url;
    this.#database = database;
    this.#log = log;
    this.#session = new LockSession(url);
    this.locks = new ClusterLocks(this.#session);
  }

  async enter(work: (isAlone: boolean) => Promise<void>): Promise<void> {
    await this.locks.run(START, async () => {
      const alone = await this.#session.tryLock(SERVERS);
      try {
        await this.#join();
        await work(alone !== undefined);
      } finally {
        await alone?.release();
      }
    });
  }

  async isGone(id: string): Promise<boolean> {
    return id !== this.id && (await this.#session.isFree(memberOf(id)));
  }

  leading(services: readonly Service[]): Service {
    return leading(this.#session, services, this.#log);
  }

  following(look: () => void): Service {
    this.#look = look;
    const parts = [
      hintListener(this.#url, look),
      repeating({
        name: 'membership',
        everyMs: EVERY_MS,
        work: async () => {
          if (this.#membership.some(({ state }) => state === 'lost')) {
            await this.#join();
            this.#log.info({ server: this.id }, 'is among the servers again');
          }
        },
        onError: (error) => {
          this.#log.error({ error: messageOf(error) }, 'this server is not among the servers');
        },
      }),
    ];
    return {
      name: 'following',
      start: async () => {
        await startAll(parts);
      },
      stop: async () => {
        await stopAll(parts);
      },
    };
  }

  hint(): void {
    this.#look();
    this.#isHintDue = true;
    if (!this.#isHinting) {
      void this.#sendHints();
    }
  }

  /** One after the other: each is a commit, and says all that those before it did. */
  async #sendHints(): Promise<void> {
    this.#isHinting = true;
    while (this.#isHintDue) {
      this.#isHintDue = false;
      try {
        await sql`select pg_notify(${HINTS}, '')`.execute(this.#database);
      } catch (error) {
        this.#log.debug({ error: messageOf(error) }, 'a hint was not sent');
      }
    }
    this.#isHinting = false;
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  async #join(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const member = await this.#session.tryLock(memberOf(this.id));
      const among = await this.#session.tryLock(SERVERS, 'shared');
      if (member !== undefined && among !== undefined) {
        this.#membership = [member, among];
        return;
      }
      await member?.release();
      await among?.release();
      if (attempt === TRIES) {
        const place = shownUrl(this.#url);
        throw new AppError('database-locked', `Another process holds the database ${place}.`);
      }
      await delay(WAIT_MS);
    }
  }
}

function memberOf(id: string): string {
  return `server:${id}`;
}
