import { describe, expect, it } from '@jest/globals';
import { makePlan } from '../../../src/fleet/plan/make-plan.ts';
import type { Backend } from '../../../src/fleet/plan/plan.ts';
import type { PlanInput } from '../../../src/fleet/plan/plan-input.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';
import { type FleetShape, inputOf, observedOf, planOf, problemsOf } from './topology.ts';

const farm = (size: number) => ({
  members: Array.from({ length: size }, (_, index) => ({ index: index + 1 })),
});
const TWO: FleetShape = { sites: [[farm(3), farm(3)]] };

function observed(input: PlanInput, node: string, change: object): PlanInput {
  const before = input.observed.get(node);
  if (before === undefined) {
    throw new Error(`there is no ${node}`);
  }
  return { ...input, observed: new Map(input.observed).set(node, { ...before, ...change }) };
}

function without(input: PlanInput, node: string): PlanInput {
  return { ...input, observed: new Map([...input.observed].filter(([name]) => name !== node)) };
}

const os = inputOf('os-disruptive', TWO);
const php = inputOf('php', TWO);
const app = inputOf('app', TWO);
const noReleases = { ...observedOf(memberOf(app), []), system: null };

function memberOf(input: PlanInput) {
  const member = input.inventory.sites[0]?.farms[0]?.members[0];
  if (member === undefined) {
    throw new Error('there is no member');
  }
  return member;
}

/** When a rollout has changed the first node. */
function changedAt(at: number): NonNullable<PlanInput['changed']> {
  return new Map([['s1f1-1', { rollout: 'a'.repeat(64), at }]]);
}

/** What the configuration of the balancer says. */
function configured(live: Backend): Pick<PlanInput, 'configured'> {
  return { configured: new Map([['s1', new Map([['lb1', { live, generation: '1' }]])]]) };
}

function withEffect(effect: 'blocked' | 'disruptive' | 'none', kind: PlanInput['kind']): PlanInput {
  return inputOf(kind, { ...TWO, effect });
}

const CASES: readonly [string, PlanInput][] = [
  ['scope-unknown web9', { ...os, scope: { sites: [], farms: ['web9'], nodes: [] } }],
  ['scope-not-farms scope', { ...app, scope: { sites: [], farms: [], nodes: ['s1f1-1'] } }],
  ['node-unobserved s1f1-1', without(os, 's1f1-1')],
  ['observation-stale s1f1-1', observed(os, 's1f1-1', { reportedAt: 0 })],
  ['observation-outdated s1f1-1', { ...os, changed: changedAt(os.now) }],
  ['profile-differs s1f1-1', observed(os, 's1f1-1', { profile: 'zen5' })],
  ['impact-outdated s1f1-1', observed(os, 's1f1-1', { installedDigest: 'x'.repeat(64) })],
  [
    'impact-unknown s1f1-1',
    { ...os, impacts: os.impacts.map((one) => ({ ...one, nodes: one.nodes.slice(1) })) },
  ],
  ['publication-missing zen3', { ...os, artefacts: { ...os.artefacts, publications: [] } }],
  ['package-blocked dev-libs/openssl', withEffect('blocked', 'os-disruptive')],
  ['effect-too-strong dev-libs/openssl', withEffect('disruptive', 'os-online')],
  ['tree-missing zen3', { ...php, artefacts: app.artefacts }],
  [
    'php-mixed s1f1',
    observed(observed(php, 's1f1-1', { php: { active: 'a', resident: [] } }), 's1f1-2', {
      php: { active: 'b', resident: [] },
    }),
  ],
  ['release-missing release', { ...app, artefacts: os.artefacts }],
  ['report-too-old s1f1-1', { ...app, observed: new Map(app.observed).set('s1f1-1', noReleases) }],
  ['node-held s1f1-1', { ...app, held: new Map([['s1f1-1', 'it is broken']]) }],
  ['live-unknown s1', { ...app, live: new Map() }],
  ['balancer-outdated lb1', { ...app, live: new Map([['s1', 'green']]), ...configured('blue') }],
  ['farm-alone s1', inputOf('app', { sites: [[farm(3)]] })],
  ['capacity s1', inputOf('app', { ...TWO, peakLoad: 0.6 })],
  ['capacity s1f1', inputOf('os-disruptive', { ...TWO, peakLoad: 0.7 })],
  ['too-few-serving s1f1', inputOf('os-disruptive', { sites: [[{ ...farm(2), minServing: 2 }]] })],
  ['policy-waves waves', { ...os, policy: { ...DEFAULT_POLICY, waves: [0.5, 0.2] } }],
  [
    'farms-weakened scope',
    {
      ...os,
      held: new Map([
        ['s1f1-1', 'x'],
        ['s1f2-1', 'y'],
      ]),
    },
  ],
];

