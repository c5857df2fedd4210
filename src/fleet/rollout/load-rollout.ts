import type { RolloutRow, RolloutStageRow, RolloutStepRow } from '../../database/tables.ts';
import { AppError } from '../../support/errors.ts';
import type { RolloutPlan, Stage } from '../plan/plan.ts';
import type { EngineContext } from './rollout-context.ts';
import {
  changeRollout,
  findRollout,
  planOf,
  stagesOf,
  toUnitState,
  unitsOf,
} from './rollout-store.ts';
import { nodesWithNote, stepsOfOpenUnits } from './step-store.ts';
import { type TouchedNodes, touchedBy, WAS_OUT } from './touched-nodes.ts';
import { effectOf } from './unit-actions.ts';
import type { UnitProgress } from './unit-journal.ts';

/** A stage as the engine has it in memory. */
export interface StageProgress {
  readonly position: number;
  readonly stage: Stage;
  /** Those that have not begun, in the order of the plan; may have others that have. */
  waiting: readonly UnitProgress[];
  /** How many are under way. */
  underWay: number;
  readonly units: readonly UnitProgress[];
  endedAt: number | null;
  passedAt: number | null;
}

/** A rollout as its rows say that it is. */
export interface LoadedRollout {
  readonly row: RolloutRow;
  readonly plan: RolloutPlan;
  readonly stages: readonly StageProgress[];
  /** In the order of the plan. */
  readonly units: readonly UnitProgress[];
  /** What it has to account for. */
  readonly touched: TouchedNodes;
  /** What was intended in the units that are under way, by position. */
  readonly steps: ReadonlyMap<number, readonly RolloutStepRow[]>;
}

/** Takes a rollout over: whoever has carried it out until now cannot write any more. */
export async function takeOver(
  { database, transact }: Pick<EngineContext, 'database' | 'transact'>,
  id: string,
  runner: string,
): Promise<LoadedRollout> {
  await transact(async ({ queries }) => {
    await changeRollout(queries, id, { runner });
  });
  const row = await findRollout(database, id);
  if (row === undefined) {
    throw new AppError('rollout-unknown', `There is no rollout ${id}.`, { details: { id } });
  }
  const stageRows = await stagesOf(database, id);
  const unitRows = await unitsOf(database, id);
  const plan = planOf(row, stageRows, unitRows);
  const units = unitRows.map(
    ({ row: unitRow, unit }): UnitProgress => ({
      position: unitRow.position,
      stage: unitRow.stage_position,
      unit,
      effect: effectOf(unit),
      state: toUnitState(unitRow.state),
      step: unitRow.step,
      startedAt: unitRow.started_at,
      endedAt: unitRow.ended_at,
      because: unitRow.because,
    }),
  );
  const byStage = grouped(units);
  const wereOut = new Set(await nodesWithNote(database, id, WAS_OUT));
  return {
    row,
    plan,
    stages: plan.stages.map((stage, index) =>
      toStage(stage, stageRows[index], index, byStage.get(index) ?? []),
    ),
    units,
    touched: touchedBy(units, wereOut),
    steps: byUnit(await stepsOfOpenUnits(database, id)),
  };
}

function toStage(
  stage: Stage,
  row: RolloutStageRow | undefined,
  position: number,
  units: readonly UnitProgress[],
): StageProgress {
  return {
    position,
    stage,
    waiting: units.filter(({ state }) => state === 'waiting'),
    underWay: 0,
    units,
    endedAt: row?.ended_at ?? null,
    passedAt: row?.passed_at ?? null,
  };
}

function byUnit(rows: readonly RolloutStepRow[]): Map<number, RolloutStepRow[]> {
  const steps = new Map<number, RolloutStepRow[]>();
  for (const row of rows) {
    const of = steps.get(row.unit) ?? [];
    of.push(row);
    steps.set(row.unit, of);
  }
  return steps;
}

function grouped(units: readonly UnitProgress[]): Map<number, UnitProgress[]> {
  const stages = new Map<number, UnitProgress[]>();
  for (const unit of units) {
    const of = stages.get(unit.stage) ?? [];
    of.push(unit);
    stages.set(unit.stage, of);
  }
  return stages;
}
