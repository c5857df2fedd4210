import { createHash } from 'node:crypto';
import { canonicalWriter } from '../../support/canonical-json.ts';
import type { RolloutPlan } from './plan.ts';

/** Units between two breaths of `planIdInPieces`. */
const UNITS_AT_ONCE = 200;

/** SHA-256, lowercase hex, of the plan's canonical JSON without its id: keys sorted, no spaces, UTF-8. */
export function planIdOf(plan: Omit<RolloutPlan, 'id'> | RolloutPlan): string {
  const hash = createHash('sha256');
  for (const text of piecesOf(plan)) {
    hash.update(text);
  }
  return hash.digest('hex');
}

/** The same, with a breath now and then: a plan for thousands of nodes takes half a second. */
export async function planIdInPieces(
  plan: RolloutPlan,
  breathe: () => Promise<unknown>,
): Promise<string> {
  const hash = createHash('sha256');
  let pieces = 0;
  for (const text of piecesOf(plan)) {
    hash.update(text);
    pieces += 1;
    if (pieces % UNITS_AT_ONCE === 0) {
      await breathe();
    }
  }
  return hash.digest('hex');
}

/** The stages are most of it, megabytes for thousands of nodes: unit by unit. */
function* piecesOf(plan: Omit<RolloutPlan, 'id'> | RolloutPlan): Generator<string> {
  const json = canonicalWriter();
  const { stages, ...others } = plan;
  const head = Object.entries({ ...others, stages: [] })
    .filter(([key]) => key !== 'id')
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  for (const [index, [key, value]] of head.entries()) {
    yield `${index === 0 ? '{' : ','}"${key}":`;
    if (key === 'stages') {
      yield* piecesOfStages(stages, json);
    } else {
      yield json(value);
    }
  }
  yield '}';
}

function* piecesOfStages(
  stages: RolloutPlan['stages'],
  json: (value: unknown) => string,
): Generator<string> {
  yield '[';
  for (const [index, { units, ...stage }] of stages.entries()) {
    // `units` is the last of the keys of a stage.
    yield `${index === 0 ? '' : ','}${json(stage).slice(0, -1)},"units":[`;
    for (const [number, unit] of units.entries()) {
      yield `${number === 0 ? '' : ','}${json(unit)}`;
    }
    yield ']}';
  }
  yield ']';
}
