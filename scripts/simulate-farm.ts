/**
 * Runs the rules of the build room against thousands of simulated agents that vanish, lie, come back late and have
 * wrong clocks: `node --import tsx scripts/simulate-farm.ts --jobs 100000 --agents 5000 --seed 1`. Fails at the first
 * breach of what must hold; the seed repeats it.
 */
import { parseArgs } from 'node:util';
import { madeWorld } from './simulation/made-world.ts';
import { Simulation } from './simulation/simulate.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100000' },
    agents: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
  },
});
for (let run = 0; run < Number(values.runs); run += 1) {
  const seed = Number(values.seed) + run;
  const begun = performance.now();
  const { farm, world } = madeWorld(
    { jobs: Number(values.jobs), agents: Number(values.agents), seed },
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
    `seed ${seed}: ${values.jobs} jobs, ${values.agents} agents: ${states}; ${outcome.leases} leases, ${outcome.stale} late results turned away, ${outcome.refused} lies refused; ${Math.round(outcome.tookMs / 60_000)} simulated minutes and ${outcome.events} events in ${seconds} s\n`,
  );
}
