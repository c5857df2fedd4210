import { setMaxListeners } from 'node:events';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { JobLog, LogStream } from '../../src/agent/job-log.ts';
import { JobWatch } from '../../src/agent/job-watch.ts';
import type { ServerConnection } from '../../src/agent/server-connection.ts';
import type { LeaseMessage } from '../../src/protocol/agents.ts';
import { silentLog } from '../../src/support/log.ts';
import { packageGraph } from '../simulation/package-graph.ts';
import { BenchFarm, DISK_FREE, ENGINES, leaseOf, planOf } from './bench-farm.ts';
import type { Bench } from './claims.ts';
import { median, shown } from './measure.ts';

const IDLE_AGENTS = 500;
const BUSY_AGENTS = 64;
const PLANNED = 3000;
const RUNS = 3;
const PLANS = 5;
const RUN_MS = 20_000;
/** As long as the real ones wait. */
const LEASE_WAIT_MS = 30_000;
const HEARTBEAT_MS = 15_000;
/** What a build writes: with -j16, a few lines of a compiler every now and then. */
const LINES_EVERY_MS = 200;
const LINES =
  `${'x86_64-pc-linux-gnu-gcc -O2 -pipe -c -o part.o part.c '.padEnd(200, '-Wall ')}\n`.repeat(16);

/** What many agents cost the server, and how long a large plan takes, with each engine of the database. */
export async function farmTraffic(bench: Bench): Promise<void> {
  for (const engine of ENGINES) {
    const farm = await BenchFarm.start(join(bench.folder, `farm-${engine}`), engine);
    if (farm === undefined) {
      bench.print(`agents of a farm on ${engine}: skipped: ${engine} is not installed`);
      continue;
    }
    try {
      await whenIdle(bench, farm, engine);
      await whenBusy(bench, farm, engine);
      await planning(bench, farm, engine);
    } finally {
      await farm.stop();
    }
  }
}

async function whenIdle(bench: Bench, farm: BenchFarm, engine: string): Promise<void> {
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const agents = await Promise.all(
    Array.from(
      { length: IDLE_AGENTS },
      async (_, at) => await farm.agent(`idle-${at}`, end.signal),
    ),
  );
  const lives = agents.map(async (agent, at) => {
    await pause((at * LEASE_WAIT_MS) / IDLE_AGENTS);
    while (!end.signal.aborted) {
      await agent.lease(LEASE_WAIT_MS, DISK_FREE, end.signal);
    }
  });
  await pause(LEASE_WAIT_MS + 2000);
  const shares = await processorShares(farm);
  end.abort();
  await Promise.allSettled(lives);
  bench.print(
    `${IDLE_AGENTS} agents that wait for work, ${engine}: the server takes ${percents(shares)} of a core (target: below 10 %)`,
  );
}

async function whenBusy(bench: Bench, farm: BenchFarm, engine: string): Promise<void> {
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const agents = await Promise.all(
    Array.from(
      { length: BUSY_AGENTS },
      async (_, at) => await farm.agent(`busy-${at}`, end.signal),
    ),
  );
  const request = await farm.request();
  const [planner] = agents;
  await handIn(planner, packageGraph(PLANNED, BUSY_AGENTS), end.signal);
  const folder = join(bench.folder, `logs-${engine}`);
  await mkdir(folder);
  const lives = agents.map(async (agent) => {
    await build(agent, await leaseOf(agent, end.signal), { folder, end });
  });
  await pause(3000);
  const shares = await processorShares(farm);
  end.abort();
  await Promise.allSettled(lives);
  await farm.cancel(request);
  bench.print(
    `${BUSY_AGENTS} agents that build and write ${Math.round((LINES.length * 1000) / LINES_EVERY_MS / 1024)} KiB of log a second each, ${engine}: the server takes ${percents(shares)} of a core (target: below 25 %)`,
  );
}

/** What an agent says while it builds, with the agent's own code. */
async function build(
  connection: ServerConnection,
  lease: LeaseMessage,
  { folder, end }: { readonly folder: string; readonly end: AbortController },
): Promise<void> {
  const log = new JobLog(join(folder, lease.jobId));
  const attempt = { jobId: lease.jobId, attempt: lease.attempt };
  const { signal } = end;
  const watch = new JobWatch({ connection, attempt, heartbeatMs: HEARTBEAT_MS, signal });
  const stream = new LogStream({ log, connection, attempt, agentLog: silentLog() });
  const writing = async (): Promise<void> => {
    while (!signal.aborted) {
      await appendFile(log.path, LINES);
      await pause(LINES_EVERY_MS);
    }
  };
  try {
    await Promise.all([watch.beat(signal), stream.follow(signal, signal), writing()]);
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  } finally {
    log.close();
  }
}

async function planning(bench: Bench, farm: BenchFarm, engine: string): Promise<void> {
  const { signal } = new AbortController();
  const planner = await farm.agent('planner', signal);
  const builder = await farm.agent('builder', signal);
  const seconds: number[] = [];
  for (let turn = 1; turn <= PLANS; turn += 1) {
    const request = await farm.request();
    const packages = packageGraph(PLANNED, turn);
    const begun = await handIn(planner, packages, signal);
    await leaseOf(builder, signal);
    seconds.push((performance.now() - begun) / 1000);
    await farm.cancel(request);
  }
  bench.print(
    `planning and queueing of ${PLANNED} packages, ${engine}, from Portage's answer to the first job that is given out: ${shown({ seconds })}, the slowest ${Math.max(...seconds).toFixed(2)} s (target: below 2 s)`,
  );
}

/** Takes the plan of the request and hands in these packages; returns when that began. */
async function handIn(
  planner: ServerConnection | undefined,
  packages: Parameters<typeof planOf>[0],
  signal: AbortSignal,
): Promise<number> {
  if (planner === undefined) {
    throw new Error('there is no agent');
  }
  const lease = await leaseOf(planner, signal);
  if (lease.work.kind !== 'plan') {
    throw new Error(`the agent was given ${lease.work.kind} and not the plan`);
  }
  const plan = planOf(packages);
  const begun = performance.now();
  await planner.sendPlan(lease, plan, signal);
  await planner.sendResult(lease, { outcome: 'succeeded' }, signal);
  return begun;
}

async function processorShares(farm: BenchFarm): Promise<number[]> {
  const shares: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    shares.push(await farm.processorShare(async () => await pause(RUN_MS)));
  }
  return shares;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function percents(shares: readonly number[]): string {
  return `${percent(median({ seconds: shares }))} (${shares.length} runs of ${RUN_MS / 1000} s, at most ${percent(Math.max(...shares))})`;
}
