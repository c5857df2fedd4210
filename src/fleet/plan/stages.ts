import { canaryCover } from './canary-cover.ts';
import type { Stage, Step, Unit } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import type { Target } from './targets.ts';
import type { Wave } from './waves.ts';

/** What a kind of rollout does: everything but the artefacts, which it was given. */
export interface Draft {
  readonly stages: readonly Stage[];
}

export type StepsOf = (target: Target) => readonly Step[];

/** One member as a unit. */
export function unitOf(
  stage: string,
  { site, farm, member }: Target,
  steps: readonly Step[],
): Unit {
  return {
    id: `${stage}/${member.node}`,
    site: site.name,
    farm: farm.name,
    nodes: [member.node],
    steps,
  };
}

/** What is done beforehand, under traffic, to the nodes that have steps for it. */
export function prefetchStage(targets: readonly Target[], stepsOf: StepsOf): readonly Stage[] {
  const units = targets.flatMap((target) => {
    const steps = stepsOf(target);
    return steps.length === 0 ? [] : [unitOf('prefetch', target, steps)];
  });
  const title = 'fetch beforehand';
  return units.length === 0
    ? []
    : [{ id: 'prefetch', type: 'prefetch', title, units, soakSeconds: 0 }];
}

/** Stages of canaries, and the nodes that are left for waves. */
export function canaryStages(
  input: PlanInput,
  targets: readonly Target[],
  stepsOf: StepsOf,
): { readonly stages: readonly Stage[]; readonly rest: readonly Target[] } {
  const { hasCanary, canarySoakSeconds } = input.policy;
  const sets = hasCanary && input.reverses === null ? canaryCover(targets) : [];
  const stages = sets.map((set, index): Stage => {
    const id = index === 0 ? 'canary' : `canary-${index + 1}`;
    const title = 'one node of each profile, web server and set of PHP trees';
    const units = set.map((target) => unitOf(id, target, stepsOf(target)));
    return { id, type: 'canary', title, units, soakSeconds: canarySoakSeconds };
  });
  const canaries = new Set(sets.flat().map(({ member }) => member.node));
  return { stages, rest: targets.filter(({ member }) => !canaries.has(member.node)) };
}

export function waveStages(
  input: PlanInput,
  waves: readonly Wave[],
  stepsOf: StepsOf,
): readonly Stage[] {
  return waves.map(({ id, title, targets }) => ({
    id,
    type: 'wave',
    title,
    units: targets.map((target) => unitOf(id, target, stepsOf(target))),
    soakSeconds: input.policy.soakSeconds,
  }));
}
