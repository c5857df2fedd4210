import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { farmsOf, membersOf } from '../../../src/fleet/inventory/inventory.ts';
import { makePlan } from '../../../src/fleet/plan/make-plan.ts';
import { ROLLOUT_KINDS, type RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import type { PlanInput } from '../../../src/fleet/plan/plan-input.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';
import { type Played, playPlan } from './play-plan.ts';
import { fleetShape, seeded } from './random-fleet.ts';
import { type FleetShape, inputOf, planOf } from './topology.ts';

const RUNS = 250;

interface Case {
  readonly input: PlanInput;
  readonly plan: RolloutPlan;
  readonly seed: number;
}

/** Small, so that a counterexample can be read. */
const aCase = fc.record({
  kind: fc.constantFrom(...ROLLOUT_KINDS),
  shape: fleetShape,
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  policy: fc.record({
    barrier: fc.constantFrom('strict' as const, 'farm' as const),
    onFailure: fc.constantFrom('undo' as const, 'undo' as const, 'hold' as const),
    newSessions: fc.constantFrom('upgraded-only' as const, 'any-with-floor' as const),
    snapshot: fc.constantFrom('none' as const, 'lvm' as const),
    phpDrain: fc.boolean(),
    hasCanary: fc.boolean(),
  }),
  isReboot: fc.boolean(),
  isBack: fc.boolean(),
  hasHeld: fc.boolean(),
});

/** Null: there is no plan for it, which has its reasons. */
function caseOf(described: typeof aCase extends fc.Arbitrary<infer T> ? T : never): Case | null {
  const { kind, shape, seed, policy } = described;
  const isRebooted = described.isReboot && kind === 'os-disruptive';
  const whole: FleetShape = isRebooted ? { ...shape, effect: 'reboot' } : shape;
  const budget = { perFarm: 1, perProfile: 20, total: 20 };
  const input = inputOf(kind, whole, {
    policy: { ...DEFAULT_POLICY, budget, ...policy },
    reverses: described.isBack ? 'the-one-before' : null,
    held: new Map(described.hasHeld && kind !== 'app' ? [[heldNode(shape), 'it is broken']] : []),
  });
  const made = makePlan(input);
  return 'plan' in made ? { input, plan: made.plan, seed } : null;
}

function heldNode({ sites }: FleetShape): string {
  return `s1f1-${sites[0]?.[0]?.members[0]?.index}`;
}

/** Whatever is said of a plan, of so many cases that have one. */
function everyPlan(runs: number, say: (one: Case) => void): void {
  let plans = 0;
  fc.assert(
    fc.property(aCase, (described) => {
      const one = caseOf(described);
      plans += one === null ? 0 : 1;
      if (one !== null) {
        say(one);
      }
    }),
    { numRuns: runs },
  );
  expect(plans).toBeGreaterThan(runs / 2);
}

function played({ plan, input, seed }: Case, failure: number, death: number): Played {
  return playPlan(plan, input, { random: seeded(seed), failure, death });
}

function unitsOf(plan: RolloutPlan) {
  return plan.stages.flatMap((stage) => stage.units.map((unit) => ({ stage, unit })));
}

describe('every plan', () => {
  it('keeps every invariant, in any order that it allows, whatever fails and dies', () => {
    everyPlan(RUNS, (one) => {
      expect(played(one, 0.05, 0.02).broken).toEqual([]);
    });
  });

  it('comes to its end, with every node of it brought to what it should be', () => {
    everyPlan(RUNS / 5, (one) => {
      const { broken, outcome, fleet } = played(one, 0, 0);
      expect(broken).toEqual([]);
      expect(outcome).toBe('done');
      const { sites } = fleet.moment([]);
      const members = sites.flatMap(({ farms }) => farms.flatMap((farm) => farm.members));
      const { release } = one.plan.artefacts;
      const wrong = members.filter(
        ({ held, isServing, release: has }) =>
          held === null && (!isServing || (release !== null && has !== release.release)),
      );
      expect(wrong).toEqual([]);
    });
  });

  it('has each node in one unit beside the prefetch, and leaves out only what is held or weak', () => {
    everyPlan(RUNS / 5, ({ plan, input }) => {
      const nodes = unitsOf(plan)
        .filter(({ stage }) => stage.type !== 'prefetch')
        .flatMap(({ unit }) => unit.nodes);
      const weak = farmsOf(input.inventory).filter(
        ({ members, maxOut }) =>
          members.filter(({ node }) => input.held.has(node)).length >= maxOut,
      );
      const free = membersOf(input.inventory).filter(
        ({ node, farm }) => !input.held.has(node) && !weak.some(({ name }) => name === farm),
      );
      expect(nodes.toSorted()).toEqual(free.map(({ node }) => node).toSorted());
      expect(new Set(unitsOf(plan).map(({ unit }) => unit.id)).size).toBe(unitsOf(plan).length);
    });
  });

  it('is the same for the same input, and has another id for another one', () => {
    everyPlan(RUNS / 25, ({ plan, input }) => {
      expect(makePlan(input)).toEqual({ plan });
      const other = makePlan({ ...input, inventoryDigest: 'another' });
      expect('plan' in other && other.plan.id).not.toBe(plan.id);
    });
  });

  it('takes each member out alone in its farm when it is drained, and few of a farm otherwise', () => {
    everyPlan(RUNS / 5, ({ plan, input }) => {
      const farms = new Map(farmsOf(input.inventory).map((farm) => [farm.name, farm]));
      for (const stage of plan.stages.filter(({ type }) => type !== 'prefetch')) {
        for (const [name, farm] of farms) {
          const units = stage.units.filter((unit) => unit.farm === name);
          const most = Math.ceil(farm.members.length / 8);
          const drained = units.filter(({ steps }) => steps.some(({ id }) => id === 'drain'));
          expect(units.length).toBeLessThanOrEqual(plan.kind === 'app' ? 1 : most);
          expect(drained.length).toBeLessThanOrEqual(
            plan.policy.phpDrain || plan.kind !== 'php' ? 1 : farm.maxOut,
          );
        }
      }
    });
  });

  it('stops Apache with PHP inside for another tree, and not for its first one', () => {
    const shape: FleetShape = {
      sites: [[{ members: [1, 2].map((index) => ({ index, webServer: 'apache-mod-php' })) }]],
    };
    const input = inputOf('php', shape);
    const observed = new Map(
      [...input.observed].map(([node, one]) => [
        node,
        node === 's1f1-2' ? { ...one, php: { ...one.php, active: null } } : one,
      ]),
    );
    const units = planOf({ ...input, observed }).stages.flatMap((stage) => stage.units);
    const inside = (node: string): string[] =>
      units
        .filter(({ nodes, id }) => nodes.includes(node) && !id.startsWith('prefetch'))
        .flatMap(({ steps }) => steps.filter(({ action }) => action.do === 'node'))
        .map(({ id }) => id);
    expect(inside('s1f1-1')).toEqual(['stop', 'activate', 'start', 'check']);
    expect(inside('s1f1-2')).toEqual(['activate', 'check']);
  });
});
