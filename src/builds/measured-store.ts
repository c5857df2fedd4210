import type { Queries } from '../database/database.ts';
import type { MeasuredRunRow } from '../database/tables.ts';

/** What one successful build took. */
export interface MeasuredRun {
  readonly runMs: number;
  readonly silenceMs: number;
  readonly logBytes: number;
  readonly diskBytes: number;
}

export async function findMeasured(
  queries: Queries,
  profile: string,
  name: string,
): Promise<MeasuredRunRow | undefined> {
  return await queries
    .selectFrom('measured_runs')
    .selectAll()
    .where('profile', '=', profile)
    .where('package', '=', name)
    .executeTakeFirst();
}

/** Keeps the most of each. */
export async function addMeasured(
  queries: Queries,
  profile: string,
  name: string,
  run: MeasuredRun,
): Promise<void> {
  const known = await findMeasured(queries, profile, name);
  const most = {
    runs: (known?.runs ?? 0) + 1,
    longest_ms: Math.max(known?.longest_ms ?? 0, Math.round(run.runMs)),
    longest_silence_ms: Math.max(known?.longest_silence_ms ?? 0, Math.round(run.silenceMs)),
    largest_log_bytes: Math.max(known?.largest_log_bytes ?? 0, run.logBytes),
    largest_disk_bytes: Math.max(known?.largest_disk_bytes ?? 0, run.diskBytes),
  };
  await queries
    .insertInto('measured_runs')
    .values({ profile, package: name, ...most })
    .onConflict((conflict) => conflict.columns(['profile', 'package']).doUpdateSet(most))
    .execute();
}
