import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RolloutPlan } from '../../src/fleet/plan/plan.ts';
import { nodeStepId } from '../../src/fleet/rollout/unit-actions.ts';
import type { LabNode } from './lab-node.ts';

/** What the node itself has written down of a step; the files are those of `src/http/step-program/record.sh`. */
export interface StepRecord {
  readonly id: string;
  /** Its command with its arguments, as they came. */
  readonly words: readonly string[];
  /** Null: it has not ended. */
  readonly exitCode: number | null;
  readonly output: string;
}

/** Every step that the node has ever taken on, in the order in which it did. */
export function stepRecords(node: LabNode): StepRecord[] {
  const folder = node.php.path('var/lib/rookery/step/steps');
  if (!existsSync(folder)) {
    return [];
  }
  return readdirSync(folder)
    .map((id) => ({ id, at: statSync(join(folder, id, 'asked')).mtimeMs }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ id }) => {
      const text = (name: string): string => readFileSync(join(folder, id, name), 'utf8');
      const result = existsSync(join(folder, id, 'result')) ? text('result') : '';
      return {
        id,
        words: text('asked')
          .split('\n')
          .filter((line) => line.startsWith('='))
          .map((line) => line.slice(1)),
        exitCode: result === '' ? null : Number(result.split(' ')[0]),
        output: text('output'),
      };
    });
}

/** The ids of all steps that a plan has for a node, when nothing is taken back. */
export function stepIdsOf(plan: RolloutPlan, node: string): string[] {
  const units = plan.stages.flatMap(({ units: some }) => some);
  return units.flatMap((unit) =>
    unit.steps
      .filter(({ action }) => action.do === 'node' && action.nodes.includes(node))
      .map((step) =>
        nodeStepId(plan.id, { unit, step, direction: 'do', part: 0, action: step.action }, node),
      ),
  );
}
