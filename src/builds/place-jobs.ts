import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { parseCpv } from '../gentoo/cpv.ts';
import { type HardwareProfile, hardwareProfileSchema } from '../gentoo/profile.ts';
import { type Estimate, estimateTime, isKnown } from './build-time.ts';
import type { BuildsContext } from './builds-context.ts';
import { needsOf } from './fits.ts';
import { jobRowsOf, needsOfRequest } from './job-store.ts';
import { ensureLane, requestsWithUnplacedJobs, setPlacement } from './lane-store.ts';
import { knownTimes } from './package-times-store.ts';
import { findRequestRow } from './request-store.ts';
import { isGiant, PLAN_PATH_MS, pathLengths, turnOf } from './schedule-policy.ts';

/** Where a job stands in the queue. */
export type Placement = Pick<
  JobRow,
  'lane' | 'turn' | 'estimate_ms' | 'estimate_source' | 'is_held'
>;

/** What of a request decides that. */
export interface PlacedRequest {
  readonly profile: HardwareProfile;
  readonly created_at: number;
  readonly priority: number;
  readonly paused_at: number | null;
}

/** How long a plan is expected to take. */
const PLAN_MS = 60_000;

export async function placePlan(queries: Queries, request: PlacedRequest): Promise<Placement> {
  return {
    lane: await ensureLane(queries, needsOf(request.profile, null), false),
    turn: turnOf({ ...ageOf(request), pathMs: PLAN_PATH_MS }),
    estimate_ms: PLAN_MS,
    estimate_source: 'guess',
    is_held: heldOf(request),
  };
}

/** Gives each package of a plan its place, by the times that were measured before. `needs` are indices of jobs. */
export async function placePackages(
  queries: Queries,
  request: PlacedRequest,
  jobs: readonly { readonly name: string; readonly needs: readonly number[] }[],
): Promise<Placement[]> {
  const { profile } = request;
  const names = jobs.map(({ name }) => packageNameOf(name));
  const known = await knownTimes(queries, profile.name, [...new Set(names)]);
  const estimates = names.map((name) => estimateTime(name, known));
  const paths = pathLengths(
    jobs.map(({ needs }, index) => ({ needs, estimateMs: estimates[index]?.ms ?? 0 })),
  );
  const lanes = new LaneCache(queries, profile);
  const placements: Placement[] = [];
  for (const [index, name] of names.entries()) {
    const estimate = estimates[index] ?? { ms: 0, source: 'guess' };
    placements.push({
      lane: await lanes.of(name, estimate),
      turn: turnOf({ ...ageOf(request), pathMs: paths[index] ?? 0 }),
      estimate_ms: estimate.ms,
      estimate_source: estimate.source,
      is_held: heldOf(request),
    });
  }
  return placements;
}

/** category/name of a CPV. */
export function packageNameOf(cpv: string): string {
  const { category, pn } = parseCpv(cpv);
  return `${category}/${pn}`;
}

function ageOf(request: PlacedRequest): {
  readonly requestedAt: number;
  readonly priority: number;
} {
  return { requestedAt: request.created_at, priority: request.priority };
}

function heldOf(request: PlacedRequest): number {
  return request.paused_at === null ? 0 : 1;
}

/** Asks the database once for each lane. */
class LaneCache {
  readonly #queries: Queries;
  readonly #profile: HardwareProfile;
  readonly #lanes = new Map<string, string>();

  constructor(queries: Queries, profile: HardwareProfile) {
    this.#queries = queries;
    this.#profile = profile;
  }

  async of(name: string, estimate: Estimate): Promise<string> {
    const needs = needsOf(this.#profile, name);
    const isForGiants = isKnown(estimate.source) && isGiant(estimate.ms);
    const key = JSON.stringify([needs, isForGiants]);
    const lane = this.#lanes.get(key) ?? (await ensureLane(this.#queries, needs, isForGiants));
    this.#lanes.set(key, lane);
    return lane;
  }
}

/** Jobs that an older version has queued have no place yet: they get one. */
export async function placeOldJobs(context: Pick<BuildsContext, 'database'>): Promise<void> {
  for (const id of await requestsWithUnplacedJobs(context.database)) {
    await context.database.transaction().execute(async (queries) => {
      await placeRequest(queries, id);
    });
  }
}

async function placeRequest(queries: Queries, id: string): Promise<void> {
  const row = await findRequestRow(queries, id);
  if (row === undefined) {
    return;
  }
  const request = { ...row, profile: hardwareProfileSchema.parse(JSON.parse(row.profile_json)) };
  const rows = await jobRowsOf(queries, id);
  const packages = rows.filter(({ kind }) => kind === 'package');
  const indexOf = new Map(packages.map((job, index) => [job.id, index]));
  const needs = packages.map((): number[] => []);
  for (const { job_id, needs_job_id } of await needsOfRequest(queries, id)) {
    needs[indexOf.get(job_id) ?? -1]?.push(...[indexOf.get(needs_job_id) ?? []].flat());
  }
  const placements = await placePackages(
    queries,
    request,
    packages.map(({ name }, index) => ({ name, needs: needs[index] ?? [] })),
  );
  for (const [index, job] of packages.entries()) {
    const placement = placements[index];
    if (placement !== undefined) {
      await setPlacement(queries, job.id, placement);
    }
  }
  for (const job of rows.filter(({ kind }) => kind === 'plan')) {
    await setPlacement(queries, job.id, await placePlan(queries, request));
  }
}
