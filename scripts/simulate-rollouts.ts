/**
 * Has the engine carry out rollouts on simulated fleets whose nodes fail, die and answer late, whose balancers forget, and whose
 * controller is killed: see `--help`.
 */
import { optionsOf } from './command-line.ts';
import {
  type RolloutOutcome,
  simulateLarge,
  simulateRollout,
} from './simulation/fleet/simulate-rollout.ts';
import { simulateRolloutsTool } from './tools.ts';

const { large, small } = optionsOf(simulateRolloutsTool());

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

if (large !== undefined) {
  const { kinds, ...size } = large;
  for (const kind of kinds) {
    const outcome = await simulateLarge(kind, size);
    judge(size.seed, outcome);
    progress(describe(outcome));
  }
}
if (small !== undefined) {
  const { first, last } = small;
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
