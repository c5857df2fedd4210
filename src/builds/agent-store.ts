import { z } from 'zod';
import type { Queries } from '../database/database.ts';
import type { AgentRow } from '../database/tables.ts';
import { executorSchema } from '../gentoo/profile.ts';
import type { AgentDescription, AgentRecord } from './builds.ts';

const descriptionSchema = z.object({
  name: z.string(),
  chost: z.string(),
  cpuFlags: z.array(z.string()),
  cores: z.number(),
  memoryBytes: z.number(),
  portageVersion: z.string().nullable(),
  executors: z.array(executorSchema),
});

export async function upsertAgent(
  queries: Queries,
  description: AgentDescription,
  now: number,
): Promise<void> {
  const description_json = JSON.stringify(descriptionSchema.parse(description));
  await queries
    .insertInto('agents')
    .values({
      name: description.name,
      description_json,
      registered_at: now,
      last_seen_at: now,
      state: 'active',
      state_reason: null,
      state_since: null,
      trial_at: null,
      trials: 0,
    })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ description_json, registered_at: now, last_seen_at: now }),
    )
    .execute();
}

export async function touchAgent(queries: Queries, name: string, now: number): Promise<void> {
  await queries
    .updateTable('agents')
    .set({ last_seen_at: now })
    .where('name', '=', name)
    .where('last_seen_at', '<', now)
    .execute();
}

export async function setAgentState(
  queries: Queries,
  name: string,
  change: Partial<Pick<AgentRow, 'state' | 'state_reason' | 'state_since' | 'trial_at' | 'trials'>>,
): Promise<void> {
  await queries.updateTable('agents').set(change).where('name', '=', name).execute();
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
    state: row.state,
    stateReason: row.state_reason,
    stateSince: row.state_since,
    trialAt: row.trial_at,
    jobIds,
  };
}
