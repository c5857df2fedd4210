import * as z from 'zod';
import type { Queries } from '../database/database.ts';
import type { RequestRow } from '../database/tables.ts';
import { RESOLVE_OPTIONS } from '../gentoo/resolve-options.ts';
import { type BuildRequest, REQUEST_STATES, type RequestState } from './request.ts';

const atomsSchema = z.array(z.string());
const resolveSchema = z.array(z.enum(RESOLVE_OPTIONS));

export async function insertRequest(queries: Queries, row: RequestRow): Promise<void> {
  await queries.insertInto('requests').values(row).execute();
}

export async function findRequestRow(
  queries: Queries,
  id: string,
): Promise<RequestRow | undefined> {
  return await queries.selectFrom('requests').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Without reading the plan of the request, which can be large. */
export async function isRequestCancelled(queries: Queries, id: string): Promise<boolean> {
  const row = await queries
    .selectFrom('requests')
    .select('cancelled_by')
    .where('id', '=', id)
    .executeTakeFirst();
  return row !== undefined && row.cancelled_by !== null;
}

/** Newest first. */
export async function listRequestRows(
  queries: Queries,
  query: { readonly profile?: string; readonly limit: number },
): Promise<RequestRow[]> {
  let statement = queries.selectFrom('requests').selectAll();
  if (query.profile !== undefined) {
    statement = statement.where('profile', '=', query.profile);
  }
  return await statement
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(query.limit)
    .execute();
}

/**
 * Holds the row until the transaction ends: of two jobs of a request that end at the same time, the second sees
 * what the first did.
 */
export async function lockRequest(queries: Queries, id: string): Promise<RequestRow> {
  return await queries
    .updateTable('requests')
    .set((eb) => ({ state: eb.ref('state') }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Moves the request on; false when it is not in `from` any more. */
export async function moveRequest(
  queries: Queries,
  id: string,
  from: RequestState,
  to: {
    readonly state: RequestState;
    readonly reason: string | null;
    readonly finishedAt: number | null;
  },
): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('requests')
    .set({ state: to.state, reason: to.reason, finished_at: to.finishedAt })
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function setPlan(queries: Queries, id: string, planJson: string): Promise<void> {
  await queries.updateTable('requests').set({ plan_json: planJson }).where('id', '=', id).execute();
}

export async function steerRequest(
  queries: Queries,
  id: string,
  change: Partial<
    Pick<
      RequestRow,
      | 'priority'
      | 'paused_at'
      | 'paused_by'
      | 'pause_reason'
      | 'publish_channel'
      | 'publish_partial'
      | 'publish_forced'
      | 'publish_reason'
      | 'publish_not_over'
    >
  >,
): Promise<void> {
  await queries.updateTable('requests').set(change).where('id', '=', id).execute();
}

export async function markCancelled(
  queries: Queries,
  id: string,
  cancel: { readonly by: string; readonly reason: string },
): Promise<void> {
  await queries
    .updateTable('requests')
    .set({ cancelled_by: cancel.by, reason: cancel.reason })
    .where('id', '=', id)
    .where('cancelled_by', 'is', null)
    .execute();
}

export async function requestIdsInState(queries: Queries, state: RequestState): Promise<string[]> {
  const rows = await queries
    .selectFrom('requests')
    .select('id')
    .where('state', '=', state)
    .orderBy('created_at')
    .execute();
  return rows.map(({ id }) => id);
}

export async function packageSize(queries: Queries, id: string): Promise<number | null> {
  const row = await queries
    .selectFrom('packages')
    .select('size')
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.size ?? null;
}

export function toRequest(row: RequestRow): BuildRequest {
  return {
    id: row.id,
    profile: row.profile,
    atoms: atomsSchema.parse(JSON.parse(row.atoms_json)),
    rebuild: row.rebuild === 1,
    resolve: resolveSchema.parse(JSON.parse(row.resolve_json)),
    publish: row.publish_channel,
    partial: row.publish_partial === 1,
    state: toRequestState(row.state),
    reason: row.reason,
    author: row.author,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    priority: row.priority,
    paused: requestPause(row),
  };
}

export function requestPause(row: RequestRow): BuildRequest['paused'] {
  return row.paused_at === null
    ? null
    : { by: row.paused_by ?? '', reason: row.pause_reason ?? '', pausedAt: row.paused_at };
}

export function toRequestState(text: string): RequestState {
  const state = REQUEST_STATES.find((known) => known === text);
  if (state === undefined) {
    throw new Error(`no request state is called ${text}`);
  }
  return state;
}
