export const name = '0029-rollout-readings';

/**
 * What the monitor of each rollout under way saw last, so that servers which do not carry it out can tell. By the indexes
 * it finds the steps that have ended since, and what nodes have reported since.
 */
export const statements: readonly string[] = [
  `create table rollout_readings (
    rollout text primary key references rollouts (id),
    reading_json text not null,
    at bigint not null
  )`,
  'create index rollout_steps_by_end on rollout_steps (rollout, ended_at)',
  'create index node_reports_by_time on node_reports (reported_at)',
];
