export const name = '0021-joined-jobs';

/** One build for several requests: docs/decisions/0028. */
export const statements: readonly string[] = [
  'alter table jobs add column joined_job_id text',
  'create index jobs_by_inputs on jobs (inputs, name) where inputs is not null',
  'create index jobs_by_joined on jobs (joined_job_id) where joined_job_id is not null',
];
