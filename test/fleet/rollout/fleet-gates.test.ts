import { describe, expect, it } from '@jest/globals';
import type { BalancerReading, NodeFacts } from '../../../src/fleet/drivers/ports.ts';
import type { GateName } from '../../../src/fleet/plan/policy.ts';
import { fleetGates } from '../../../src/fleet/rollout/fleet-gates.ts';
import { Readings } from '../../../src/fleet/rollout/readings.ts';
import { AppError } from '../../../src/support/errors.ts';
import { testSite } from '../contracts/test-site.ts';

const BALANCERS = ['lb1', 'lb2'].map((name) => ({
  name,
  driver: 'health-file' as const,
  noticedAfterSeconds: 1,
}));
const SITE = testSite(BALANCERS);
const FACTS: NodeFacts = {
  bootId: 'b',
  kernel: '6',
  isWebRunning: true,
  phpActive: null,
  release: 'v1',
  mergedTimestamp: null,
};

/** `out`: what no balancer gives requests. `silent`: balancers that do not answer. */
async function judged(
  gate: GateName,
  nodes: readonly string[],
  given: {
    readonly out?: readonly string[];
    readonly silent?: readonly string[];
    readonly facts?: Readonly<Record<string, Partial<NodeFacts> | null>>;
  } = {},
): Promise<string> {
  const { out = [], silent = [], facts = {} } = given;
  const servers = SITE.farms.flatMap(({ members }) =>
    members.map(({ node }): BalancerReading['servers'][number] => ({
      server: { kind: 'member', node },
      to: out.includes(node) ? 'drain' : 'ready',
      isUp: true,
      inFlight: 0,
    })),
  );
  const balancers = {
    set: async () => undefined,
    read: async (_: unknown, { name }: { readonly name: string }) => {
      if (silent.includes(name)) {
        throw new AppError('balancer-unreachable', `${name} does not answer.`);
      }
      return { incarnation: '1', servers };
    },
  };
  const runner = {
    start: async () => undefined,
    state: async () => ({ state: 'absent' as const }),
    look: async ({ node }: { readonly node: string }) => {
      if (facts[node] === null) {
        throw new AppError('node-unreachable', `${node} does not answer.`);
      }
      return { ...FACTS, ...facts[node] };
    },
  };
  const gates = fleetGates({ nodes: runner }, new Readings(balancers, { now: () => 1 }));
  const question = { rollout: 'r', site: SITE, nodes, since: 0 };
  const { verdict, sentence } = (await gates.get(gate)?.judge(question)) ?? {};
  return `${verdict}: ${sentence}`;
}

describe('the gate of balancers', () => {
  it('passes when all of them answer, and cannot be told otherwise', async () => {
    expect(await judged('balancer', ['f1-1'])).toBe('pass: All balancers of eu answer.');
    expect(await judged('balancer', ['f1-1'], { silent: ['lb2'] })).toBe(
      'inconclusive: Not all balancers of eu answer: lb2 does not answer.',
    );
  });
});

describe('the gate of peers', () => {
  it('fails when another member of the farm is out, and for no other farm', async () => {
    expect(await judged('peers', ['f1-1'])).toBe('pass: The peers serve.');
    expect(await judged('peers', ['f1-1'], { out: ['f1-1', 'f2-1'] })).toMatch(/^pass/);
    expect(await judged('peers', ['f1-1'], { out: ['f1-2'] })).toBe(
      'fail: Peers in f1 do not serve: f1-2.',
    );
  });

  it('cannot be told while a balancer does not answer', async () => {
    expect(await judged('peers', ['f1-1'], { silent: ['lb1'] })).toBe(
      'inconclusive: Nobody can tell whether f1-2 serves: lb1 does not answer.',
    );
    expect(await judged('peers', ['f1-1'], { silent: ['lb1'], out: ['f1-2'] })).toMatch(/^fail/);
  });
});

describe('the gate of local checks', () => {
  it('fails when a web server does not run, or a farm has two releases', async () => {
    const both = ['f1-1', 'f1-2', 'f2-1'];
    expect(await judged('local-checks', both)).toMatch(/^pass/);
    expect(await judged('local-checks', both, { facts: { 'f1-2': { isWebRunning: false } } })).toBe(
      'fail: The web server of f1-2 does not run.',
    );
    expect(await judged('local-checks', both, { facts: { 'f1-2': { release: 'v2' } } })).toBe(
      'fail: The members of f1 serve different releases.',
    );
    expect(await judged('local-checks', both, { facts: { 'f2-1': { release: 'v2' } } })).toMatch(
      /^pass/,
    );
    expect(await judged('local-checks', ['f1-1'], { facts: { 'f1-2': null } })).toMatch(/^pass/);
    expect(await judged('local-checks', both, { facts: { 'f1-2': null } })).toBe(
      'inconclusive: f1-2 does not answer.',
    );
  });
});
