import type { AttemptRow } from '../database/tables.ts';
import { buildLimitsSchema, describeBreach } from '../gentoo/build-limits.ts';
import { runningAttempts } from './attempt-store.ts';
import type { BuildsContext } from './builds-context.ts';
import { findJobRow } from './job-store.ts';
import { endAttempt } from './lease-job.ts';

/** A build that waits for its build root counts as running for the server, and not for its agent. */
const RUN_FACTOR = 2;

/**
 * Why an attempt is to be ended by the server: it has broken a limit long enough ago that its agent should have ended
 * it. Undefined when it has not.
 */
export function overdueReason(
  attempt: AttemptRow,
  at: { readonly now: number; readonly startedAt: number; readonly graceMs: number },
): string | undefined {
  if (attempt.limits_json === null) {
    return undefined;
  }
  const { silenceMs, runMs } = buildLimitsSchema.parse(JSON.parse(attempt.limits_json));
  const run = at.now - attempt.started_at;
  const lastWord = Math.max(attempt.started_at, attempt.log_at ?? 0, at.startedAt);
  const silence = at.now - lastWord;
  const breach =
    run > runMs * RUN_FACTOR + at.graceMs
      ? describeBreach('runMs', { measured: run, allowed: runMs })
      : silence > silenceMs + at.graceMs
        ? describeBreach('silenceMs', { measured: silence, allowed: silenceMs })
        : undefined;
  return breach === undefined
    ? undefined
    : `${breach} The agent ${attempt.agent} did not end it, so the server has.`;
}

/** Ends what agents should have ended. `startedAt` is when this service began to hear them. */
export async function endOverdue(context: BuildsContext, startedAt: number): Promise<void> {
  const now = context.clock.now();
  const graceMs = context.settings.leaseMs;
  for (const attempt of context.jumps.isUnsettled()
    ? []
    : await runningAttempts(context.database)) {
    const reason = overdueReason(attempt, { now, startedAt, graceMs });
    const job =
      reason === undefined ? undefined : await findJobRow(context.database, attempt.job_id);
    if (reason !== undefined && job?.state === 'leased' && job.attempt === attempt.attempt) {
      context.log.warn({ jobId: job.id, attempt: job.attempt, agent: job.agent }, reason);
      await endAttempt(context, job, { kind: 'overdue', reason, code: 'limit-exceeded' });
    }
  }
}
