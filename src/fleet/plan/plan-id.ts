import { createHash } from 'node:crypto';
import { canonicalWriter } from '../../support/canonical-json.ts';
import type { RolloutPlan } from './plan.ts';

/** SHA-256, lowercase hex, of the plan's canonical JSON without its id: keys sorted, no spaces, UTF-8. */
export function planIdOf(plan: Omit<RolloutPlan, 'id'> | RolloutPlan): string {
  const hash = createHash('sha256');
  const json = canonicalWriter();
  const { stages, ...others } = plan;
  const head = Object.entries({ ...others, stages: [] })
    .filter(([key]) => key !== 'id')
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  for (const [index, [key, value]] of head.entries()) {
    hash.update(`${index === 0 ? '{' : ','}"${key}":`);
    // The stages are most of it, megabytes for thousands of nodes: piece by piece.
    if (key === 'stages') {
      hashStages(stages, json, (text) => hash.update(text));
    } else {
      hash.update(json(value));
    }
  }
  return hash.update('}').digest('hex');
}

function hashStages(
  stages: RolloutPlan['stages'],
  json: (value: unknown) => string,
  write: (text: string) => unknown,
): void {
  write('[');
  for (const [index, { units, ...stage }] of stages.entries()) {
    // `units` is the last of the keys of a stage.
    write(`${index === 0 ? '' : ','}${json(stage).slice(0, -1)},"units":[`);
    for (const [number, unit] of units.entries()) {
      write(`${number === 0 ? '' : ','}${json(unit)}`);
    }
    write(']}');
  }
  write(']');
}
