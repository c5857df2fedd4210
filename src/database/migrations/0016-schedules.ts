export const name = '0016-schedules';

/** What profiles have done by themselves: docs/decisions/0023. */
export const statements: readonly string[] = [
  `create table schedules (
    profile text not null,
    name text not null,
    policy text not null,
    done_until bigint not null,
    paused_at bigint,
    paused_by text,
    primary key (profile, name)
  )`,
  `create table schedule_runs (
    profile text not null,
    name text not null,
    planned_at bigint not null,
    started_at bigint,
    finished_at bigint,
    state text not null,
    reason text,
    request_id text,
    work_json text not null,
    actor text not null,
    primary key (profile, name, planned_at)
  )`,
  "create index schedule_runs_open on schedule_runs (state) where state in ('starting', 'running')",
];