describe('a plan that cannot be', () => {
  it.each(CASES)('is refused: %s', (problem, input) => {
    const made = makePlan(input);
    expect(problemsOf(input)).toContain(problem);
    const subject = problem.split(' ')[1] ?? '';
    const found =
      'problems' in made ? made.problems.find((one) => one.subject === subject) : undefined;
    expect(found?.sentence).toMatch(/^.{10,}\.$/s);
  });

  it('says what is in its way with the numbers, and what would fit', () => {
    const made = makePlan(inputOf('app', { ...TWO, peakLoad: 0.6 }));
    const sentence = 'problems' in made ? made.problems[0]?.sentence : '';
    expect(sentence).toContain('2.00 times its usual load');
    expect(sentence).toContain('120 % of what it bears');
    expect(sentence).toContain('a time when the load is at most 50 %');
  });

  it('names the farms, and what the balancer has against what was recorded', () => {
    const made = makePlan({ ...app, live: new Map([['s1', 'green']]), ...configured('blue') });
    expect('problems' in made ? made.problems[0]?.sentence : '').toBe(
      'The configuration of lb1 of s1 takes blue for the backend that serves (generation 1), and Rookery has s1f1, s1f2 in green: print it anew with "rookery fleet haproxy s1", and reload it.',
    );
    expect(problemsOf({ ...app, ...configured('blue') })).toEqual([]);
  });

  it('names package, node and reason when it is blocked', () => {
    const made = makePlan(withEffect('blocked', 'os-disruptive'));
    const sentence = 'problems' in made ? made.problems[0]?.sentence : '';
    expect(sentence).toContain('dev-libs/openssl-3.0.2');
    expect(sentence).toContain('libssl.so.3 is mapped by php-fpm');
  });
});

function ids(input: PlanInput): readonly string[] {
  return (
    planOf(input)
      .stages.at(-1)
      ?.units[0]?.steps.map(({ id }) => id) ?? []
  );
}

describe('a plan', () => {
  it('leaves out a farm that has as many held members as it can spare, and says so', () => {
    const plan = planOf({ ...os, held: new Map([['s1f1-2', 'its merge failed']]) });
    const farms = new Set(plan.stages.flatMap(({ units }) => units.map((unit) => unit.farm)));
    expect([...farms]).toEqual(['s1f2']);
    expect(plan.remarks.join(' ')).toContain('s1f1 is left out');
  });

  it('restarts nodes only when their packages need it', () => {
    expect(ids(os)).not.toContain('reboot');
    expect(ids(inputOf('os-disruptive', { ...TWO, effect: 'reboot' }))).toContain('reboot');
    const online = planOf(inputOf('os-online', TWO)).stages.at(-1)?.units[0]?.steps ?? [];
    expect(JSON.stringify(online)).toContain('"services":["crond","sshd"]');
    expect(online.map(({ id }) => id)).toEqual([
      'gate',
      'merge',
      'rescan',
      'restart',
      'check',
      'gate-after',
    ]);
  });

  it('of a release says beforehand how a way back looks, and a way back needs a second person', () => {
    expect(planOf(app).remarks.join('\n')).toContain('going back is an emergency');
    const back = planOf({ ...app, reverses: 'before' });
    expect(back.policy.approvals).toEqual(['start', 'second']);
    expect(back.remarks.join('\n')).toContain('a second person has to approve it');
  });

  it('of a release stops new sessions at the old farms in the command that opens the first new one', () => {
    const policy = { ...DEFAULT_POLICY, newSessions: 'upgraded-only' } as const;
    const plan = planOf(inputOf('app', { sites: [[farm(2), farm(3), farm(4)]] }, { policy }));
    const opened = plan.stages.map(
      ({ units }) => units[0]?.steps.find(({ id }) => id === 'farm-in')?.action,
    );
    expect(opened.map((action) => (action?.do === 'set-farms' ? action.changes : []))).toEqual([
      [
        { farm: 's1f1', backend: 'green', to: 'ready' },
        { farm: 's1f2', backend: 'blue', to: 'drain' },
        { farm: 's1f3', backend: 'blue', to: 'drain' },
      ],
      [{ farm: 's1f2', backend: 'green', to: 'ready' }],
      [{ farm: 's1f3', backend: 'green', to: 'ready' }],
    ]);
  });

  it('has a title for each stage', () => {
    const titles = planOf(os).stages.map(({ id, title, units }) => [id, title, units.length]);
    expect(titles).toHaveLength(5);
    expect(titles).toContainEqual(['wave-2', 'members 2', 2]);
  });
});
