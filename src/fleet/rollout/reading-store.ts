import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import type { MonitorReading } from './rollout.ts';

const readingSchema = z.custom<Omit<MonitorReading, 'at'>>(
  (value) => typeof value === 'object' && value !== null && 'invariants' in value,
);

/** What the monitor saw of a rollout when it wrote it down last; null: nothing yet. */
export async function readReading(
  queries: Queries,
  rollout: string,
): Promise<MonitorReading | null> {
  const row = await queries
    .selectFrom('rollout_readings')
    .select(['reading_json', 'at'])
    .where('rollout', '=', rollout)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { at: row.at, ...readingSchema.parse(JSON.parse(row.reading_json)) };
}

export async function putReading(
  queries: Queries,
  rollout: string,
  { at, ...reading }: MonitorReading,
): Promise<void> {
  const change = { reading_json: JSON.stringify(reading), at };
  await queries
    .insertInto('rollout_readings')
    .values({ rollout, ...change })
    .onConflict((conflict) => conflict.column('rollout').doUpdateSet(change))
    .execute();
}
