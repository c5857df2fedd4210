/**
 * Has the engine carry out rollouts on simulated fleets whose nodes fail, die and answer late, whose balancers forget, and whose
 * controller is killed: `node --import tsx scripts/simulate-rollouts.ts --seeds 1000`, or one with `--seed 17`; one large fleet for
 * each kind with `--nodes 10000 --farms 625`, `--kind os-disruptive` for one kind. Every invariant is asserted at every event.
 * Says each seed with which one breaks, and ends with 1 then.
 */
import { parseArgs } from 'node:util';
import { ROLLOUT_KINDS } from '../src/fleet/plan/plan.ts';
import {
  type RolloutOutcome,
  simulateLarge,
  simulateRollout,
} from './simulation/fleet/simulate-rollout.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    nodes: { type: 'string' },
    farms: { type: 'string', default: '625' },
    kind: { type: 'string', multiple: true },
  },
});

for (const name of ['seeds', 'from', 'seed', 'nodes', 'farms'] as const) {
  const value = values[name];
  if (value !== undefined && !/^[1-9][0-9]{0,8}$/.test(value)) {
    throw new Error(`--${name} has to be a number from 1 on, not "${value}"`);
  }
}
for (const kind of values.kind ?? []) {
  if (!ROLLOUT_KINDS.some((known) => known === kind)) {
    throw new Error(`--kind has to be one of ${ROLLOUT_KINDS.join(', ')}, not "${kind}"`);
  }
}

/** Seeds between two lines that say how far it is. */
const LINE = 100;
const begun = performance.now();
const totals = new Map<string, number>();
const broken: number[] = [];
let events = 0;

function count(name: string, more: number): void {
  totals.set(name, (totals.get(name) ?? 0) + more);
}

function told(all: Iterable<readonly [string, number]>): string {
  return [...all].map(([name, number]) => `${number} ${name}`).join(', ');
}

function describe(outcome: RolloutOutcome): string {
  const { kind, state, nodes, units, tookMs, counts } = outcome;
  const minutes = Math.round(tookMs / 60_000);
  const troubles = told(Object.entries(counts));
  return `${kind} on ${nodes} nodes: ${state}; units: ${told(Object.entries(units))}; ${troubles}; ${outcome.events} events in ${minutes} simulated minutes`;
}

function judge(seed: number, outcome: RolloutOutcome): void {
  events += outcome.events;
  count(outcome.kind, 1);
  count(outcome.state, 1);
  for (const [name, number] of Object.entries(outcome.counts)) {
    count(name, number);
  }
  if (outcome.broken !== undefined) {
    process.stderr.write(`seed ${seed}: ${describe(outcome)}\nseed ${seed}: ${outcome.broken}\n`);
    process.exitCode = 1;
    broken.push(seed);
  }
}

function progress(what: string): void {
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  process.stdout.write(`${what}: ${told(totals)}; ${events} events in ${seconds} s\n`);
}

if (values.nodes !== undefined) {
  const size = { nodes: Number(values.nodes), farms: Number(values.farms) };
  const kinds = ROLLOUT_KINDS.filter((kind) => values.kind?.includes(kind) ?? true);
  for (const kind of kinds) {
    const seed = Number(values.seed ?? 1);
    const outcome = await simulateLarge(kind, { ...size, seed });
    judge(seed, outcome);
    progress(describe(outcome));
  }
} else {
  const first = Number(values.seed ?? values.from);
  const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first;
  for (let seed = first; seed <= last; seed += 1) {
    const outcome = await simulateRollout(seed);
    judge(seed, outcome);
    if (first === last) {
      progress(describe(outcome));
    } else if ((seed - first + 1) % LINE === 0 || seed === last) {
      progress(`seeds ${first} to ${seed}`);
    }
  }
  if (broken.length > 0) {
    process.stderr.write(`broken: ${broken.join(' ')}\n`);
  }
}
