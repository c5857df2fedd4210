import { sql } from 'kysely';
import * as z from 'zod';
import type { Queries } from '../database/database.ts';
import type { AgentRow } from '../database/tables.ts';
import { executorSchema } from '../gentoo/profile.ts';
import type { AgentDescription, AgentRecord } from './builds.ts';

/** Variables of one statement. */
const NAMES_AT_ONCE = 1000;

const descriptionSchema = z.object({
  name: z.string(),
  chost: z.string(),
  cpuFlags: z.array(z.string()),
  cores: z.number(),
  memoryBytes: z.number(),
  portageVersion: z.string().nullable(),
  executors: z.array(executorSchema),
  compiler: z.string().nullable().default(null),
  distccd: z
    .object({ host: z.string(), port: z.number(), jobs: z.number() })
    .nullable()
    .default(null),
  labels: z.array(z.string()).default([]),
  profiles: z.array(z.string()).default([]),
  slots: z.number().default(1),
});

export async function upsertAgent(
  queries: Queries,
  description: AgentDescription,
  now: number,
): Promise<void> {
  const description_json = JSON.stringify(descriptionSchema.parse(description));
  const disk_free_bytes = description.diskFreeBytes;
  await queries
    .insertInto('agents')
    .values({
      name: description.name,
      description_json,
      registered_at: now,
      last_seen_at: now,
      disk_free_bytes,
      state: 'active',
      state_reason: null,
      state_since: null,
      trial_at: null,
      trials: 0,
    })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ description_json, registered_at: now, last_seen_at: now, disk_free_bytes }),
    )
    .execute();
}

/** When an agent was heard of and, when it said so, how much was free where it builds, in bytes. */
export interface Sighting {
  readonly name: string;
  readonly at: number;
  readonly diskFreeBytes: number | undefined;
}

/** Notes a sighting, unless a later one is known. */
export async function touchAgent(queries: Queries, sighting: Sighting): Promise<void> {
  await touchAgents(queries, [sighting]);
}

/** As `touchAgent`, for many at once. */
export async function touchAgents(queries: Queries, sightings: readonly Sighting[]): Promise<void> {
  for (let start = 0; start < sightings.length; start += NAMES_AT_ONCE) {
    const rows = sightings
      .slice(start, start + NAMES_AT_ONCE)
      .map(
        ({ name, at, diskFreeBytes = null }) =>
          sql`(${name}, cast(${at} as bigint), cast(${diskFreeBytes} as bigint))`,
      );
    // Both engines call the columns of values so.
    const seen = sql<{
      column1: string;
      column2: number;
      column3: number | null;
    }>`(values ${sql.join(rows)})`;
    await queries
      .updateTable('agents')
      .from(seen.as('seen'))
      .set((eb) => ({
        last_seen_at: eb.ref('seen.column2'),
        disk_free_bytes: eb.fn.coalesce('seen.column3', 'agents.disk_free_bytes'),
      }))
      .whereRef('agents.name', '=', 'seen.column1')
      .whereRef('agents.last_seen_at', '<=', 'seen.column2')
      .execute();
  }
}

export async function setAgentState(
  queries: Queries,
  name: string,
  change: Partial<Pick<AgentRow, 'state' | 'state_reason' | 'state_since' | 'trial_at' | 'trials'>>,
): Promise<void> {
  await queries.updateTable('agents').set(change).where('name', '=', name).execute();
}

/** Holds the row until the transaction ends: of two jobs that the agent is given at once, the second sees the first. */
export async function lockAgent(queries: Queries, name: string): Promise<void> {
  await queries
    .updateTable('agents')
    .set((eb) => ({ state: eb.ref('state') }))
    .where('name', '=', name)
    .execute();
}

/** Agents of these names, by name. */
export async function agentsByName(
  queries: Queries,
  names: readonly string[],
): Promise<Map<string, AgentRow>> {
  const found = new Map<string, AgentRow>();
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE) {
    const rows = await queries
      .selectFrom('agents')
      .selectAll()
      .where('name', 'in', names.slice(start, start + NAMES_AT_ONCE))
      .execute();
    for (const row of rows) {
      found.set(row.name, row);
    }
  }
  return found;
}

export async function findAgentRow(queries: Queries, name: string): Promise<AgentRow | undefined> {
  return await queries.selectFrom('agents').selectAll().where('name', '=', name).executeTakeFirst();
}

/** Agents that get no jobs at all, by name. */
export async function idleAgents(
  queries: Queries,
): Promise<ReadonlyMap<string, { state: 'drained' | 'taken-out'; reason: string }>> {
  const rows = await queries
    .selectFrom('agents')
    .select(['name', 'state', 'state_reason'])
    .where('state', '!=', 'active')
    .execute();
  return new Map(
    rows.flatMap(({ name, state, state_reason: reason }) =>
      state === 'active' ? [] : [[name, { state, reason: reason ?? '' }] as const],
    ),
  );
}

export async function agentRows(queries: Queries): Promise<AgentRow[]> {
  return await queries.selectFrom('agents').selectAll().orderBy('name').execute();
}

export function toAgent(row: AgentRow, jobIds: readonly string[]): AgentRecord {
  return {
    ...descriptionSchema.parse(JSON.parse(row.description_json)),
    registeredAt: row.registered_at,
    lastSeenAt: row.last_seen_at,
    diskFreeBytes: row.disk_free_bytes,
    state: row.state,
    stateReason: row.state_reason,
    stateSince: row.state_since,
    trialAt: row.trial_at,
    jobIds,
  };
}
