import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { agentsByName, upsertAgent } from '../../src/builds/agent-store.ts';
import { QueueView } from '../../src/builds/choose-job.ts';
import { claimJob, insertJobs } from '../../src/builds/job-store.ts';
import { newJobRow } from '../../src/builds/new-job-row.ts';
import { type PlacedRequest, placePackages } from '../../src/builds/place-jobs.ts';
import { insertRequest } from '../../src/builds/request-store.ts';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { type HardwareProfile, hardwareProfileSchema } from '../../src/gentoo/profile.ts';
import { systemClock } from '../../src/support/clock.ts';
import { lowerBound, makespan } from '../simulation/makespan.ts';
import { packageGraph } from '../simulation/package-graph.ts';
import type { Bench } from './claims.ts';
import { shown } from './measure.ts';

const QUEUED = 140_000;
const REQUEST_JOBS = 2500;
const PROFILES = 8;
const AGENTS = 500;
const DECISIONS = 200;

/** Which job an agent gets next, of 140,000 that could all be begun, in the real database. */
export async function decideNext(bench: Bench): Promise<void> {
  const file = join(bench.folder, 'queue.sqlite');
  const database = await openDatabase(file, systemClock);
  try {
    await fillQueue(database);
    const names = await addAgents(database);
    const decided = await timed(async (turn) => {
      const name = names[turn % (names.length - 1)] ?? '';
      const agent = (await agentsByName(database, [name])).get(name);
      const view = await QueueView.open(database, systemClock.now());
      const choice = agent && (await view.choose({ agent, passedOver: [] }));
      if (choice === undefined) {
        throw new Error(`there is no job for ${name}`);
      }
      const lease = { agent: name, now: systemClock.now(), expiresAt: systemClock.now() };
      return async () => await claimJob(database, choice.job, lease);
    });
    bench.print(
      `next-job decision at ${QUEUED} queued jobs: ${shown(decided)}, the slowest ${slowest(decided.seconds)} (target: below 0.010 s)`,
    );
    const inVain = await timed(async () => {
      const agents = await agentsByName(database, names);
      const view = await QueueView.open(database, systemClock.now());
      for (const agent of agents.values()) {
        const unfit = { ...agent, description_json: unfitted(agent.description_json) };
        await view.choose({ agent: unfit, passedOver: [] });
      }
      return async () => undefined;
    });
    bench.print(
      `the same for ${AGENTS} waiting agents that none of them fits: ${shown(inVain)} (no target)`,
    );
  } finally {
    await database.destroy();
    await rm(file, { force: true });
  }
}

/** Runs decisions; what each returns is done after its time was taken. */
async function timed(
  decide: (turn: number) => Promise<() => Promise<unknown>>,
): Promise<{ readonly seconds: readonly number[] }> {
  const seconds: number[] = [];
  for (let turn = 0; turn < DECISIONS; turn += 1) {
    const start = performance.now();
    const after = await decide(turn);
    seconds.push((performance.now() - start) / 1000);
    await after();
  }
  return { seconds };
}

function slowest(seconds: readonly number[]): string {
  return `${Math.max(...seconds).toFixed(3)} s`;
}

function unfitted(description: string): string {
  return description.replace('"executors":["portage"]', '"executors":["source"]');
}

function profile(index: number): HardwareProfile {
  return hardwareProfileSchema.parse({
    name: `web-${index}`,
    description: '',
    ancestors: [],
    arch: 'amd64',
    chost: 'x86_64-pc-linux-gnu',
    flags: {},
    cpuFlags: [],
    cpuFlagsVariable: null,
    gentooProfile: null,
    use: [],
    features: [],
    makeopts: '',
    buildRoot: { kind: 'chroot', path: '/r' },
    executor: 'portage',
    channels: ['testing'],
    sets: {},
    portageFiles: {},
    recipes: {},
  });
}

