import type { Database, Queries } from '../database/database.ts';
import type { AgentRow } from '../database/tables.ts';
import type { Clock } from '../support/clock.ts';
import { messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import { repeating } from '../support/schedule.ts';
import { type Sighting, touchAgent, touchAgents } from './agent-store.ts';
import type { BuildsContext } from './builds-context.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

/** What waits to be written is written this often. */
const WRITE_SEEN_EVERY_MS = 5_000;
/** Longer than this no agent is left unwritten: other servers would take it for gone. */
const WRITE_AFTER_MS = LIVE_AGENT_MS / 2 + WRITE_SEEN_EVERY_MS;

/**
 * When agents were heard of, and what was free on their disks. Hundreds that wait say so many times a second, so it is
 * written for all of them at once, every few seconds; until then it is kept here, and counts for this server. What a
 * server that is killed has not written yet is lost: an agent speaks again within its heartbeat or its wait for a job.
 */
export class SeenAgents {
  /** Not written yet. */
  readonly #unwritten = new Map<string, Sighting>();
  /** Agents that are in the database, and when that last was brought up to date from here. */
  readonly #writtenAt = new Map<string, number>();

  /** Whether this agent was written from here before: then it is known to be registered. */
  has(name: string): boolean {
    return this.#writtenAt.has(name);
  }

  /**
   * Notes that a registered agent was heard of and, when it says so, how much is free where it builds, in bytes. It is
   * written at once when that was long ago.
   */
  async note(queries: Queries, sighting: Sighting): Promise<void> {
    const { name, at } = sighting;
    const writtenAt = this.#writtenAt.get(name);
    if (writtenAt === undefined || Math.abs(at - writtenAt) > WRITE_AFTER_MS) {
      await touchAgent(queries, sighting);
      this.#writtenAt.set(name, at);
      this.#unwritten.delete(name);
      return;
    }
    const diskFreeBytes = sighting.diskFreeBytes ?? this.#unwritten.get(name)?.diskFreeBytes;
    this.#unwritten.set(name, { name, at, diskFreeBytes });
  }

  /** The agent has registered anew: what it said before counts no more, and what it says next is written at once. */
  forget(name: string): void {
    this.#unwritten.delete(name);
    this.#writtenAt.delete(name);
  }

  /** The row of an agent, with what is not written yet. */
  current(row: AgentRow): AgentRow {
    const sighting = this.#unwritten.get(row.name);
    return sighting === undefined || sighting.at < row.last_seen_at
      ? row
      : {
          ...row,
          last_seen_at: sighting.at,
          disk_free_bytes: sighting.diskFreeBytes ?? row.disk_free_bytes,
        };
  }

  /** Writes what waits for that. What cannot be written waits on. */
  async write({ database, clock }: { readonly database: Database; readonly clock: Clock }) {
    const now = clock.now();
    const sightings = [...this.#unwritten.values()];
    // The clock may have been set back since.
    await touchAgents(
      database,
      sightings.map((one) => ({ ...one, at: Math.min(one.at, now) })),
    );
    for (const sighting of sightings) {
      this.#writtenAt.set(sighting.name, now);
      if (this.#unwritten.get(sighting.name) === sighting) {
        this.#unwritten.delete(sighting.name);
      }
    }
  }
}

/** Writes every few seconds what agents have said, and once more when it stops. */
export function seenAgentsWriter(
  context: Pick<BuildsContext, 'database' | 'clock' | 'log' | 'seen' | 'settings'>,
): Service {
  const { log, seen, settings } = context;
  const onError = (error: unknown): void => {
    log.error({ error: messageOf(error) }, 'when agents were heard of was not written');
  };
  const writing = repeating({
    name: 'agents that were seen',
    everyMs: Math.max(10, Math.min(WRITE_SEEN_EVERY_MS, settings.heartbeatMs)),
    work: async () => {
      await seen.write(context);
    },
    onError,
  });
  return {
    ...writing,
    stop: async () => {
      await writing.stop();
      await seen.write(context).catch(onError);
    },
  };
}
