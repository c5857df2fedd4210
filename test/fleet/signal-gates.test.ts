import { describe, expect, it } from '@jest/globals';
import type { NodeFacts } from '../../src/fleet/drivers/ports.ts';
import { DEFAULT_RULES } from '../../src/fleet/gates/compare.ts';
import { signalGates } from '../../src/fleet/gates/signal-gates.ts';
import { type CounterSource, TrafficSamples } from '../../src/fleet/gates/traffic-samples.ts';
import type { Balancer, HaproxyBalancer } from '../../src/fleet/inventory/inventory.ts';
import type { GateName } from '../../src/fleet/plan/policy.ts';
import { AppError } from '../../src/support/errors.ts';
import { testSite } from './contracts/test-site.ts';

const HAPROXY: HaproxyBalancer = {
  name: 'lb1',
  driver: 'haproxy',
  socket: 'tcp://127.0.0.1:1',
  memberBackend: 'm',
  farmBackends: ['b', 'g'],
};
const SECOND = { ...HAPROXY, name: 'lb2' };
const FACTS: NodeFacts = {
  bootId: 'b',
  kernel: '6',
  isWebRunning: true,
  phpActive: null,
  release: null,
  mergedTimestamp: null,
  workers: { queued: 0, idle: 3, active: 1 },
};

/** What a member does between two looks, in HAProxy's columns. */
type Traffic = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Every look counts what `traffic` says once more. */
function counting(traffic: Traffic): CounterSource {
  const looks = new Map<string, number>();
  return {
    counters: async (_, { name }) => {
      const at = (looks.get(name) ?? 0) + 1;
      looks.set(name, at);
      const members = Object.entries(traffic).map(([node, columns]) => {
        const grown = Object.entries(columns).map(([column, number]): [string, number] => [
          column,
          column === 'rtime' ? number : number * at,
        ]);
        return [node, new Map(grown)] as const;
      });
      return { incarnation: '1', members: new Map(members) };
    },
  };
}

async function judged(
  gate: GateName,
  given: {
    readonly traffic?: Traffic;
    readonly source?: CounterSource;
    readonly facts?: Readonly<Record<string, Partial<NodeFacts> | null>>;
    readonly balancers?: readonly Balancer[];
    readonly nodes?: readonly string[];
  } = {},
) {
  const { traffic = {}, facts = {}, balancers = [HAPROXY], nodes = ['f1-1'] } = given;
  const { source = counting(traffic) } = given;
  const time = { now: () => 0, sleep: async () => {} };
  const gates = signalGates({
    samples: new TrafficSamples(source, time, 10),
    rules: DEFAULT_RULES,
    nodes: {
      look: async ({ node }) => {
        if (facts[node] === null) {
          throw new AppError('node-unreachable', `${node} does not answer.`);
        }
        return { ...FACTS, ...facts[node] };
      },
    },
    alerts: null,
  });
  const question = { rollout: 'r', site: testSite(balancers), nodes, since: 0 };
  const { verdict, sentence } = (await gates.get(gate)?.judge(question)) ?? {};
  return `${verdict}: ${sentence}`;
}

const QUIET = { req_tot: 100, rtime: 20 };

