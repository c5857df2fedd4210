import { z } from 'zod';
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

/** Notes that it was heard of now and, when it says so, how much is free where it builds, in bytes. */
export async function touchAgent(
  queries: Queries,
  name: string,
  { now, diskFreeBytes }: { readonly now: number; readonly diskFreeBytes?: number | undefined },
): Promise<void> {
  const statement = queries.updateTable('agents').where('name', '=', name);
  await (diskFreeBytes === undefined
    ? statement.set({ last_seen_at: now }).where('last_seen_at', '<', now)
    : statement
        .set({ last_seen_at: now, disk_free_bytes: diskFreeBytes })
        .where('last_seen_at', '<=', now)
  ).execute();
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
