import type { AttemptHistoryRow, JobRow, RequestRow } from '../database/tables.ts';
import type { BuildFailure } from '../gentoo/build-failure.ts';
import { isCpv, parseCpv } from '../gentoo/cpv.ts';
import { findAttempt } from './attempt-store.ts';
import type { Deed } from './builds-context.ts';
import type { EndOfLog } from './end-of-log.ts';
import { insertHistory } from './history-store.ts';
import { packageSize } from './request-store.ts';

/** Writes down what came of an attempt that has just ended, for as long as history is kept. */
export async function keepHistory(
  { queries, now }: Pick<Deed, 'queries' | 'now'>,
  held: { readonly job: JobRow; readonly request: RequestRow; readonly log: EndOfLog },
  outcome: string,
): Promise<void> {
  const { job, request, log } = held;
  const attempt = await findAttempt(queries, job.id, job.attempt);
  const hasBuilt = outcome === 'succeeded' && job.package_id !== null;
  await insertHistory(queries, {
    job_id: job.id,
    attempt: job.attempt,
    request_id: job.request_id,
    profile: request.profile,
    kind: job.kind,
    name: job.name,
    package: packageOf(job.name),
    executor: job.executor,
    agent: job.agent ?? '',
    started_at: attempt?.started_at ?? now,
    finished_at: now,
    outcome,
    log_bytes: log.bytes,
    package_bytes: hasBuilt ? await packageSize(queries, job.package_id ?? '') : null,
    ...failureColumns(log.failure),
  });
}

function failureColumns(
  failure: BuildFailure | undefined,
): Pick<AttemptHistoryRow, 'failed_phase' | 'error_text' | 'error_line' | 'error_offset'> {
  return failure === undefined
    ? { failed_phase: null, error_text: null, error_line: null, error_offset: null }
    : {
        failed_phase: failure.phase,
        error_text: failure.text,
        error_line: failure.line,
        error_offset: failure.offset,
      };
}

/** `category/pn` of a CPV; any other name as it is. */
export function packageOf(name: string): string {
  if (!isCpv(name)) {
    return name;
  }
  const { category, pn } = parseCpv(name);
  return `${category}/${pn}`;
}
