import type { Queries } from '../database/database.ts';
import type { JobRow, RequestRow } from '../database/tables.ts';
import type { BuildFailure } from '../gentoo/build-failure.ts';
import type { Deed } from './builds-context.ts';
import { skipReason } from './job.ts';
import { readyDependants, skipDependants } from './job-store.ts';
import {
  endAs,
  evenOut,
  followersOf,
  joinedCount,
  joinTo,
  type Leader,
  leaders,
  needsMetAt,
  planBegunAt,
  type Twins,
  untriedTwins,
  withTwins,
} from './join-store.ts';
import { addBuilt } from './request-packages.ts';
import { findRequestRow } from './request-store.ts';
import { tellJobFinished, tellJobJoined, tellJobReady } from './tell-jobs.ts';
import { endIfUnchanged } from './unchanged-jobs.ts';

/*
 * The same build for several requests: docs/decisions/0028. Of jobs with the same inputs the first that an agent takes
 * builds; the others join it: they stay `waiting`, with `joined_job_id`, until it has ended for good, and end as it did.
 */

/**
 * Offers jobs that have just become ready. Those that are unchanged are done, and those that another request has built
 * meanwhile, and so on with what needed them; those that another request builds already join it.
 */
export async function offerJobs(deed: Deed, jobs: readonly JobRow[]): Promise<void> {
  const offer = new Offer(deed, await withTwins(deed.queries, jobs));
  const left = [...jobs];
  for (let job = left.shift(); job !== undefined; job = left.shift()) {
    left.push(...(await offer.make(job)));
  }
  await offer.end();
}

/** One pass over jobs that have become ready. */
class Offer {
  readonly #deed: Deed;
  /** The jobs that it began with. */
  readonly #known: Twins;
  readonly #askers = new Map<string, Promise<Asker>>();
  /** Those that are ready and are still to be told: a plan has thousands. */
  #ready: JobRow[] = [];

  constructor(deed: Deed, known: Twins) {
    this.#deed = deed;
    this.#known = known;
  }

  /** Returns the jobs that have become ready by what has become of this one. */
  async make(job: JobRow): Promise<JobRow[]> {
    const deed = this.#deed;
    const asker = await this.#asker(job.request_id);
    const unchanged = await endIfUnchanged(deed, asker.request?.profile ?? '', job);
    if (unchanged !== undefined) {
      await this.end();
      await tellJobFinished(deed, [unchanged]);
      return await readyDependants(deed.queries, job.id);
    }
    const isAlone = job.inputs === null || this.#known.get(job.id) === false;
    const leader = isAlone ? undefined : await leaderOf(deed, job, asker);
    if (leader === undefined) {
      this.#ready.push(job);
      return [];
    }
    await this.end();
    if (leader.state === 'succeeded') {
      return await endJoined(deed, job, leader);
    }
    await join(deed, [job], leader);
    return [];
  }

  /** Tells what has not been told yet. */
  async end(): Promise<void> {
    const ready = this.#ready;
    this.#ready = [];
    await tellJobReady(this.#deed, ready);
  }

  async #asker(requestId: string): Promise<Asker> {
    const asker = this.#askers.get(requestId) ?? askerOf(this.#deed, requestId);
    this.#askers.set(requestId, asker);
    return await asker;
  }
}

/** An agent has taken this job: others that are to build the same, and could begin, join it. */
export async function joinTwins(deed: Deed, leader: JobRow): Promise<void> {
  if (leader.inputs !== null) {
    await join(deed, await untriedTwins(deed.queries, leader), leader);
  }
}

/** A job has ended for good: those that have joined it end as it did. Returns the requests that they are of. */
export async function endFollowers(
  deed: Deed,
  leader: JobRow,
  failure?: BuildFailure,
): Promise<string[]> {
  const followers = await followersOf(deed.queries, leader.id);
  for (const job of followers) {
    await offerJobs(deed, await endJoined(deed, job, leader, failure));
  }
  return followers.map(({ request_id }) => request_id);
}

/** Who has built what the request has not built by itself, in a sentence; null when it has built all of it. */
export async function joinedReason(queries: Queries, requestId: string): Promise<string | null> {
  const { built, joined, builders } = await joinedCount(queries, requestId);
  if (joined === 0) {
    return null;
  }
  const by = `by request${builders.length === 1 ? '' : 's'} ${builders.join(', ')}.`;
  return joined === built ? `Built ${by}` : `${joined} of ${built} packages were built ${by}`;
}

async function join(deed: Deed, jobs: readonly JobRow[], leader: JobRow): Promise<void> {
  for (const job of jobs) {
    const joined = await joinTo(deed.queries, job, leader);
    await evenOut(deed.queries, job.request_id);
    await tellJobJoined(deed, joined, leader);
  }
}

/** Ends a job as the one that it has joined. Returns the jobs that are ready by that. */
async function endJoined(
  deed: Deed,
  job: JobRow,
  leader: JobRow,
  failure?: BuildFailure,
): Promise<JobRow[]> {
  const { queries, now } = deed;
  const reason =
    leader.reason === null ? null : `${leader.reason} Built by request ${leader.request_id}.`;
  const ended = await endAs(queries, job, leader, { reason, now });
  await tellJobFinished(deed, [ended], failure);
  if (ended.state !== 'succeeded') {
    const end = { reason: skipReason(ended), now };
    await tellJobFinished(deed, await skipDependants(queries, ended.id, end));
    return [];
  }
  if (ended.package_id !== null) {
    await addBuilt(queries, {
      request_id: ended.request_id,
      package_id: ended.package_id,
      isRebuild: ended.because !== null,
    });
  }
  return await readyDependants(queries, ended.id);
}

/** What of a request decides which builds of others will do for it. */
interface Asker {
  readonly request: RequestRow | undefined;
  /** When Portage began to look at what is there; null when the server has planned it. */
  readonly planBegunAt: number | null;
}

async function askerOf({ queries }: Deed, requestId: string): Promise<Asker> {
  return {
    request: await findRequestRow(queries, requestId),
    planBegunAt: await planBegunAt(queries, requestId),
  };
}

async function leaderOf(deed: Deed, job: JobRow, asker: Asker): Promise<Leader | undefined> {
  const found = await leaders(deed.queries, job);
  if (found.length === 0) {
    return undefined;
  }
  const metAt = (await needsMetAt(deed.queries, job.id)) ?? 0;
  const fitting = found.filter((leader) => isFor(leader, { ...asker, metAt }));
  return fitting.find(({ state }) => state !== 'succeeded') ?? fitting[0];
}

/**
 * Whether what this job builds, or has built, is what the other one would: it was begun when all that the other one
 * needs was there; for a rebuild, since that was asked for; and it was not done when Portage looked and wanted another.
 */
function isFor(leader: Leader, asker: Asker & { readonly metAt: number }): boolean {
  const isStillToBegin = leader.state === 'ready';
  const begun = isStillToBegin ? Infinity : (leader.begun_at ?? -1);
  const { request, metAt } = asker;
  const isNewEnough = request?.rebuild !== 1 || begun > request.created_at;
  const isUnseen =
    leader.state !== 'succeeded' ||
    asker.planBegunAt === null ||
    (leader.finished_at ?? 0) > asker.planBegunAt;
  return begun >= metAt && isNewEnough && isUnseen;
}
