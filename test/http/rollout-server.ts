import { setTimeout as settled } from 'node:timers/promises';
import {
  type Fates,
  GOOD_FATES,
  type SimulatedFleet,
} from '../../scripts/simulation/fleet/simulated-fleet.ts';
import { SimulatedTime } from '../../scripts/simulation/fleet/simulated-time.ts';
import type { RolloutRecord, RolloutRequest, WaitReason } from '../../src/fleet/rollout/rollout.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { NodeReport } from '../../src/repository/proof/node-report.ts';
import { systemClock } from '../../src/support/clock.ts';
import { running, systemOf } from '../fleet/impact/made-impact.ts';
import { openProofServer, type ProofServer } from './proof-server.ts';

/** Two farms of one site and one of another; `web3` has no third member. */
const FARMS = [
  { site: 'berlin', farm: 'web1', size: 3 },
  { site: 'berlin', farm: 'web2', size: 3 },
  { site: 'paris', farm: 'web3', size: 2 },
] as const;

/** What each publication of `web/testing` has; the third one brings a kernel. */
const PUBLISHED = [
  ['dev-libs/openssl-3.4.1', 'app-misc/jq-1.7', 'sys-kernel/gentoo-kernel-6.6.1'],
  ['dev-libs/openssl-3.5.0', 'app-misc/jq-1.8', 'sys-kernel/gentoo-kernel-6.6.1'],
  ['dev-libs/openssl-3.5.0', 'app-misc/jq-1.8', 'sys-kernel/gentoo-kernel-6.12.1'],
] as const;

/** The inventory in TOML; the canary is `web1-1`. Both sites have one HAProxy over TCP, and these windows: tables in which SITE is the site. */
export function sampleFleet(windows = ''): string {
  const sites = [...new Set(FARMS.map(({ site }) => site))].map(
    (site) => `${windows.replaceAll('SITE', site)}[site.${site}.balancer.lb1]
driver = "haproxy"
socket = "tcp://127.0.0.1:9"
`,
  );
  const farms = FARMS.map(
    ({ site, farm, size }) => `[site.${site}.farm.${farm}]
members = "${farm}-[1-${size}]"
profile = "web"
`,
  );
  const first = '[site.berlin.farm.web1.member.web1-1]\neager = true\n';
  return [...sites, ...farms, first].join('');
}

/** Nobody wants to watch a simulation for long. */
export const QUICK_POLICY = { canarySoakSeconds: 20, soakSeconds: 10 };

export const ASKED: RolloutRequest = {
  kind: 'os',
  targets: ['web/testing@2'],
  scope: { sites: [], farms: [], nodes: [] },
  policy: QUICK_POLICY,
  reason: 'openssl 3.5',
};

/** All goes well, and fast. */
export function quickStep(...asked: Parameters<Fates['step']>): ReturnType<Fates['step']> {
  const fate = GOOD_FATES.step(...asked);
  return { ...fate, seconds: Math.min(fate.seconds, 20) };
}

/** On this node, this goes on for ever. */
export function hanging(
  node: string,
  command: Parameters<Fates['step']>[1]['name'],
): Fates['step'] {
  return (...asked) => ({
    ...quickStep(...asked),
    ...(asked[0] === node && asked[1].name === command ? { seconds: 1_000_000 } : {}),
  });
}

/** A server with a repository, whose engine works at a small fleet that is simulated. Time stands still until it is let pass. */
export interface RolloutServer extends ProofServer<SimulatedTime> {
  readonly admin: string;
  readonly time: SimulatedTime;
  readonly fleet: SimulatedFleet;
  readonly fates: Fates;
  /** Every node says what it has now. */
  readonly report: () => Promise<void>;
  /** Every node has what it had at first, and serves. */
  readonly reset: () => Promise<void>;
  /** A draft, of what nodes have just said. */
  readonly planned: (changes?: Partial<RolloutRequest>) => Promise<RolloutRecord>;
  /** The same, approved and begun. */
  readonly started: (changes?: Partial<RolloutRequest>) => Promise<RolloutRecord>;
  /** Lets time pass until this is so. */
  readonly until: (id: string, isSo: (record: RolloutRecord) => boolean) => Promise<RolloutRecord>;
  /** Until the unit is at the step, or in the state. */
  readonly reaches: (id: string, unit: string, stepOrState: string) => Promise<RolloutRecord>;
  /** Until it waits for this, among other things. */
  readonly waitsFor: (id: string, kind: string) => Promise<WaitReason>;
  readonly ends: (id: string) => Promise<RolloutRecord>;
  readonly pass: (ms: number) => Promise<void>;
  /** Lets time pass as long as this takes. */
  readonly during: <T>(work: Promise<T>) => Promise<T>;
}

const FINAL = ['done', 'done-with-held', 'aborted', 'discarded'];

