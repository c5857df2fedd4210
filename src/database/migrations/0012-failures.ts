export const name = '0012-failures';

/** Whose fault a failure is, what follows from it, and what is known of earlier runs: docs/decisions/0019. */
export const statements: readonly string[] = [
  'alter table jobs add column not_before bigint',
  'alter table jobs add column inputs text',
  'create index jobs_by_not_before on jobs (not_before) where not_before is not null',
  'alter table attempts add column fault text',
  'alter table attempts add column code text',
  'alter table attempts add column log_at bigint',
  'alter table attempts add column limits_json text',
  'create index attempts_by_agent on attempts (agent, finished_at)',
  "alter table agents add column state text not null default 'active'",
  'alter table agents add column state_reason text',
  'alter table agents add column state_since bigint',
  'alter table agents add column trial_at bigint',
  'alter table agents add column trials bigint not null default 0',
  'alter table requests add column retry_blocked bigint not null default 0',
  `create table blocked_builds (
    profile text not null,
    cpv text not null,
    inputs text not null,
    job_id text not null,
    reason text not null,
    blocked_at bigint not null,
    primary key (profile, cpv, inputs)
  )`,
  `create table measured_runs (
    profile text not null,
    package text not null,
    runs bigint not null,
    longest_ms bigint not null,
    longest_silence_ms bigint not null,
    largest_log_bytes bigint not null,
    largest_disk_bytes bigint not null,
    primary key (profile, package)
  )`,
];
