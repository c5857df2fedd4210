import { setImmediate as breathe } from 'node:timers/promises';
import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import type { RolloutRow, RolloutStageRow, RolloutUnitRow } from '../../database/tables.ts';
import type { RolloutPlan, Stage, Unit } from '../plan/plan.ts';
import type { RolloutState, UnitRecord, UnitState } from './rollout.ts';
import { ROLLOUT_STATES, UNIT_STATES } from './rollout.ts';

/** Rows of one statement, and units between two breaths: parsing them may take a millisecond or two. */
const ROWS_AT_ONCE = 200;

export const ACTIVE_STATES: readonly RolloutState[] = ['running', 'paused', 'aborting'];

const headSchema = z.custom<Omit<RolloutPlan, 'stages'>>(
  (value) => typeof value === 'object' && value !== null && 'policy' in value,
);
const unitSchema = z.custom<Unit>(
  (value) => typeof value === 'object' && value !== null && 'steps' in value,
);
export const rolloutStateSchema = z.enum(ROLLOUT_STATES);
const unitStateSchema = z.enum(UNIT_STATES);

/** A rollout as it was made, with its plan in pieces, so that no statement and no text is large. */
export async function insertRollout(
  queries: Queries,
  plan: RolloutPlan,
  made: {
    readonly at: number;
    readonly by: string;
    readonly reason: string;
    readonly before: string;
  },
): Promise<void> {
  const { stages, ...head } = plan;
  const units = stages.flatMap((stage, index) => stage.units.map((unit) => ({ unit, index })));
  await queries
    .insertInto('rollouts')
    .values({
      id: plan.id,
      kind: plan.kind,
      state: 'draft',
      head_json: JSON.stringify(head),
      unit_count: units.length,
      before_json: made.before,
      created_at: made.at,
      created_by: made.by,
      reason: made.reason,
      because: null,
      stage: null,
      started_at: null,
      started_by: null,
      resumed_at: null,
      ended_at: null,
      runner: null,
      waits_json: '[]',
    })
    .execute();
  await insertStages(queries, plan);
  for (let start = 0; start < units.length; start += ROWS_AT_ONCE) {
    const rows = units.slice(start, start + ROWS_AT_ONCE).map(({ unit, index }, place) => ({
      rollout: plan.id,
      position: start + place,
      unit: unit.id,
      stage_position: index,
      unit_json: JSON.stringify(unit),
      state: 'waiting',
      step: null,
      started_at: null,
      ended_at: null,
      because: null,
    }));
    await queries.insertInto('rollout_units').values(rows).execute();
    await breathe();
  }
}

async function insertStages(queries: Queries, { id, stages }: RolloutPlan): Promise<void> {
  for (let start = 0; start < stages.length; start += ROWS_AT_ONCE) {
    const rows = stages.slice(start, start + ROWS_AT_ONCE).map((stage, index) => ({
      rollout: id,
      position: start + index,
      stage: stage.id,
      type: stage.type,
      title: stage.title,
      soak_seconds: stage.soakSeconds,
      ended_at: null,
      passed_at: null,
    }));
    await queries.insertInto('rollout_stages').values(rows).execute();
  }
}

/** The rollouts whose id begins with this: two at most, which is enough to know that it is not one. */
export async function rolloutsLike(queries: Queries, prefix: string): Promise<RolloutRow[]> {
  return await queries
    .selectFrom('rollouts')
    .selectAll()
    .where('id', '>=', prefix)
    .where('id', '<', `${prefix}g`)
    .orderBy('id')
    .limit(2)
    .execute();
}

export async function findRollout(queries: Queries, id: string): Promise<RolloutRow | undefined> {
  return await queries.selectFrom('rollouts').selectAll().where('id', '=', id).executeTakeFirst();
}

/** What changes of a rollout while it is carried out. */
export type RolloutStanding = Pick<
  RolloutRow,
  'because' | 'resumed_at' | 'runner' | 'stage' | 'state' | 'waits_json'
>;

export async function standingOf(
  queries: Queries,
  id: string,
): Promise<RolloutStanding | undefined> {
  return await queries
    .selectFrom('rollouts')
    .select(['because', 'resumed_at', 'runner', 'stage', 'state', 'waits_json'])
    .where('id', '=', id)
    .executeTakeFirst();
}

