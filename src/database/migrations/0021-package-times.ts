import type { Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

export const name = '0021-package-times';

/** As many of the newest times count: docs/decisions/0018. */
const KEPT_TIMES = 7;

/**
 * One table for what builds have taken, instead of one for the queue, one for limits and the history for the time that is
 * left: docs/decisions/0018.
 */
export const statements: readonly (string | ((transaction: Kysely<Tables>) => Promise<void>))[] = [
  `create table package_times (
    profile text not null,
    package text not null,
    category text not null,
    recent_json text not null,
    typical_ms bigint,
    measured_at bigint not null,
    runs bigint not null,
    longest_ms bigint not null,
    longest_silence_ms bigint not null,
    largest_log_bytes bigint not null,
    largest_disk_bytes bigint not null,
    primary key (profile, package)
  )`,
  'create index package_times_by_package on package_times (package)',
  'create index package_times_by_category on package_times (category, measured_at)',
  'create index package_times_by_time on package_times (measured_at)',
  `insert into package_times
    select build_times.profile, build_times.package, category, recent_json, typical_ms, measured_at,
      coalesce(runs, 0), coalesce(longest_ms, 0), coalesce(longest_silence_ms, 0),
      coalesce(largest_log_bytes, 0), coalesce(largest_disk_bytes, 0)
    from build_times
    left join measured_runs
      on measured_runs.profile = build_times.profile and measured_runs.package = build_times.package`,
  `insert into package_times
    select profile, package, '', '[]', null, 0, runs, longest_ms, longest_silence_ms, largest_log_bytes,
      largest_disk_bytes
    from measured_runs
    where not exists (
      select 1 from package_times
      where package_times.profile = measured_runs.profile and package_times.package = measured_runs.package
    )`,
  fromHistory,
  'drop table measured_runs',
  'drop table build_times',
];

/** Plans, and packages that were built before their times were kept, have their times in the history alone. */
async function fromHistory(queries: Kysely<Tables>): Promise<void> {
  const unknown = await queries
    .selectFrom('attempt_history')
    .leftJoin('package_times', (join) =>
      join
        .onRef('package_times.profile', '=', 'attempt_history.profile')
        .onRef('package_times.package', '=', 'attempt_history.package'),
    )
    .select(['attempt_history.profile', 'attempt_history.package', 'attempt_history.kind'])
    .distinct()
    .where('attempt_history.outcome', '=', 'succeeded')
    .where('package_times.typical_ms', 'is', null)
    .execute();
  for (const { profile, package: known, kind } of unknown) {
    const rows = await queries
      .selectFrom('attempt_history')
      .select(['started_at', 'finished_at'])
      .where('profile', '=', profile)
      .where('package', '=', known)
      .where('outcome', '=', 'succeeded')
      .orderBy('finished_at', 'desc')
      .limit(KEPT_TIMES)
      .execute();
    const recent = rows.map((row) => row.finished_at - row.started_at).toReversed();
    const sorted = recent.toSorted((one, other) => one - other);
    const times = {
      category: kind === 'plan' ? '' : (known.split('/')[0] ?? ''),
      recent_json: JSON.stringify(recent),
      typical_ms: sorted[Math.floor((sorted.length - 1) / 2)] ?? null,
      measured_at: rows[0]?.finished_at ?? 0,
    };
    await queries
      .insertInto('package_times')
      .values({
        profile,
        package: known,
        ...times,
        runs: recent.length,
        longest_ms: sorted.at(-1) ?? 0,
        longest_silence_ms: 0,
        largest_log_bytes: 0,
        largest_disk_bytes: 0,
      })
      .onConflict((conflict) => conflict.columns(['profile', 'package']).doUpdateSet(times))
      .execute();
  }
}
