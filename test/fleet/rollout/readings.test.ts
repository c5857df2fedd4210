import { describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { BalancerReading } from '../../../src/fleet/drivers/ports.ts';
import { Readings } from '../../../src/fleet/rollout/readings.ts';

const { sites } = madeInventory({ sites: 1, farms: 1, members: 3, balancers: 1 });
const NODES = ['s1f1-1', 's1f1-2', 's1f1-3'] as const;

function reading(up: readonly string[], order: readonly string[] = NODES): BalancerReading {
  return {
    incarnation: '1',
    servers: order.map((node) => ({
      server: { kind: 'member', node },
      to: 'ready',
      isUp: up.includes(node),
      inFlight: 0,
    })),
  };
}

/** What is said of the three members in each of these answers, one after the other. */
async function statesIn(...answers: readonly BalancerReading[]): Promise<readonly string[]> {
  let said = reading([]);
  const driver = { read: async () => said, set: async () => undefined };
  const readings = new Readings(driver, { now: () => 0 });
  const states: string[] = [];
  for (const answer of answers) {
    said = answer;
    for (const site of sites) {
      const found = await readings.of(site);
      states.push(NODES.map((node) => found.member(node)).join(' '));
    }
  }
  return states;
}

describe('what balancers say', () => {
  it('is found whichever order they say it in', async () => {
    const [one, two, three] = NODES;
    const states = await statesIn(
      reading([one, two]),
      reading([one, two], [three, two, one]),
      reading([three], [two, one, three]),
    );
    expect(states).toEqual(['serving serving out', 'serving serving out', 'out out serving']);
  });

  it('has no member that is not there any more, until it is there again', async () => {
    const [one, two, three] = NODES;
    const states = await statesIn(
      reading(NODES),
      reading(NODES, [one, three]),
      reading(NODES, [three, one, two]),
    );
    expect(states).toEqual([
      'serving serving serving',
      'serving out serving',
      'serving serving serving',
    ]);
  });
});
