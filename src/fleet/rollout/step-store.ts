import type { Queries } from '../../database/database.ts';
import type { RolloutStepRow } from '../../database/tables.ts';

/** Rows of one statement. */
const ROWS_AT_ONCE = 500;

/** What is to be done, before it is done. */
export async function insertSteps(
  queries: Queries,
  rows: readonly RolloutStepRow[],
): Promise<void> {
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    await queries
      .insertInto('rollout_steps')
      .values(rows.slice(start, start + ROWS_AT_ONCE))
      .execute();
  }
}

/** What became of it. */
export async function changeStep(
  queries: Queries,
  row: RolloutStepRow,
  change: Partial<Pick<RolloutStepRow, 'ended_at' | 'note' | 'outcome' | 'output'>>,
): Promise<void> {
  await queries
    .updateTable('rollout_steps')
    .set(change)
    .where('rollout', '=', row.rollout)
    .where('unit', '=', row.unit)
    .where('step', '=', row.step)
    .where('direction', '=', row.direction)
    .where('part', '=', row.part)
    .where('node', '=', row.node)
    .execute();
}

/** All that was meant to be done in units that are under way. */
export async function stepsOfOpenUnits(
  queries: Queries,
  rollout: string,
): Promise<RolloutStepRow[]> {
  return await queries
    .selectFrom('rollout_steps')
    .innerJoin('rollout_units', (join) =>
      join
        .onRef('rollout_units.rollout', '=', 'rollout_steps.rollout')
        .onRef('rollout_units.position', '=', 'rollout_steps.unit'),
    )
    .selectAll('rollout_steps')
    .where('rollout_steps.rollout', '=', rollout)
    .where('rollout_units.state', 'in', ['running', 'undoing'])
    .execute();
}

/** The nodes of a rollout that have a step with this note. */
export async function nodesWithNote(
  queries: Queries,
  rollout: string,
  note: string,
): Promise<readonly string[]> {
  const rows = await queries
    .selectFrom('rollout_steps')
    .select('node')
    .where('rollout', '=', rollout)
    .where('note', '=', note)
    .execute();
  return rows.map(({ node }) => node);
}

export async function stepsOf(
  queries: Queries,
  rollout: string,
  unit: number,
): Promise<RolloutStepRow[]> {
  return await queries
    .selectFrom('rollout_steps')
    .selectAll()
    .where('rollout', '=', rollout)
    .where('unit', '=', unit)
    .orderBy('intended_at')
    .execute();
}
