import { costsOfUnits } from '../simulation/fleet/simulate-rollout.ts';
import type { Bench } from './claims.ts';
import { median } from './measure.ts';

const FLEET = { nodes: 10_000, farms: 625 };
/** A wave has one member of every farm. */
const SAMPLES = { samples: 3, units: 300 };

/** What a unit costs the engine beside the time of its nodes, in waves of a rollout that takes members out. */
export async function carryOut(bench: Bench): Promise<void> {
  const seconds = await costsOfUnits('os-disruptive', { ...FLEET, ...SAMPLES });
  const each = median({ seconds }) * 1000;
  bench.print(
    `engine overhead per unit, os-disruptive on ${FLEET.nodes} nodes in ${FLEET.farms} farms: ${each.toFixed(1)} ms of processor time, simulation and invariants included (${SAMPLES.samples} times ${SAMPLES.units} units; target: below 50 ms)`,
  );
}
