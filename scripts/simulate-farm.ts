/**
 * Runs the rules of the build room against thousands of simulated agents that vanish, lie, come back late and have
 * wrong clocks: see `--help`.
 */
import { optionsOf } from './command-line.ts';
import { madeWorld } from './simulation/made-world.ts';
import { Simulation } from './simulation/simulate.ts';
import { simulateFarmTool } from './tools.ts';

const { jobs, agents, seed: firstSeed, runs } = optionsOf(simulateFarmTool());
for (let run = 0; run < runs; run += 1) {
  const seed = firstSeed + run;
  const begun = performance.now();
  const { farm, world } = madeWorld(
    { jobs, agents, seed },
    { leaseMs: 60_000, maxAttempts: 5, retry: { initialMs: 30_000, maximumMs: 600_000 } },
  );
  const outcome = await new Simulation(farm, world).run();
  const counts = new Map<string, number>();
  for (const state of Object.values(farm.states())) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  process.stdout.write(
    `seed ${seed}: ${jobs} jobs, ${agents} agents: ${states}; ${outcome.leases} leases, ${outcome.stale} late results turned away, ${outcome.refused} lies refused; ${Math.round(outcome.tookMs / 60_000)} simulated minutes and ${outcome.events} events in ${seconds} s\n`,
  );
}
