import { describe, expect, it } from '@jest/globals';
import { simulateRollout } from '../../../scripts/simulation/fleet/simulate-rollout.ts';

/** More of them: `node --import tsx scripts/simulate-rollouts.ts`. */
const SEEDS = [1, 3, 4, 5, 6];

describe('rollouts in a simulated world of troubles', () => {
  it.each(SEEDS)(
    'break no invariant at any event, and end with all nodes serving or held (seed %s)',
    async (seed) => {
      const { broken, events } = await simulateRollout(seed);
      expect(broken).toBeUndefined();
      expect(events).toBeGreaterThan(50);
    },
    60_000,
  );
});