/** Who carries it out, and whether it goes on. */
export async function runnerOf(
  queries: Queries,
  id: string,
): Promise<Pick<RolloutRow, 'runner' | 'state'> | undefined> {
  return await queries
    .selectFrom('rollouts')
    .select(['runner', 'state'])
    .where('id', '=', id)
    .executeTakeFirst();
}

/** Newest first. */
export async function allRollouts(queries: Queries, limit: number): Promise<RolloutRow[]> {
  return await queries
    .selectFrom('rollouts')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Oldest first. */
export async function idsIn(
  queries: Queries,
  states: readonly RolloutState[],
): Promise<readonly string[]> {
  const rows = await queries
    .selectFrom('rollouts')
    .select('id')
    .where('state', 'in', states)
    .orderBy('created_at')
    .execute();
  return rows.map(({ id }) => id);
}

export async function changeRollout(
  queries: Queries,
  id: string,
  change: Partial<RolloutRow>,
): Promise<void> {
  await queries.updateTable('rollouts').set(change).where('id', '=', id).execute();
}

export async function stagesOf(queries: Queries, id: string): Promise<RolloutStageRow[]> {
  return await queries
    .selectFrom('rollout_stages')
    .selectAll()
    .where('rollout', '=', id)
    .orderBy('position')
    .execute();
}

/** All units in their order, read and parsed a few at a time. */
export async function unitsOf(
  queries: Queries,
  id: string,
): Promise<readonly { readonly row: RolloutUnitRow; readonly unit: Unit }[]> {
  const units: { row: RolloutUnitRow; unit: Unit }[] = [];
  for (;;) {
    const rows = await queries
      .selectFrom('rollout_units')
      .selectAll()
      .where('rollout', '=', id)
      .where('position', '>=', units.length)
      .orderBy('position')
      .limit(ROWS_AT_ONCE)
      .execute();
    for (const row of rows) {
      units.push({ row, unit: unitSchema.parse(JSON.parse(row.unit_json)) });
    }
    if (rows.length < ROWS_AT_ONCE) {
      return units;
    }
    await breathe();
  }
}

/** Where units are, without what they do. */
export async function unitStatesOf(
  queries: Queries,
  id: string,
): Promise<readonly Omit<RolloutUnitRow, 'unit_json'>[]> {
  return await queries
    .selectFrom('rollout_units')
    .select(['rollout', 'position', 'unit', 'stage_position', 'state', 'step'])
    .select(['started_at', 'ended_at', 'because'])
    .where('rollout', '=', id)
    .orderBy('position')
    .execute();
}

export async function changeUnit(
  queries: Queries,
  id: string,
  position: number,
  change: Partial<RolloutUnitRow>,
): Promise<void> {
  await queries
    .updateTable('rollout_units')
    .set(change)
    .where('rollout', '=', id)
    .where('position', '=', position)
    .execute();
}

export async function changeStage(
  queries: Queries,
  id: string,
  position: number,
  change: Partial<RolloutStageRow>,
): Promise<void> {
  await queries
    .updateTable('rollout_stages')
    .set(change)
    .where('rollout', '=', id)
    .where('position', '=', position)
    .execute();
}

/** The plan that the rows hold. */
export function planOf(
  row: RolloutRow,
  stages: readonly RolloutStageRow[],
  units: readonly { readonly row: Pick<RolloutUnitRow, 'stage_position'>; readonly unit: Unit }[],
): RolloutPlan {
  const byStage = stages.map((): Unit[] => []);
  for (const { row: place, unit } of units) {
    byStage[place.stage_position]?.push(unit);
  }
  return {
    ...headOf(row),
    stages: stages.map(
      (stage, index): Stage => ({
        id: stage.stage,
        type: z.enum(['prefetch', 'canary', 'wave', 'farm']).parse(stage.type),
        title: stage.title,
        units: byStage[index] ?? [],
        soakSeconds: stage.soak_seconds,
      }),
    ),
  };
}

export function headOf(row: Pick<RolloutRow, 'head_json'>): Omit<RolloutPlan, 'stages'> {
  return headSchema.parse(JSON.parse(row.head_json));
}

export function toUnitRecord(
  row: Omit<RolloutUnitRow, 'unit_json'>,
  stages: readonly RolloutStageRow[],
): UnitRecord {
  return {
    unit: row.unit,
    stage: stages[row.stage_position]?.stage ?? '',
    state: toUnitState(row.state),
    step: row.step,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    because: row.because,
  };
}

export function toUnitState(state: string): UnitState {
  return unitStateSchema.parse(state);
}
