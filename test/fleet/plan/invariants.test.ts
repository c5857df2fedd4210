import { describe, expect, it } from '@jest/globals';
import { INVARIANTS, violations } from '../../../src/fleet/plan/invariants.ts';
import { type FleetMoment, nextCache } from '../../../src/fleet/plan/moment.ts';
import type { Stage } from '../../../src/fleet/plan/plan.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';
import { emptyPlan, farmMoment, fleetMoment, rolloutMoment } from './moments.ts';

const DARK = { blue: { admin: 'maint' }, green: { admin: 'maint' } } as const;
const OUT = { isServing: false, admin: 'maint', outBy: 'r' } as const;
const DEAD = { isServing: false } as const;
const STAGE: Stage = {
  id: 'canary',
  type: 'canary',
  title: '',
  units: [{ id: 'canary/web1-1', site: 'berlin', farm: 'web1', nodes: ['web1-1'], steps: [] }],
  soakSeconds: 0,
};
const failed = (unit: string, farm: string, isCanary = false) => ({
  unit,
  farm,
  profile: 'zen3',
  isCanary,
});
const begun = { rollout: emptyPlan().id, unit: 'u', site: 'berlin', isInWindow: true };
const LENIENT = emptyPlan({
  policy: { ...DEFAULT_POLICY, budget: { perFarm: 1, perProfile: 1, total: 1 } },
});
const allOut = { 0: OUT, 1: OUT, 2: OUT, 3: OUT };

