import type { JobRow, RequestRow } from '../database/tables.ts';
import type { PortagePlan } from '../gentoo/portage-plan.ts';
import { AppError, isAppError, isPassing } from '../support/errors.ts';
import { storedPlan } from './accept-plan.ts';
import { findAttempt, markHeard } from './attempt-store.ts';
import type { LeaseKey } from './builds.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { packInBackground, readEndOfLog } from './end-of-log.ts';
import { heldJob, staleAttempt } from './fence.ts';
import { type Conclusions, followUpAll } from './finish-request.ts';
import type { AttemptEnd, ReportedOutcome } from './job.ts';
import { findLeasedJob } from './job-store.ts';
import { packageOf } from './limits.ts';
import {
  afterPlan,
  afterRefusal,
  extend,
  extensionAfter,
  type PlanStep,
  takeStep,
  toldOfPlan,
} from './next-plan.ts';
import { type MeasuredRun, PLAN, recordRun } from './package-times-store.ts';
import { findRequestRow, lockRequest } from './request-store.ts';
import { keyOf, settleAttempt } from './settle-job.ts';
import { unstageInBackground } from './staging.ts';

export interface Result {
  readonly outcome: ReportedOutcome;
  readonly code?: string;
  readonly reason?: string;
  readonly measured?: Omit<MeasuredRun, 'runMs'>;
}

const MAX_REASON = 10_000;

/**
 * Ends an attempt as its agent reports. The same report again is agreed to and changes nothing.
 *
 * Throws `stale-attempt`; `result-missing` when it says `succeeded` and has not sent the plan or the package.
 */
export async function acceptResult(
  context: BuildsContext,
  key: LeaseKey,
  result: Result,
): Promise<void> {
  const job = await findLeasedJob(context.database, key);
  if (job === undefined) {
    await agreeToRepetition(context, key, result);
    return;
  }
  const request = await findRequestRow(context.database, job.request_id);
  const { end, step } = await judge(context, { job, request }, result);
  const log = await readEndOfLog(context, key, result.outcome === 'failed');
  const extension =
    end.outcome === 'succeeded' && request !== undefined
      ? await extensionAfter(context, job, request)
      : undefined;
  const after = await transact(
    context,
    `agent:${key.agent}`,
    async (deed): Promise<Conclusions> => {
      const locked = await lockRequest(deed.queries, job.request_id);
      const held = await heldJob(deed.queries, key);
      await markHeard(deed.queries, key, deed.now);
      if (step !== undefined && locked.cancelled_by === null) {
        await takeStep(deed, locked, step);
      }
      if (extension !== undefined && locked.cancelled_by === null) {
        await extend(deed, locked, extension);
      }
      const { settings } = context;
      if (end.outcome === 'succeeded') {
        await measure(deed, { job: held, profile: locked.profile }, result);
      }
      return await settleAttempt(deed, { job: held, request: locked, settings, log }, end);
    },
  );
  unstageInBackground(context, job);
  packInBackground(context, key);
  followUpAll(context, after);
}

async function agreeToRepetition(
  context: BuildsContext,
  key: LeaseKey,
  result: Result,
): Promise<void> {
  const attempt = await findAttempt(context.database, key.jobId, key.attempt);
  if (attempt?.agent !== key.agent || attempt.outcome !== result.outcome) {
    throw staleAttempt(key);
  }
}

interface Judgement {
  readonly end: Extract<AttemptEnd, { kind: 'reported' }>;
  /** What comes of its plan. */
  readonly step?: PlanStep | undefined;
}

/** What the report comes to. A plan that cannot be used any more makes a success a failure. */
async function judge(
  context: BuildsContext,
  { job, request }: { readonly job: JobRow; readonly request: RequestRow | undefined },
  result: Result,
): Promise<Judgement> {
  const reported = { kind: 'reported', said: result.outcome } as const;
  const isPlan = job.kind === 'plan';
  const plan = isPlan && request !== undefined ? storedPlan(request, keyOf(job)) : undefined;
  if (result.outcome !== 'succeeded') {
    const { code } = result;
    return {
      end: {
        ...reported,
        outcome: result.outcome,
        reason: reasonOf(job, result),
        ...(code === undefined ? {} : { code }),
      },
    };
  }
  const hasResult = isPlan ? plan !== undefined : job.package_id !== null;
  if (!hasResult) {
    throw new AppError(
      'result-missing',
      `The job ${job.name} cannot have succeeded: its ${job.kind} has not been sent.`,
    );
  }
  if (plan === undefined || request === undefined) {
    return { end: { ...reported, outcome: 'succeeded', reason: '' } };
  }
  return await judgePlan(context, { job, request }, plan);
}

async function judgePlan(
  context: BuildsContext,
  of: { readonly job: JobRow; readonly request: RequestRow },
  plan: PortagePlan,
): Promise<Judgement> {
  const reported = { kind: 'reported', said: 'succeeded' } as const;
  try {
    const step = await afterPlan(context, of, plan);
    return { end: { ...reported, outcome: 'succeeded', reason: '' }, step };
  } catch (error) {
    if (!isAppError(error) || isPassing(error)) {
      throw error;
    }
    const { job, request } = of;
    const reason = `${toldOfPlan(job)}${error.message}`.slice(0, MAX_REASON);
    const step = error.code === 'plan-refused' ? afterRefusal(job, request) : undefined;
    return { end: { ...reported, outcome: 'failed', reason, code: error.code }, step };
  }
}

function reasonOf(job: JobRow, result: Result): string {
  const reason = result.reason ?? result.code;
  return (reason ?? `The agent ${job.agent} gave no reason.`).slice(0, MAX_REASON);
}

/** Remembers what the attempt took. */
async function measure(
  deed: Deed,
  { job, profile }: { readonly job: JobRow; readonly profile: string },
  { measured }: Result,
): Promise<void> {
  const attempt = await findAttempt(deed.queries, job.id, job.attempt);
  const name = job.kind === 'plan' ? PLAN : packageOf(job.name);
  await recordRun(
    deed.queries,
    { profile, package: name, now: deed.now },
    {
      ...(measured ?? { silenceMs: 0, logBytes: 0, diskBytes: 0 }),
      runMs: Math.max(0, deed.now - (attempt?.started_at ?? deed.now)),
    },
  );
}