export async function startRolloutServer(folder: string, windows = ''): Promise<RolloutServer> {
  const time = new SimulatedTime(systemClock.now());
  const timestamps: number[] = [];
  const server = await openProofServer(folder, time, {
    time,
    timestampOf: (serial) => timestamps[serial - 1] ?? 0,
  });
  const { rollouts, runner, fates } = server.engine;
  fates.step = quickStep;
  const published = await publish(server, timestamps);
  await server.importInventory(sampleFleet(windows));
  const fleet = await server.engine.fleet();
  await runner.start();
  const report = async (): Promise<void> => {
    for (const node of fleet.nodes.values()) {
      const at = node.mergedTimestamp ?? timestamps[0] ?? 0;
      const packages = published[timestamps.indexOf(at)] ?? [];
      await server.installation.proofs.report(reportOf(node.name, at, packages), 'token:node');
    }
  };
  const planned = async (changes: Partial<RolloutRequest> = {}): Promise<RolloutRecord> => {
    await report();
    const policy = { ...QUICK_POLICY, ...changes.policy };
    return await rollouts.plan({ ...ASKED, ...changes, policy }, 'token:ops');
  };
  const waitsFor = async (id: string, kind: string): Promise<WaitReason> => {
    let reasons: readonly WaitReason[] = [];
    for (let turn = 0; turn < MOST_TURNS; turn += 1) {
      reasons = await rollouts.why(id);
      const found = reasons.find((one) => one.kind === kind);
      if (found !== undefined) {
        return found;
      }
      await pass(time, STEP_MS);
    }
    throw new Error(`it waits for something else: ${JSON.stringify(reasons)}`);
  };
  const until: RolloutServer['until'] = async (id, isSo) => {
    const isIt = async (): Promise<boolean> => isSo(await rollouts.get(id));
    for (let turn = 0; turn < MOST_TURNS && !(await isIt()); turn += 1) {
      await pass(time, STEP_MS);
    }
    const record = await rollouts.get(id);
    if (!isSo(record)) {
      throw new Error(
        `it has not come to that: ${record.state}, ${record.because}, ${JSON.stringify(record.units)}`,
      );
    }
    return record;
  };
  return {
    ...server,
    admin: await server.tokens.create('test-admin', 'admin', 'test'),
    time,
    fleet,
    fates,
    report,
    reset: async () => {
      fates.step = quickStep;
      for (const node of fleet.nodes.values()) {
        node.mergedTimestamp = null;
        node.isWebRunning = true;
      }
      for (const { site, balancer, servers } of everyServer()) {
        fleet.balancer({ name: site }, balancer).set(servers);
      }
      await report();
    },
    planned,
    started: async (changes) => {
      const { id } = await planned(changes);
      await rollouts.approve(id, 'start', 'token:ops');
      return await rollouts.start(id, 'token:ops');
    },
    until,
    waitsFor,
    pass: async (ms) => {
      await pass(time, ms);
    },
    during: async (work) => await passingDuring(work, time),
    reaches: async (id, unit, stepOrState) =>
      await until(id, ({ units }) => {
        const found = units.find((one) => one.unit === unit);
        return (
          found?.state === stepOrState || (found?.state === 'running' && found.step === stepOrState)
        );
      }),
    ends: async (id) => await until(id, ({ state }) => FINAL.includes(state)),
    close: async () => {
      await passingDuring(runner.stop(), time);
      await server.close();
    },
  };
}

const STEP_MS = 2000;
const MOST_TURNS = 1500;

/** Lets time pass. */
async function pass(time: SimulatedTime, ms: number): Promise<void> {
  let isOver = false;
  time.after(ms, () => {
    isOver = true;
  });
  await time.runUntil(() => isOver);
}

async function passingDuring<T>(work: Promise<T>, time: SimulatedTime): Promise<T> {
  const end = work.then(
    () => 'over',
    () => 'over',
  );
  for (let turn = 0; turn < MOST_TURNS; turn += 1) {
    if ((await Promise.race([end, pass(time, 1000)])) === 'over') {
      return await work;
    }
    await settled(2);
  }
  throw new Error('it does not end');
}

/** What balancers have at first. */
function everyServer() {
  return [...new Set(FARMS.map(({ site }) => site))].map((site) => ({
    site,
    balancer: 'lb1',
    servers: FARMS.filter((farm) => farm.site === site).flatMap(({ farm, size }) =>
      Array.from({ length: size }, (_, at) => ({
        server: { kind: 'member' as const, node: `${farm}-${at + 1}` },
        to: 'ready' as const,
      })),
    ),
  }));
}

/** The packages of each publication. */
async function publish(
  server: ProofServer<SimulatedTime>,
  timestamps: number[],
): Promise<readonly (readonly PackageRecord[])[]> {
  const made = new Map<string, PackageRecord>();
  const published: (readonly PackageRecord[])[] = [];
  for (const cpvs of PUBLISHED) {
    for (const cpv of cpvs.filter((one) => !made.has(one))) {
      const provides = cpv.includes('openssl') ? { PROVIDES: 'x86_64: libssl.so.3' } : {};
      made.set(cpv, await server.add(cpv, { metadata: provides }));
    }
    timestamps.push((await server.publish()).timestampSeconds);
    published.push(cpvs.flatMap((cpv) => made.get(cpv) ?? []));
  }
  return published;
}

function reportOf(
  node: string,
  timestampSeconds: number,
  packages: readonly PackageRecord[],
): NodeReport {
  const library = packages.find(({ cpv }) => cpv.includes('openssl'))?.cpv ?? '';
  const files = { '/usr/lib64/libssl.so.3': library };
  return {
    node,
    profile: 'web',
    channel: 'testing',
    timestampSeconds,
    installed: packages.map(({ cpv, slot, buildId, buildTimeSeconds, metadata }) => ({
      cpv,
      slot,
      buildId,
      buildTime: buildTimeSeconds,
      repository: 'lab',
      use: '',
      provides: metadata['PROVIDES'] ?? '',
    })),
    checks: [],
    php: [],
    system: { ...systemOf([running('php-fpm', files)]), isPartial: false },
  };
}
