import type { JobRow, RequestRow } from '../database/tables.ts';
import type { AgentRecord } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { needsOfJob, runningJobs, toState, troubledJobs } from './job-store.ts';
import { leadersFor, wantedElsewhere } from './join-store.ts';
import { lanesOfProfile } from './lane-store.ts';
import { allPauses } from './pause-store.ts';
import { requestPause } from './request-store.ts';
import type { Lane } from './schedule-policy.ts';
import {
  type FarmFacts,
  firstNeed,
  leftOf,
  type NeededJob,
  type RunningJob,
  type Standstill,
  type Why,
  whyReady,
} from './waiting-reason.ts';

/** The jobs that a job needs. */
export type NeedsOf = (job: JobRow) => Promise<readonly JobRow[]>;

/** A chain of jobs that wait for each other is not followed further. */
const LONGEST_CHAIN = 1000;

/** Explains jobs of one request. It looks at the farm once. */
export class JobExplainer {
  readonly #request: RequestRow;
  readonly #facts: FarmFacts;
  readonly #running: ReadonlyMap<string, RunningJob>;
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #failedOn: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #needsOf: NeedsOf;
  /** Jobs of this request that jobs of others have joined and wait for. */
  readonly #wantedElsewhere: ReadonlySet<string>;
  /** Jobs of other requests that jobs of this one have joined. */
  readonly #leaders: ReadonlyMap<string, JobRow>;
  /** What a waiting job waits for in the end. */
  readonly #roots = new Map<string, JobRow>();
  /** By lane, or by job when it is a special case. */
  readonly #standstills = new Map<string, Standstill>();

  private constructor(parts: {
    readonly request: RequestRow;
    readonly facts: FarmFacts;
    readonly lanes: ReadonlyMap<string, Lane>;
    readonly failedOn: ReadonlyMap<string, ReadonlySet<string>>;
    readonly needsOf: NeedsOf;
    readonly leaders: readonly JobRow[];
    readonly wantedElsewhere: ReadonlySet<string>;
  }) {
    this.#request = parts.request;
    this.#facts = parts.facts;
    this.#running = new Map(parts.facts.running.map((job) => [job.jobId, job]));
    this.#lanes = parts.lanes;
    this.#failedOn = parts.failedOn;
    this.#needsOf = parts.needsOf;
    this.#wantedElsewhere = parts.wantedElsewhere;
    this.#leaders = new Map(parts.leaders.map((job) => [job.id, job]));
  }

  /**
   * Without `needsOf`, what jobs need is asked of the database, one by one. All has to be of the moment in which the jobs were
   * read.
   */
  static async open(
    context: Pick<BuildsContext, 'database' | 'clock'>,
    of: { readonly request: RequestRow; readonly needsOf?: NeedsOf },
    agents: readonly AgentRecord[],
  ): Promise<JobExplainer> {
    const { database, clock } = context;
    const failedOn = new Map<string, Set<string>>();
    for (const { id, agent } of await troubledJobs(database)) {
      failedOn.set(id, (failedOn.get(id) ?? new Set<string>()).add(agent));
    }
    const lanes = await lanesOfProfile(database, of.request.profile);
    return new JobExplainer({
      request: of.request,
      needsOf: of.needsOf ?? (async (job) => await needsOfJob(database, job.id)),
      facts: {
        now: clock.now(),
        agents,
        running: await runningJobs(database),
        pauses: await allPauses(database),
      },
      lanes,
      failedOn,
      wantedElsewhere: await wantedElsewhere(database, of.request.id),
      leaders: await leadersFor(database, of.request.id),
    });
  }

  async explain(job: JobRow): Promise<Why> {
    const state = toState(job.state);
    switch (state) {
      case 'waiting':
        return await this.#whyWaiting(job);
      case 'ready':
        return this.#whyReady(job);
      case 'leased':
        return this.#whyLeased(job);
      case 'succeeded':
      case 'failed':
      case 'cancelled':
      case 'skipped':
        break;
    }
    return whyOver(job, state, this.leaderOf(job)?.request_id ?? null);
  }

