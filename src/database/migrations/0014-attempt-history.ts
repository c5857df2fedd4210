import type { Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** PMS 3.2: a version begins with a digit after the last hyphen before the revision. */
const VERSION = /-\d[\w.]*(?:-r\d+)?$/;

export const name = '0014-attempt-history';

/** What stays of an attempt when its request, log and package are gone: docs/decisions/0021. */
export const statements: readonly (string | ((transaction: Kysely<Tables>) => Promise<void>))[] = [
  `create table attempt_history (
    job_id text not null,
    attempt bigint not null,
    request_id text not null,
    profile text not null,
    kind text not null,
    name text not null,
    package text not null,
    executor text not null,
    agent text not null,
    started_at bigint not null,
    finished_at bigint not null,
    outcome text not null,
    log_bytes bigint,
    package_bytes bigint,
    failed_phase text,
    error_text text,
    error_line bigint,
    error_offset bigint,
    primary key (job_id, attempt)
  )`,
  'create index attempt_history_by_package on attempt_history (package, profile, finished_at)',
  'create index attempt_history_by_profile on attempt_history (profile, finished_at)',
  'create index attempt_history_by_time on attempt_history (finished_at)',
  'create index attempt_history_by_agent on attempt_history (agent, finished_at)',
  `insert into attempt_history
    select attempts.job_id, attempts.attempt, jobs.request_id, requests.profile, jobs.kind, jobs.name,
      jobs.name, jobs.executor, attempts.agent, attempts.started_at, attempts.finished_at, attempts.outcome,
      null, packages.size, null, null, null, null
    from attempts
    join jobs on jobs.id = attempts.job_id
    join requests on requests.id = jobs.request_id
    left join packages on packages.id = jobs.package_id and jobs.attempt = attempts.attempt
    where attempts.finished_at is not null and attempts.outcome is not null`,
  dropVersions,
];

/** `package` holds the CPV until here. */
async function dropVersions(transaction: Kysely<Tables>): Promise<void> {
  const rows = await transaction.selectFrom('attempt_history').select('name').distinct().execute();
  for (const { name: cpv } of rows) {
    await transaction
      .updateTable('attempt_history')
      .set({ package: cpv.replace(VERSION, '') })
      .where('name', '=', cpv)
      .execute();
  }
}
