import type { Inventory } from '../../../src/fleet/inventory/inventory.ts';
import type { PublicationRef } from '../../../src/fleet/plan/artefact.ts';
import type {
  Action,
  NodeCommand,
  RolloutPlan,
  Stage,
  Step,
  Unit,
} from '../../../src/fleet/plan/plan.ts';
import { planIdOf } from '../../../src/fleet/plan/plan-id.ts';
import {
  DEFAULT_POLICY,
  type GateName,
  type RolloutPolicy,
} from '../../../src/fleet/plan/policy.ts';

const NEW: PublicationRef = {
  profile: 'zen3',
  channel: 'stable',
  serial: 2,
  digest: 'a'.repeat(64),
  path: '/binhost/zen3/.publications/stable-2',
};
const OLD: PublicationRef = { ...NEW, serial: 1, path: '/binhost/zen3/.publications/stable-1' };

function step(
  id: string,
  action: Action,
  timeoutSeconds: number,
  undo: readonly Action[] = [],
): Step {
  return { id, action, timeoutSeconds, undo };
}

/** What a member goes through that is taken out: the steps of an upgrade with a restart. */
export function memberSteps(node: string): readonly Step[] {
  const nodes = [node];
  const on = (run: NodeCommand): Action => ({ do: 'node', nodes, run });
  const set = (to: 'ready' | 'drain' | 'maint'): Action => ({ do: 'set-members', nodes, to });
  const idle: Action = { do: 'await-idle', nodes, farm: null };
  const serving: Action = { do: 'await-serving', nodes, farm: null };
  return [
    step('drain', set('drain'), 60, [set('ready'), serving]),
    step('idle', idle, 60),
    step('maint', set('maint'), 60),
    step('stop', on({ name: 'stop-web' }), 60, [on({ name: 'start-web' })]),
    step('merge', on({ name: 'merge', publication: NEW }), 3600, [
      on({ name: 'merge', publication: OLD }),
    ]),
    step('reboot', on({ name: 'reboot' }), 900),
    step('start', on({ name: 'start-web' }), 60),
    step('check', on({ name: 'check', tree: null, release: null, publication: NEW }), 60),
    step('ready', set('ready'), 60, [set('drain'), idle, set('maint')]),
    step('serving', serving, 180),
  ];
}

/** One member of each farm after the other, the first ones as a canary if the policy wants one. */
export function memberPlan(
  inventory: Inventory,
  changes: Partial<RolloutPolicy> = {},
  inventoryDigest = 'inventory',
): RolloutPlan {
  const policy: RolloutPolicy = {
    ...DEFAULT_POLICY,
    hasCanary: false,
    approvals: [],
    gates: [],
    soakSeconds: 10,
    canarySoakSeconds: 30,
    ...changes,
  };
  const members = inventory.sites.flatMap((site) =>
    site.farms.flatMap((farm) => farm.members.map((member) => ({ site: site.name, member }))),
  );
  const unit = (stage: string, { site, member }: (typeof members)[number]): Unit => ({
    id: `${stage}/${member.node}`,
    site,
    farm: member.farm,
    nodes: [member.node],
    steps: memberSteps(member.node),
  });
  const canary = policy.hasCanary ? members.slice(0, 1) : [];
  const indexes = [...new Set(members.map(({ member }) => member.index))];
  const stages: Stage[] = [
    ...(canary.length > 0
      ? [
          {
            id: 'canary',
            type: 'canary' as const,
            title: 'Canary',
            units: canary.map((one) => unit('canary', one)),
            soakSeconds: policy.canarySoakSeconds,
          },
        ]
      : []),
    ...indexes.map(
      (index): Stage => ({
        id: `wave-${index}`,
        type: 'wave',
        title: `Members ${index}`,
        units: members
          .filter((one) => one.member.index === index && !canary.includes(one))
          .map((one) => unit(`wave-${index}`, one)),
        soakSeconds: policy.soakSeconds,
      }),
    ),
  ];
  return finished({ kind: 'os-disruptive', policy, stages, inventory: inventoryDigest });
}

function onlineSteps(nodes: readonly string[]): readonly Step[] {
  return [
    step('merge', { do: 'node', nodes, run: { name: 'merge', publication: NEW } }, 3600),
    step('rescan', { do: 'node', nodes, run: { name: 'rescan' } }, 60),
  ];
}

/** What members go through that stay in their balancers. */
export function onlinePlan(
  inventory: Inventory,
  changes: Partial<RolloutPolicy> = {},
): RolloutPlan {
  const { policy, stages, inventory: digest } = memberPlan(inventory, changes);
  return finished({
    kind: 'os-online',
    policy,
    inventory: digest,
    stages: stages.map((stage) => ({
      ...stage,
      units: stage.units.map((unit) => ({ ...unit, steps: onlineSteps(unit.nodes) })),
    })),
  });
}

function withoutId(plan: RolloutPlan): Omit<RolloutPlan, 'id'> {
  const { id: _id, ...rest } = plan;
  return rest;
}

/** The same, after something was fetched to every node. */
export function withPrefetch(whole: RolloutPlan): RolloutPlan {
  const { stages, ...plan } = withoutId(whole);
  const units = stages.flatMap((stage) => stage.units);
  const prefetch: Stage = {
    id: 'prefetch',
    type: 'prefetch',
    title: 'Fetch',
    soakSeconds: 0,
    units: units.map((unit) => {
      const run: NodeCommand = { name: 'prefetch', publication: NEW };
      const fetch = step('prefetch', { do: 'node', nodes: unit.nodes, run }, 3600);
      return { ...unit, id: `prefetch/${unit.nodes.join()}`, steps: [fetch] };
    }),
  };
  return finished({ ...plan, stages: [prefetch, ...stages] });
}

/** The same, with a gate before or after the other steps of each unit. */
export function withGate(
  whole: RolloutPlan,
  gate: GateName,
  place: 'before' | 'after' = 'before',
): RolloutPlan {
  const { stages, ...plan } = withoutId(whole);
  return finished({
    ...plan,
    stages: stages.map((stage) => ({
      ...stage,
      units: stage.units.map((unit) => {
        const own = step('gate', { do: 'gate', gates: [gate], nodes: unit.nodes }, 300);
        return {
          ...unit,
          steps: place === 'before' ? [own, ...unit.steps] : [...unit.steps, own],
        };
      }),
    })),
  });
}

/** An inventory of these farms alone: what a plan of a part of the fleet is made of. */
export function onlyFarms({ sites }: Inventory, ...names: readonly string[]): Inventory {
  return {
    sites: sites.map((site) => ({
      ...site,
      farms: site.farms.filter(({ name }) => names.includes(name)),
    })),
  };
}

function finished(
  part: Pick<RolloutPlan, 'kind' | 'policy' | 'stages' | 'inventory'>,
): RolloutPlan {
  const plan = {
    format: 1 as const,
    artefacts: { publications: [NEW], trees: [], release: null },
    impact: [],
    reverses: null,
    remarks: [],
    ...part,
  };
  return { ...plan, id: planIdOf(plan) };
}