  /** The job of another request that this one has joined. */
  leaderOf(job: JobRow): JobRow | undefined {
    return this.#leaders.get(job.joined_job_id ?? '');
  }

  async #whyWaiting(job: JobRow): Promise<Why> {
    const leader = this.leaderOf(job);
    if (leader !== undefined) {
      return {
        code: 'joined',
        request: leader.request_id,
        ...this.#needed(leader),
        because: leader.state === 'ready' ? this.#whyReady(leader) : null,
      };
    }
    const open = await this.#openNeeds(job);
    const need = firstNeed(open);
    if (need === undefined) {
      return this.#whyReady(job);
    }
    const root = need.state === 'waiting' ? await this.#rootOf(need.row) : need.row;
    return {
      code: 'needs-job',
      ...this.#needed(need.row),
      others: open.length - 1,
      root: root.id === need.row.id ? null : this.#needed(root),
      because: root.state === 'ready' ? this.#whyReady(root) : null,
    };
  }

  async #openNeeds(job: JobRow) {
    const needs = await this.#needsOf(job);
    return needs
      .map((row) => ({ row, state: toState(row.state) }))
      .filter(({ state }) => state !== 'succeeded');
  }

  /** Where the chain of first needs ends. */
  async #rootOf(job: JobRow): Promise<JobRow> {
    const chain: JobRow[] = [];
    let row = job;
    while (row.state === 'waiting' && !this.#roots.has(row.id) && chain.length < LONGEST_CHAIN) {
      chain.push(row);
      row = firstNeed(await this.#openNeeds(row))?.row ?? row;
      if (row === chain.at(-1)) {
        break;
      }
    }
    const root = this.#roots.get(row.id) ?? row;
    for (const { id } of chain) {
      this.#roots.set(id, root);
    }
    return root;
  }

  #needed(job: JobRow): NeededJob {
    const agent = job.state === 'leased' ? job.agent : null;
    const running = this.#running.get(job.id);
    const { now } = this.#facts;
    return {
      job: job.id,
      name: job.name,
      state: toState(job.state),
      agent,
      sinceMs: running === undefined ? null : now - running.startedAt,
      leftMs: running === undefined ? null : leftOf(running, now),
    };
  }

  #whyReady(job: JobRow): Standstill {
    const failedOn = this.#failedOn.get(job.id) ?? new Set<string>();
    const isOwn = job.request_id === this.#request.id;
    const isUsual = job.not_before === null && failedOn.size === 0 && isOwn;
    const key = isUsual ? (job.lane ?? '') : job.id;
    const known =
      this.#standstills.get(key) ??
      whyReady(
        {
          lane: this.#lanes.get(job.lane ?? ''),
          attempt: job.attempt,
          notBefore: job.not_before,
          requestPause: isOwn ? requestPause(this.#request) : null,
          failedOn,
        },
        this.#facts,
      );
    this.#standstills.set(key, known);
    return known;
  }

  #whyLeased(job: JobRow): Why {
    const agent = job.agent ?? '';
    const by = this.#request.cancelled_by;
    if (by !== null && !this.#wantedElsewhere.has(job.id)) {
      return { code: 'stopping', agent, by };
    }
    const { sinceMs, leftMs } = this.#needed(job);
    return { code: 'building', agent, attempt: job.attempt, sinceMs: sinceMs ?? 0, leftMs };
  }
}

function whyOver(
  job: JobRow,
  state: 'succeeded' | 'failed' | 'cancelled' | 'skipped',
  request: string | null,
): Why {
  const { agent, attempt, started_at: begun, finished_at: ended } = job;
  if (state !== 'succeeded') {
    return { code: state, agent, attempt, reason: job.reason ?? 'No reason was kept.' };
  }
  const tookMs = begun === null || ended === null ? null : ended - begun;
  return { code: 'succeeded', agent: agent ?? '', attempt, tookMs, request };
}
