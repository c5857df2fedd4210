import type { JobRow } from '../database/tables.ts';

/** A job as it is when it is made: nobody has touched it. */
export function newJobRow(
  job: Pick<
    JobRow,
    | 'id'
    | 'request_id'
    | 'kind'
    | 'position'
    | 'name'
    | 'executor'
    | 'spec_json'
    | 'state'
    | 'created_at'
    | 'lane'
    | 'turn'
    | 'estimate_ms'
    | 'estimate_source'
    | 'is_held'
  > &
    Partial<Pick<JobRow, 'inputs' | 'ingredients_json' | 'reason' | 'finished_at' | 'because'>>,
): JobRow {
  return {
    reason: null,
    attempt: 0,
    agent: null,
    lease_expires_at: null,
    started_at: null,
    finished_at: null,
    package_id: null,
    collected_package_id: null,
    not_before: null,
    inputs: null,
    ingredients_json: null,
    full_inputs: null,
    joined_job_id: null,
    because: null,
    ...job,
  };
}