/** A moment that breaks exactly this invariant, beside one like it that is all right. */
const CASES: readonly [id: string, what: string, bad: FleetMoment, good: FleetMoment][] = [
  [
    'I1',
    'two members out',
    fleetMoment({}, [farmMoment('web1', {}, { 0: OUT, 1: OUT })]),
    fleetMoment({}, [farmMoment('web1', {}, { 0: OUT })]),
  ],
  [
    'I2',
    'less than the load needs',
    fleetMoment({}, [farmMoment('web1', {}, { 0: OUT })], 0.8),
    fleetMoment({}, [farmMoment('web1', {}, { 0: OUT })], 0.75),
  ],
  [
    'I2',
    'less than the farm needs',
    fleetMoment({}, [farmMoment('web1', { minServing: 4 }, { 0: OUT })]),
    fleetMoment({}, [farmMoment('web1', { minServing: 3 }, { 0: OUT })]),
  ],
  [
    'I3',
    'two farms dark',
    fleetMoment(
      {},
      [
        farmMoment('web1', { backends: DARK }, allOut),
        farmMoment('web3', { backends: DARK }, allOut),
      ],
      0.1,
    ),
    fleetMoment({}, [farmMoment('web1', { backends: DARK }, allOut)], 0.1),
  ],
  [
    'I3',
    'the rest does not bear the load',
    fleetMoment({}, [farmMoment('web1', { backends: DARK }, allOut)], 0.7),
    fleetMoment({}, [farmMoment('web1', { backends: DARK }, allOut)], 0.6),
  ],
  [
    'I4',
    'a visitor goes back',
    fleetMoment({ visits: [{ visitor: 'c', farm: 'web1', release: 'v1', seen: 'v2' }] }),
    fleetMoment({ visits: [{ visitor: 'c', farm: 'web1', release: 'v2', seen: 'v1' }] }),
  ],
  [
    'I4',
    'two releases in one backend',
    fleetMoment({}, [upgraded('web2', { blue: { admin: 'drain' }, green: { admin: 'maint' } })]),
    fleetMoment({}, [upgraded('web2', { blue: { admin: 'maint' }, green: { admin: 'ready' } })]),
  ],
  [
    'I5',
    'the cache has what another release wrote',
    fleetMoment({}, [farmMoment('web1', { cache: { writers: ['v0', 'v1'], isStale: false } })]),
    fleetMoment({}, [farmMoment('web1', { cache: { writers: ['v1'], isStale: false } })]),
  ],
  [
    'I5',
    'the cache is of before the farm was dark',
    fleetMoment({}, [farmMoment('web1', { cache: { writers: [], isStale: true } })]),
    fleetMoment({}, [farmMoment('web1', { cache: { writers: [], isStale: false } })]),
  ],
  [
    'I6',
    'three PHP trees',
    fleetMoment({}, [farmMoment('web1', {}, { 0: { tree: 'a' }, 1: { tree: 'b' } })]),
    fleetMoment({}, [
      farmMoment('web1', {}, { 0: { tree: 'a' }, 1: { tree: 'b', profile: 'zen4' } }),
    ]),
  ],
  [
    'I7',
    'no proof',
    fleetMoment({ rollouts: [rolloutMoment({ isProven: false })] }),
    fleetMoment({ rollouts: [rolloutMoment({ isProven: false, state: 'draft' })] }),
  ],
  [
    'I8',
    'the plan was changed',
    fleetMoment({ rollouts: [rolloutMoment({}, { ...emptyPlan(), remarks: ['more'] })] }),
    fleetMoment({ rollouts: [rolloutMoment({}, emptyPlan({ remarks: ['more'] }))] }),
  ],
  [
    'I8',
    'another plan was approved',
    fleetMoment({ rollouts: [rolloutMoment({ approved: ['other'] })] }),
    fleetMoment({ rollouts: [rolloutMoment({ approved: [] })] }),
  ],
  [
    'I9',
    'a step ran twice',
    fleetMoment({ ran: [{ node: 'web1-1', step: 's', times: 2 }] }),
    fleetMoment({ ran: [{ node: 'web1-1', step: 's', times: 1 }] }),
  ],
  [
    'I10',
    'two rollouts with one member',
    fleetMoment({}, [farmMoment('web1', {}, { 0: { owners: ['r', 's'] } })]),
    fleetMoment({}, [farmMoment('web1', {}, { 0: { owners: ['r'] }, 1: { owners: ['s'] } })]),
  ],
  [
    'I10',
    'two rollouts that drain members of a site',
    fleetMoment({ rollouts: [of('os-disruptive'), of('php')] }),
    fleetMoment({ rollouts: [of('os-disruptive'), of('os-online')] }),
  ],
  [
    'I11',
    'more failed in a farm than may',
    fleetMoment({ begun: [begun], rollouts: [rolloutMoment({ failed: [failed('a', 'web1')] })] }),
    fleetMoment({ begun: [begun], rollouts: [rolloutMoment({ failed: [] })] }),
  ],
  [
    'I11',
    'a canary failed',
    fleetMoment({ begun: [{ ...begun, rollout: LENIENT.id }], rollouts: [lenient(true)] }),
    fleetMoment({ begun: [{ ...begun, rollout: LENIENT.id }], rollouts: [lenient(false)] }),
  ],
  [
    'I12',
    'a node in limbo',
    fleetMoment({ rollouts: [ended('aborted')] }, [farmMoment('web1', {}, { 0: OUT })]),
    fleetMoment({ rollouts: [ended('aborted')] }, [
      farmMoment('web1', {}, { 0: { ...OUT, held: 'it is broken' } }),
    ]),
  ],
  [
    'I12',
    'a success with held nodes',
    fleetMoment({ rollouts: [ended('done')] }, [farmMoment('web1', {}, { 0: { held: 'why' } })]),
    fleetMoment({ rollouts: [ended('done-with-held')] }, [
      farmMoment('web1', {}, { 0: { held: 'why' } }),
    ]),
  ],
  [
    'I13',
    'a way back while there is still a way forth',
    fleetMoment({ rollouts: [rolloutMoment(), back([])] }),
    fleetMoment({ rollouts: [rolloutMoment({ state: 'aborted' }), back([])] }),
  ],
  [
    'I13',
    'a way back with canaries',
    fleetMoment({ rollouts: [back([STAGE])] }),
    fleetMoment({ rollouts: [back([])] }),
  ],
  [
    'I14',
    'a unit outside its window',
    fleetMoment({ begun: [{ ...begun, isInWindow: false }], rollouts: [rolloutMoment()] }),
    fleetMoment({ begun: [{ ...begun, isInWindow: null }], rollouts: [rolloutMoment()] }),
  ],
  [
    'I15',
    'a soname that a tree needs is gone',
    fleetMoment({}, [farmMoment('web1', {}, { 0: { lacks: ['libssl.so.1.1'] } })]),
    fleetMoment({}, [farmMoment('web1', {}, { 0: { lacks: [] } })]),
  ],
];

function upgraded(farm: string, backends: ReturnType<typeof farmMoment>['backends']) {
  const v2 = { release: 'v2' };
  const cache = { writers: ['v2'], isStale: false };
  return farmMoment(farm, { backends, cache }, { 0: v2, 1: v2, 2: v2, 3: v2 });
}

function of(kind: 'os-disruptive' | 'os-online' | 'php') {
  return rolloutMoment({}, emptyPlan({ kind, stages: [{ ...STAGE, type: 'wave' }] }));
}