describe('the gate of errors', () => {
  it.each([
    ['hrsp_5xx', 3, 'fail: f1-1 answers 3.0 % of its requests with errors, its peers 0.0 %.'],
    ['econ', 3, 'fail: f1-1 answers 3.0 % of its requests with errors, its peers 0.0 %.'],
    ['eresp', 3, 'fail: f1-1 answers 3.0 % of its requests with errors, its peers 0.0 %.'],
    ['hrsp_4xx', 90, 'pass: f1-1 has no more errors than its peers.'],
    ['hrsp_5xx', 1, 'pass: f1-1 has no more errors than its peers.'],
  ])('counts %s, %d of 100', async (column, number, expected) => {
    const traffic = { 'f1-1': { ...QUIET, [column]: number }, 'f1-2': QUIET };
    expect(await judged('error-rate', { traffic })).toBe(expected);
  });

  it('counts what all balancers have seen, and sessions where they count no requests', async () => {
    const traffic = { 'f1-1': { stot: 30 }, 'f1-2': { stot: 30 } };
    expect(await judged('error-rate', { traffic })).toMatch(/^inconclusive: The peers had 30 /);
    const both = [HAPROXY, SECOND];
    expect(await judged('error-rate', { traffic, balancers: both })).toMatch(/^pass: /);
  });

  it('judges each farm by its own peers, and the worst of them counts', async () => {
    const traffic = {
      'f1-1': { ...QUIET, hrsp_5xx: 50 },
      'f1-2': QUIET,
      'f2-1': { ...QUIET, hrsp_5xx: 50 },
    };
    expect(await judged('error-rate', { traffic, nodes: ['f2-1'] })).toMatch(
      /^inconclusive: The peers had 0 requests/,
    );
    expect(await judged('error-rate', { traffic, nodes: ['f2-1', 'f1-1'] })).toMatch(
      /^fail: f1-1 answers 50\.0 %/,
    );
    expect(await judged('error-rate', { traffic, nodes: ['x'] })).toBe(
      'inconclusive: There is no member to judge.',
    );
  });

  it('cannot tell where a balancer does not count, or does not answer', async () => {
    const edge: Balancer = { name: 'edge', driver: 'health-file', noticedAfterSeconds: 5 };
    const counts = 'Not every balancer of eu counts requests; only HAProxy does.';
    for (const balancers of [[edge], [HAPROXY, edge], []]) {
      expect(await judged('error-rate', { balancers })).toBe(`inconclusive: ${counts}`);
    }
    const source = {
      counters: async () => {
        throw new AppError('balancer-unreachable', 'lb1 does not answer.');
      },
    };
    expect(await judged('error-rate', { source })).toBe('inconclusive: lb1 does not answer.');
  });
});

describe('the gate of latency', () => {
  it.each([
    [60, 'pass: f1-1 answers as fast as its peers.'],
    [69, 'pass: f1-1 answers as fast as its peers.'],
    [71, 'fail: f1-1 takes 71 ms to answer, its peers 20 ms.'],
  ])('of %d ms beside 20', async (rtime, expected) => {
    const traffic = { 'f1-1': { ...QUIET, rtime }, 'f1-2': QUIET };
    expect(await judged('latency', { traffic })).toBe(expected);
  });

  it('of twice the time passes, however long that is', async () => {
    for (const [rtime, verdict] of [
      [800, /^pass/],
      [801, /^fail/],
    ] as const) {
      const traffic = { 'f1-1': { ...QUIET, rtime }, 'f1-2': { ...QUIET, rtime: 400 } };
      expect(await judged('latency', { traffic })).toMatch(verdict);
    }
  });

  it('cannot be told of a member of which nobody knows how long it takes', async () => {
    const traffic = { 'f1-1': { req_tot: 100 }, 'f1-2': QUIET };
    expect(await judged('latency', { traffic })).toBe(
      'inconclusive: Nobody knows how long f1-1 takes to answer.',
    );
  });
});

function queued(count: number): Partial<NodeFacts> {
  return { workers: { queued: count, idle: 0, active: 4 } };
}

describe('the gate of saturation', () => {
  it('fails when requests wait on a member of the farm, be it another one', async () => {
    expect(await judged('saturation')).toBe('pass: No request waits for a process of PHP.');
    expect(await judged('saturation', { facts: { 'f1-2': queued(1) } })).toBe(
      'fail: 1 requests wait for a process of PHP on f1-2.',
    );
    expect(await judged('saturation', { facts: { 'f2-1': queued(9) } })).toMatch(/^pass/);
  });

  it('does not ask members that are being worked at, and only those', async () => {
    const stopped = { isWebRunning: false, workers: null };
    expect(await judged('saturation', { facts: { 'f1-1': stopped } })).toMatch(/^pass/);
    expect(await judged('saturation', { facts: { 'f1-2': stopped } })).toBe(
      'inconclusive: f1-2 does not say how busy its PHP is.',
    );
  });

  it('cannot be told of a node that does not say it, and a failure counts more', async () => {
    expect(await judged('saturation', { facts: { 'f1-2': null } })).toBe(
      'inconclusive: f1-2 does not answer.',
    );
    expect(await judged('saturation', { facts: { 'f1-1': null, 'f1-2': queued(2) } })).toMatch(
      /^fail: 2 requests wait/,
    );
    expect(await judged('saturation', { nodes: ['x'] })).toBe(
      'inconclusive: There is no member to judge.',
    );
  });
});

describe('the gate of alerts', () => {
  it('cannot be told where nobody knows of them', async () => {
    expect(await judged('alerts')).toMatch(/^inconclusive: Nobody was named/);
  });
});
