import type { Findings } from './findings.ts';
import type { PlanInput } from './plan-input.ts';
import type { RolloutPolicy } from './policy.ts';

/**
 * The policy that the plan pins. Only where members go out one by one may farms go on by themselves; a way back has no canaries; and
 * what takes a release back needs a second person.
 */
export function settledPolicy({ kind, policy, reverses }: PlanInput): RolloutPolicy {
  const byIndex = kind === 'os-disruptive' || (kind === 'php' && policy.phpDrain);
  const isBack = reverses !== null;
  const approvals =
    isBack && kind === 'app'
      ? new Set([...policy.approvals, 'start', 'second'] as const)
      : policy.approvals;
  return {
    ...policy,
    barrier: byIndex ? policy.barrier : 'strict',
    hasCanary: policy.hasCanary && !isBack,
    approvals: [...approvals],
  };
}

export function requirePolicy(policy: RolloutPolicy, findings: Findings): void {
  const { waves, limits, budget } = policy;
  const isGrowing = waves.every((part, index) => part > (waves[index - 1] ?? 0) && part <= 1);
  if (!isGrowing || waves.at(-1) !== 1) {
    const sentence = `Waves are parts of the fleet above 0 that grow, and the last is 1; these are ${waves.join(', ')}.`;
    findings.problem('policy-waves', 'waves', sentence);
  }
  for (const [name, limit] of Object.entries(limits)) {
    if (limit !== null && !(Number.isInteger(limit) && limit >= 1)) {
      const sentence = `The limit ${name} is ${limit}; it is a whole number from 1, or none.`;
      findings.problem('policy-limit', name, sentence);
    }
  }
  for (const [name, count] of Object.entries(budget)) {
    if (!(Number.isInteger(count) && count >= 0)) {
      const sentence = `The budget ${name} is ${count}; it is a whole number from 0.`;
      findings.problem('policy-budget', name, sentence);
    }
  }
  requireSeconds(policy, findings);
}

function requireSeconds(policy: RolloutPolicy, findings: Findings): void {
  const seconds = {
    canarySoakSeconds: policy.canarySoakSeconds,
    soakSeconds: policy.soakSeconds,
    drainSeconds: policy.drainSeconds,
    rebootSeconds: policy.rebootSeconds,
    freshSeconds: policy.freshSeconds,
  };
  for (const [name, value] of Object.entries(seconds)) {
    if (!(value >= 0 && Number.isFinite(value))) {
      findings.problem('policy-seconds', name, `${name} is ${value}; it is at least 0.`);
    }
  }
}
