export const name = '0011-schedule';

/** Which job comes next, and what stands in its way: docs/decisions/0018. */
export const statements: readonly string[] = [
  `create table lanes (
    id text primary key,
    profile text not null,
    needs_json text not null,
    is_giant bigint not null
  )`,
  `create table build_times (
    profile text not null,
    package text not null,
    category text not null,
    recent_json text not null,
    typical_ms bigint not null,
    measured_at bigint not null,
    primary key (profile, package)
  )`,
  'create index build_times_by_package on build_times (package)',
  'create index build_times_by_category on build_times (category, measured_at)',
  'create index build_times_by_time on build_times (measured_at)',
  `create table profile_pauses (
    profile text primary key,
    author text not null,
    reason text not null,
    paused_at bigint not null
  )`,
  'alter table requests add column priority bigint not null default 0',
  'alter table requests add column paused_at bigint',
  'alter table requests add column paused_by text',
  'alter table requests add column pause_reason text',
  'alter table jobs add column lane text',
  'alter table jobs add column turn bigint',
  'alter table jobs add column estimate_ms bigint',
  'alter table jobs add column estimate_source text',
  'alter table jobs add column is_held bigint not null default 0',
  'create index jobs_by_turn on jobs (lane, state, is_held, turn, position)',
  'create index jobs_by_agent on jobs (agent, state)',
  'alter table agents add column disk_free_bytes bigint',
];
