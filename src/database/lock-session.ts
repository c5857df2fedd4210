import { Client } from 'pg';
import { lockNumber } from './lock-number.ts';
import { translated } from './postgres-faults.ts';
import { connectionOptions, shownUrl } from './postgresql.ts';

/** A lock of the database that this process has. */
export interface HeldLock {
  readonly name: string;
  readonly number: string;
  /** The process of PostgreSQL that keeps it for us. */
  readonly pid: number;
  readonly state: 'held' | 'released' | 'lost';
  /** Aborts when it is lost; never when it is released. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** How often it is asked whether the connection lives, and how long an answer may take. */
const PULSE_MS = 3000;
const SILENCE_MS = 10_000;

/**
 * Locks that hold over all processes of a database: advisory locks of a connection of its own. When the connection ends,
 * all of them are lost, and whoever holds one is told; the next lock makes a new connection.
 */
export class LockSession {
  readonly #url: string;
  readonly #held = new Set<Held>();
  #client: Promise<Client> | undefined;
  #pulse: NodeJS.Timeout | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** The lock, or undefined when another process has it. Within a process, ask for a name once at a time. */
  async tryLock(name: string, mode: 'alone' | 'shared' = 'alone'): Promise<HeldLock | undefined> {
    const client = await this.#connection();
    const connected = this.#client;
    const suffix = mode === 'shared' ? '_shared' : '';
    const number = lockNumber(name);
    const row = await this.#ask(
      client,
      `select pg_try_advisory_lock${suffix}(${number}) as ok, pg_backend_pid() as pid`,
    );
    if (row['ok'] !== true) {
      return undefined;
    }
    const held = new Held(name, number, Number(row['pid']), async () => {
      this.#held.delete(held);
      await this.#ask(client, `select pg_advisory_unlock${suffix}(${number})`);
    });
    if (this.#client === connected) {
      this.#held.add(held);
    } else {
      held.lose();
    }
    return held;
  }

  /** Whether a lock of this name is free, or kept by this process, at this moment. */
  async isFree(name: string): Promise<boolean> {
    const held = await this.tryLock(name);
    await held?.release();
    return held !== undefined;
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    clearInterval(this.#pulse);
    this.#held.clear();
    await client?.end();
  }

  async #connection(): Promise<Client> {
    this.#client ??= this.#connect();
    return await this.#client;
  }

  async #connect(): Promise<Client> {
    const client = new Client({ ...connectionOptions(this.#url), query_timeout: SILENCE_MS });
    // A connection tells of its end twice; by the second time there may be the next one, with locks of its own.
    let isOver = false;
    const lose = (): void => {
      if (!isOver) {
        isOver = true;
        this.#lose();
      }
    };
    client.on('error', lose);
    client.on('end', lose);
    try {
      await client.connect();
    } catch (error) {
      this.#client = undefined;
      throw translated(error, shownUrl(this.#url));
    }
    this.#pulse = setInterval(() => {
      client.query('select 1').catch(async () => {
        lose();
        await client.end().catch(() => undefined);
      });
    }, PULSE_MS).unref();
    return client;
  }

  async #ask(client: Client, text: string): Promise<Readonly<Record<string, unknown>>> {
    try {
      const { rows } = await client.query<Record<string, unknown>>(text);
      return rows[0] ?? {};
    } catch (error) {
      throw translated(error, shownUrl(this.#url));
    }
  }

  #lose(): void {
    clearInterval(this.#pulse);
    this.#client = undefined;
    for (const held of this.#held) {
      held.lose();
    }
    this.#held.clear();
  }
}

class Held implements HeldLock {
  readonly name: string;
  readonly number: string;
  readonly pid: number;
  readonly #unlock: () => Promise<void>;
  readonly #lost = new AbortController();
  #state: HeldLock['state'] = 'held';

  constructor(name: string, number: string, pid: number, unlock: () => Promise<void>) {
    this.name = name;
    this.number = number;
    this.pid = pid;
    this.#unlock = unlock;
  }

  get state(): HeldLock['state'] {
    return this.#state;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(): void {
    if (this.#state === 'held') {
      this.#state = 'lost';
      this.#lost.abort();
    }
  }

  /** A connection that fails meanwhile has let go of it as well. */
  async release(): Promise<void> {
    if (this.#state === 'held') {
      this.#state = 'released';
      await this.#unlock().catch(() => undefined);
    }
  }
}
