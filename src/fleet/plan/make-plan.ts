import { planApp } from './app.ts';
import { sayBeforehand } from './beforehand.ts';
import { Findings } from './findings.ts';
import { planOsDisruptive } from './os-disruptive.ts';
import { planOsOnline } from './os-online.ts';
import { packagesOf } from './os-packages.ts';
import { planPhp } from './php.ts';
import type { RolloutKind, RolloutPlan, Stage } from './plan.ts';
import { planIdOf } from './plan-id.ts';
import type { PlanInput, PlanProblem } from './plan-input.ts';
import { requirePolicy, settledPolicy } from './settle-policy.ts';
import { findTargets, type Target } from './targets.ts';

type Planner = (
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
) => readonly Stage[];

const PLANNERS: Readonly<Record<RolloutKind, Planner>> = {
  'os-online': planOsOnline,
  'os-disruptive': planOsDisruptive,
  php: planPhp,
  app: planApp,
};

/** The same, planned once more after so many equal ones have come to their end. */
export function planAgain(plan: RolloutPlan, again: number): RolloutPlan {
  const next = { ...plan, again };
  return { ...next, id: planIdOf(next) };
}

/** The plan for what is asked, or everything that is in its way. The same input gives the same plan. */
export function makePlan(
  asked: PlanInput,
): { readonly plan: RolloutPlan } | { readonly problems: readonly PlanProblem[] } {
  const input = { ...asked, policy: settledPolicy(asked) };
  const findings = new Findings();
  requirePolicy(input.policy, findings);
  const targets = findTargets(input, findings);
  const stages = PLANNERS[input.kind](input, targets, findings);
  if (findings.problems.length > 0) {
    return { problems: findings.problems };
  }
  sayBeforehand(input, stages, findings);
  const isOs = input.kind === 'os-online' || input.kind === 'os-disruptive';
  const plan: Omit<RolloutPlan, 'id'> = {
    format: 1,
    kind: input.kind,
    artefacts: input.artefacts,
    inventory: input.inventoryDigest,
    policy: input.policy,
    stages,
    impact: isOs ? packagesOf(input) : [],
    reverses: input.reverses,
    remarks: findings.remarks,
  };
  return { plan: { ...plan, id: planIdOf(plan) } };
}
