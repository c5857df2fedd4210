import { simulateLarge } from '../simulation/fleet/simulate-rollout.ts';
import type { Bench } from './claims.ts';

const SIZE = { nodes: 1000, farms: 63, seed: 1 };

/** What a unit costs the engine beside the time of its nodes: all processor time of a simulated rollout, the simulation's own included. */
export async function carryOut(bench: Bench): Promise<void> {
  const before = process.cpuUsage();
  const { units, broken } = await simulateLarge('os-disruptive', SIZE);
  const { user, system } = process.cpuUsage(before);
  if (broken !== undefined) {
    throw new Error(broken);
  }
  const all = Object.values(units).reduce((sum, one) => sum + one, 0);
  const each = (user + system) / 1000 / all;
  bench.print(
    `engine overhead per unit, os-disruptive on ${SIZE.nodes} nodes, ${all} units: ${each.toFixed(1)} ms of processor time, simulation and invariants included (target: below 50 ms)`,
  );
}
