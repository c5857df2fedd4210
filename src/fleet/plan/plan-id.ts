import { createHash } from 'node:crypto';
import type { RolloutPlan } from './plan.ts';

/** SHA-256, lowercase hex, of the plan's canonical JSON without its id: keys sorted, no spaces, UTF-8. */
export function planIdOf(plan: Omit<RolloutPlan, 'id'> | RolloutPlan): string {
  const hash = createHash('sha256');
  const known = new WeakMap<object, string>();
  const { stages, ...rest } = plan;
  const head = { ...rest, stages: [] };
  const parts = Object.entries(head)
    .filter(([key]) => key !== 'id')
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  for (const [index, [key, value]] of parts.entries()) {
    hash.update(`${index === 0 ? '{' : ','}${JSON.stringify(key)}:`);
    if (key === 'stages') {
      hash.update(`[${stages.map((stage) => canonicalJson(stage, known)).join(',')}]`);
    } else {
      hash.update(canonicalJson(value, known));
    }
  }
  return hash.update('}').digest('hex');
}

/** `known`: what was written before; plans say the same of many nodes with the same objects. */
export function canonicalJson(value: unknown, known = new WeakMap<object, string>()): string {
  if (typeof value !== 'object' || value === null) {
    return JSON.stringify(value);
  }
  const before = known.get(value);
  if (before !== undefined) {
    return before;
  }
  const text = Array.isArray(value)
    ? `[${value.map((item) => canonicalJson(item, known)).join(',')}]`
    : objectJson(value, known);
  known.set(value, text);
  return text;
}

function objectJson(value: object, known: WeakMap<object, string>): string {
  const parts = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item, known)}`);
  return `{${parts.join(',')}}`;
}
