import { createHash } from 'node:crypto';
import type { Queries } from '../database/database.ts';
import type { JobRow, LaneRow } from '../database/tables.ts';
import { type JobNeeds, jobNeedsSchema } from './fits.ts';
import type { Lane, Turn } from './schedule-policy.ts';

const ID_LENGTH = 24;

/** The lane of jobs with these needs; it is made when it is not there yet. */
export async function ensureLane(
  queries: Queries,
  needs: JobNeeds,
  isGiant: boolean,
): Promise<string> {
  const needs_json = JSON.stringify(jobNeedsSchema.parse(needs));
  const digest = createHash('sha256').update(`${isGiant ? 'giant' : 'usual'} ${needs_json}`);
  const id = digest.digest('hex').slice(0, ID_LENGTH);
  await queries
    .insertInto('lanes')
    .values({ id, profile: needs.profile, needs_json, is_giant: isGiant ? 1 : 0 })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  return id;
}

/** The lanes that have a job which could be begun, but for those of paused profiles. */
export async function openLanes(queries: Queries): Promise<Lane[]> {
  return (await open(queries).selectAll().execute()).map(toLane);
}

/** Whether there is any. */
export async function hasOpenLanes(queries: Queries): Promise<boolean> {
  return (await open(queries).select('id').limit(1).executeTakeFirst()) !== undefined;
}

function open(queries: Queries) {
  return queries
    .selectFrom('lanes')
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('jobs')
          .select('jobs.id')
          .whereRef('jobs.lane', '=', 'lanes.id')
          .where('jobs.state', '=', 'ready')
          .where('jobs.is_held', '=', 0),
      ),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('profile_pauses')
            .select('profile_pauses.profile')
            .whereRef('profile_pauses.profile', '=', 'lanes.profile'),
        ),
      ),
    );
}

export async function lanesById(
  queries: Queries,
  ids: readonly string[],
): Promise<Map<string, Lane>> {
  const rows =
    ids.length === 0
      ? []
      : await queries.selectFrom('lanes').selectAll().where('id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.id, toLane(row)]));
}

/** Undefined for a job without a place in the queue. */
export async function needsOfLane(
  queries: Queries,
  lane: string | null,
): Promise<JobNeeds | undefined> {
  return lane === null ? undefined : (await lanesById(queries, [lane])).get(lane)?.needs;
}

/** The lanes of a profile, by id. */
export async function lanesOfProfile(
  queries: Queries,
  profile: string,
): Promise<Map<string, Lane>> {
  const rows = await queries
    .selectFrom('lanes')
    .selectAll()
    .where('profile', '=', profile)
    .execute();
  return new Map(rows.map((row) => [row.id, toLane(row)]));
}

/** The job of a lane whose turn it is, but for those to be passed over. */
export async function headOfLane(
  queries: Queries,
  lane: string,
  { now, passedOver }: { readonly now: number; readonly passedOver: readonly string[] },
): Promise<(Turn & Pick<JobRow, 'attempt'>) | undefined> {
  let statement = queries
    .selectFrom('jobs')
    .select(['id', 'attempt', 'turn', 'position'])
    .where('lane', '=', lane)
    .where('state', '=', 'ready')
    .where('is_held', '=', 0)
    .where((eb) => eb.or([eb('not_before', 'is', null), eb('not_before', '<=', now)]));
  if (passedOver.length > 0) {
    statement = statement.where('id', 'not in', passedOver);
  }
  const row = await statement
    .orderBy('turn')
    .orderBy('position')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row && { ...row, turn: row.turn ?? 0 };
}

/** The agents that build a giant now. */
export async function agentsWithGiants(queries: Queries): Promise<Set<string>> {
  const rows = await queries
    .selectFrom('jobs')
    .innerJoin('lanes', 'lanes.id', 'jobs.lane')
    .select('jobs.agent')
    .where('jobs.state', '=', 'leased')
    .where('lanes.is_giant', '=', 1)
    .execute();
  return new Set(rows.flatMap(({ agent }) => agent ?? []));
}

/** Requests with jobs that are not over and have no place in the queue. */
export async function requestsWithUnplacedJobs(queries: Queries): Promise<string[]> {
  const rows = await queries
    .selectFrom('jobs')
    .select('request_id')
    .distinct()
    .where('lane', 'is', null)
    .where('state', 'in', ['waiting', 'ready', 'leased'])
    .execute();
  return rows.map(({ request_id }) => request_id);
}

export async function setPlacement(
  queries: Queries,
  id: string,
  placement: Pick<JobRow, 'lane' | 'turn' | 'estimate_ms' | 'estimate_source' | 'is_held'>,
): Promise<void> {
  await queries.updateTable('jobs').set(placement).where('id', '=', id).execute();
}

/** Keeps the jobs of a request that are not over from being handed out, or lets them. */
export async function holdJobs(
  queries: Queries,
  requestId: string,
  isHeld: boolean,
): Promise<void> {
  await queries
    .updateTable('jobs')
    .set({ is_held: isHeld ? 1 : 0 })
    .where('request_id', '=', requestId)
    .where('state', 'in', ['waiting', 'ready', 'leased'])
    .execute();
}

/** Moves the jobs of a request that are not over in the queue, by so many milliseconds. */
export async function shiftTurns(queries: Queries, requestId: string, ms: number): Promise<void> {
  await queries
    .updateTable('jobs')
    .set((eb) => ({ turn: eb('turn', '+', ms) }))
    .where('request_id', '=', requestId)
    .where('state', 'in', ['waiting', 'ready', 'leased'])
    .execute();
}

function toLane(row: LaneRow): Lane {
  return {
    id: row.id,
    needs: jobNeedsSchema.parse(JSON.parse(row.needs_json)),
    isGiant: row.is_giant === 1,
  };
}