async function fillQueue(database: Database): Promise<void> {
  for (let request = 0; request * REQUEST_JOBS < QUEUED; request += 1) {
    await database.transaction().execute(async (queries) => {
      const placed = { profile: profile(request % PROFILES), created_at: request * 1000 };
      const of: PlacedRequest = { ...placed, priority: request % 3, paused_at: null };
      await insertRequest(queries, {
        id: `req-${request}`,
        profile: of.profile.name,
        atoms_json: '[]',
        rebuild: 0,
        publish_channel: null,
        publish_forced: 0,
        publish_reason: '',
        state: 'building',
        reason: null,
        author: 'bench',
        created_at: of.created_at,
        finished_at: null,
        profile_json: JSON.stringify(of.profile),
        plan_json: null,
        cancelled_by: null,
        priority: of.priority,
        paused_at: null,
        paused_by: null,
        pause_reason: null,
        publish_partial: 0,
        publish_not_over: null,
        retry_blocked: 0,
        resolve_json: '[]',
      });
      const jobs = packageGraph(REQUEST_JOBS, request + 1);
      const placements = await placePackages(queries, of, jobs);
      const rows = jobs.map(({ name }, index) => ({
        ...(placements[index] ?? placements[0]),
        id: `job-${request}-${index}`,
        request_id: `req-${request}`,
        kind: 'package' as const,
        position: index + 1,
        name,
        executor: 'portage',
        spec_json: '{}',
        state: 'ready',
        created_at: of.created_at,
      }));
      await insertJobs(
        queries,
        rows.map((row) => newJobRow({ ...NO_PLACE, ...row })),
        [],
      );
    });
  }
}

const NO_PLACE = { lane: null, turn: null, estimate_ms: null, estimate_source: null, is_held: 0 };

async function addAgents(database: Database): Promise<string[]> {
  const names = Array.from({ length: AGENTS }, (_, index) => `agent-${index}`);
  for (const [index, name] of names.entries()) {
    const description = {
      name,
      chost: 'x86_64-pc-linux-gnu',
      cpuFlags: [],
      cores: 16,
      memoryBytes: (16 + index) * 1024 ** 3,
      portageVersion: '3.0.82',
      executors: ['portage' as const],
      compiler: null,
      diskFreeBytes: null,
      labels: [],
      profiles: index % 2 === 0 ? [] : [`web-${index % PROFILES}`],
      slots: 1,
    };
    await upsertAgent(database, description, systemClock.now());
  }
  return names;
}

const SIZES = [300, 1000, 3000] as const;
const BUILDERS = [2, 4, 8, 16, 32, 64] as const;
const GRAPHS = 20;
/** What counts as longer: half a per mille. */
const SAME = 1.0005;

/** How long requests take against what no schedule can beat, and against first-come-first-served. */
export async function buildInOrder(bench: Bench): Promise<void> {
  for (const size of SIZES) {
    const ratios: number[] = [];
    const others: number[] = [];
    for (let seed = 1; seed <= GRAPHS; seed += 1) {
      const graph = packageGraph(size, seed * 1000 + size);
      for (const builders of BUILDERS) {
        const bound = lowerBound(graph, builders);
        ratios.push(makespan(graph, builders, 'critical-path') / bound);
        others.push(makespan(graph, builders, 'first-come') / bound);
      }
    }
    const worse = ratios.filter((ratio, index) => ratio > (others[index] ?? 0) * SAME).length;
    bench.print(
      `makespan of ${GRAPHS} requests for ${size} packages on ${BUILDERS.join(', ')} builders: ${mean(ratios)} of the lower bound, at worst ${Math.max(...ratios).toFixed(3)} (target: at most 1.10); first come, first served ${mean(others)}, at worst ${Math.max(...others).toFixed(3)}, and shorter in ${worse} of ${ratios.length} (target: 0)`,
    );
  }
}

function mean(values: readonly number[]): string {
  return (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3);
}
