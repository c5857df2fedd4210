import type { RolloutPlan, Stage } from './plan.ts';
import type { RolloutPolicy } from './policy.ts';

type Type = Pick<Stage, 'type'>;

/** `start`, `second` and names of stages: what the policy asks for and nobody has given. */
export function missingApprovals(plan: RolloutPlan, given: ReadonlySet<string>): string[] {
  const { stages, policy } = plan;
  const needed = [
    ...startApprovals(policy),
    ...stages.flatMap(({ id }, position) => (needsApproval(stages, position, policy) ? [id] : [])),
  ];
  return needed.filter((of) => !given.has(of));
}

/** What a person has to say yes to before the rollout begins. */
export function startApprovals({ approvals }: RolloutPolicy): ('start' | 'second')[] {
  return (['start', 'second'] as const).filter((of) => approvals.includes(of));
}

/** Whether a person has to let this stage begin. The first one begins with the rollout. */
export function needsApproval(
  stages: readonly Type[],
  position: number,
  { approvals }: RolloutPolicy,
): boolean {
  if (position === 0) {
    return false;
  }
  const isAfterCanary =
    isCanary(stages, position - 1) &&
    !stages.slice(position).some((_, at) => isCanary(stages, position + at));
  return approvals.includes('each-stage') || (isAfterCanary && approvals.includes('after-canary'));
}

/** Whether a stage is the first to be tried: of whole farms, the first one. */
export function isCanary(stages: readonly Type[], position: number): boolean {
  const type = stages[position]?.type;
  const isFirstFarm =
    type === 'farm' && stages.findIndex((stage) => stage.type === 'farm') === position;
  return type === 'canary' || isFirstFarm;
}
