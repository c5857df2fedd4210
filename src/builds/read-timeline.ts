import type { JobRow, RequestRow } from '../database/tables.ts';
import type { BuildProgress } from '../gentoo/build-phase.ts';
import { agentRows, toAgent } from './agent-store.ts';
import type { AttemptName } from './build-log.ts';
import type { AgentRecord } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { type Estimate, estimateAll, leftOf } from './estimate.ts';
import { leasedJobsByAgent } from './job-store.ts';
import { packageOf } from './keep-history.ts';
import { knownTimes } from './package-times-store.ts';
import type { JobRows, LiveView } from './read-builds.ts';
import type { TimelineFacts } from './timeline.ts';
import { attemptsOfRequest, runningJobs } from './timeline-store.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

type Reading = Pick<BuildsContext, 'database' | 'clock' | 'seen'>;

/** What the database knows for the timeline of a request; what is missing stands in the logs. */
export async function timelineFacts(
  context: Reading,
  live: LiveView,
  request: RequestRow,
  { rows, needs: pairs }: JobRows,
): Promise<Omit<TimelineFacts, 'progress'>> {
  const { database, clock } = context;
  const now = clock.now();
  const needs = new Map<string, string[]>();
  for (const { job_id, needs_job_id } of pairs) {
    const list = needs.get(job_id) ?? [];
    list.push(needs_job_id);
    needs.set(job_id, list);
  }
  const packages = [...new Set(rows.map(({ name }) => packageOf(name)))];
  const isOpen = request.finished_at === null;
  return {
    jobs: rows,
    needs,
    attempts: await attemptsOfRequest(database, request.id),
    estimates: await estimatesFor(context, packages, request.profile),
    agents: isOpen ? await liveAgents(context, live) : [],
    busyUntil: isOpen ? await busyElsewhere(context, request.id) : new Map(),
    now,
  };
}

/** How far these attempts are, by the ids of their jobs. */
export async function progressOf(
  { findings }: Pick<BuildsContext, 'findings'>,
  attempts: readonly AttemptName[],
): Promise<Map<string, BuildProgress>> {
  const found = new Map<string, BuildProgress>();
  for (const { jobId, attempt } of attempts) {
    found.set(jobId, (await findings.of({ jobId, attempt })).progress);
  }
  return found;
}

/** The attempts of those jobs that run. */
export function runningAttempts(
  jobs: readonly Pick<JobRow, 'id' | 'attempt' | 'state'>[],
): AttemptName[] {
  return jobs
    .filter(({ state }) => state === 'leased')
    .map(({ id, attempt }) => ({ jobId: id, attempt }));
}

async function estimatesFor(
  { database }: Pick<BuildsContext, 'database'>,
  packages: readonly string[],
  profile: string,
): Promise<ReadonlyMap<string, Estimate>> {
  return estimateAll(packages, await knownTimes(database, profile, packages));
}

async function liveAgents(context: Reading, live: LiveView): Promise<AgentRecord[]> {
  const { database, clock, seen } = context;
  const held = await leasedJobsByAgent(database);
  const waiting = live.waiting();
  const now = clock.now();
  return (await agentRows(database))
    .map((row) => toAgent(seen.current(row), held.get(row.name) ?? []))
    .filter(({ name, lastSeenAt }) => waiting.has(name) || lastSeenAt > now - LIVE_AGENT_MS);
}

/** Agent -> when it will be done with what it builds for other requests. */
async function busyElsewhere(context: Reading, requestId: string): Promise<Map<string, number>> {
  const now = context.clock.now();
  const busy = new Map<string, number>();
  const running = await runningJobs(context.database);
  const elsewhere = running.filter(({ request_id }) => request_id !== requestId);
  for (const profile of new Set(elsewhere.map((job) => job.profile))) {
    const jobs = elsewhere.filter((job) => job.profile === profile);
    const names = [...new Set(jobs.map(({ name }) => packageOf(name)))];
    const estimates = await estimatesFor(context, names, profile);
    for (const job of jobs) {
      const estimate = estimates.get(packageOf(job.name));
      const elapsedMs = now - job.begun_at;
      const left = estimate && leftOf(estimate, { elapsedMs, share: undefined });
      const agent = job.agent ?? '';
      busy.set(agent, Math.max(busy.get(agent) ?? 0, now + (left ?? 0)));
    }
  }
  return busy;
}