function lenient(isCanary: boolean) {
  return rolloutMoment({ failed: [failed('a', 'web1', isCanary)] }, LENIENT);
}

function ended(state: 'aborted' | 'done' | 'done-with-held') {
  return rolloutMoment({ state, touched: new Set(['web1-1']) });
}

function back(stages: readonly Stage[]) {
  return rolloutMoment({}, emptyPlan({ kind: 'os-online', reverses: emptyPlan().id, stages }));
}

function causes(now: FleetMoment, before: FleetMoment): string[] {
  return violations(now, before).map(({ invariant, cause }) => `${invariant} ${cause}`);
}

describe('the invariants', () => {
  it('hold when nothing is under way', () => {
    expect(violations(fleetMoment(), null)).toEqual([]);
  });

  it('are fifteen, with a sentence each, and each has a case here', () => {
    const ids = Array.from({ length: 15 }, (_, index) => `I${index + 1}`);
    expect(INVARIANTS.map(({ id }) => id)).toEqual(ids);
    expect(INVARIANTS.every(({ sentence }) => /^[A-Z].*\.$/.test(sentence))).toBe(true);
    expect([...new Set(CASES.map(([id]) => id))]).toEqual(ids);
  });

  it.each(CASES)('%s is broken by %s', (id, _what, bad, good) => {
    const broken = violations(bad, null);
    expect(broken.length).toBeGreaterThan(0);
    expect([...new Set(broken.map(({ invariant }) => invariant))]).toEqual([id]);
    expect(broken.every(({ sentence, subject }) => sentence !== '' && subject !== '')).toBe(true);
    expect(violations(good, null)).toEqual([]);
  });

  it('look at what changed only', () => {
    const moment = fleetMoment({}, [farmMoment('web1', {}, { 0: OUT, 1: OUT })]);
    expect(violations(moment, moment)).toEqual([]);
    const other = { ...moment, sites: moment.sites.map((site) => ({ ...site })) };
    expect(violations(other, moment)).toEqual([]);
  });

  it('tell what a rollout did from what came by itself', () => {
    const one = fleetMoment({}, [farmMoment('web1', {}, { 0: OUT })]);
    const died = fleetMoment({}, [farmMoment('web1', {}, { 0: OUT, 1: DEAD })]);
    const taken = fleetMoment({}, [farmMoment('web1', {}, { 0: DEAD, 1: OUT })]);
    expect(causes(died, one)).toEqual(['I1 event']);
    expect(causes(taken, fleetMoment({}, [farmMoment('web1', {}, { 0: DEAD })]))).toEqual([
      'I1 rollout',
    ]);
    const dark = fleetMoment({}, [farmMoment('web1', { backends: DARK }, { 0: OUT, 1: OUT })]);
    expect(causes(fleetMoment({}, [farmMoment('web1', {}, { 0: OUT, 1: OUT })]), dark)).toEqual([
      'I1 rollout',
    ]);
  });
});

describe('the cache of a farm', () => {
  const stopped = { isWebRunning: false, isServing: false };
  const started = { isServing: false, release: 'v2' };
  const none = { 0: stopped, 1: stopped, 2: stopped, 3: stopped };
  const v2 = { 0: started, 1: started, 2: started, 3: started };

  it('is clean after a flush while nothing runs, and not while something does', () => {
    const dark = farmMoment('web1', { backends: DARK });
    const goes = { ...dark, cache: nextCache(farmMoment('web1'), dark, false) };
    expect(goes.cache).toEqual({ writers: ['v1'], isStale: true });
    expect(nextCache(goes, goes, true)).toEqual({ writers: ['v1'], isStale: false });
    const still = farmMoment('web1', { backends: DARK, cache: goes.cache }, none);
    const flushed = { ...still, cache: nextCache(still, still, true) };
    expect(flushed.cache).toEqual({ writers: [], isStale: false });
    const next = farmMoment('web1', { backends: DARK, cache: flushed.cache }, v2);
    expect(nextCache(flushed, next, false)).toEqual({ writers: ['v2'], isStale: false });
  });

  it('keeps what was written before when it is not flushed', () => {
    const before = farmMoment('web1', { backends: DARK }, none);
    const next = farmMoment('web1', { backends: DARK }, v2);
    expect(nextCache(before, next, false)).toEqual({ writers: ['v1', 'v2'], isStale: false });
  });
});
