import { AppError } from '../support/errors.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { evenOut } from './join-store.ts';
import { holdJobs, shiftTurns } from './lane-store.ts';
import { type BuildRequest, FINAL_REQUEST_STATES } from './request.ts';
import { findRequestRow, lockRequest, steerRequest, toRequest } from './request-store.ts';
import { MAX_PRIORITY, PRIORITY_STEP_MS } from './schedule-policy.ts';

/**
 * Hands out no more jobs of the request until it is resumed; those under way go on. Pausing it again changes the
 * reason. Throws `unknown-request`, `request-finished`.
 */
export async function pauseRequest(
  context: BuildsContext,
  id: string,
  pause: { readonly actor: string; readonly reason: string },
): Promise<BuildRequest> {
  return await steer(context, { id, actor: pause.actor, what: 'paused' }, async (deed) => {
    await steerRequest(deed.queries, id, {
      paused_at: deed.now,
      paused_by: pause.actor,
      pause_reason: pause.reason,
    });
    await holdJobs(deed.queries, id, true);
    return { kind: 'request-paused', data: { reason: pause.reason } };
  });
}

/** Throws `unknown-request`, `request-finished`. */
export async function resumeRequest(
  context: BuildsContext,
  id: string,
  actor: string,
): Promise<BuildRequest> {
  return await steer(context, { id, actor, what: 'resumed' }, async (deed) => {
    await steerRequest(deed.queries, id, { paused_at: null, paused_by: null, pause_reason: null });
    await holdJobs(deed.queries, id, false);
    return { kind: 'request-resumed', data: {} };
  });
}

/**
 * Moves the request's jobs in the queue. Throws `invalid-priority`, `unknown-request`, `request-finished`.
 */
export async function prioritizeRequest(
  context: BuildsContext,
  id: string,
  change: { readonly actor: string; readonly priority: number },
): Promise<BuildRequest> {
  const { actor, priority } = change;
  checkPriority(priority);
  return await steer(
    context,
    { id, actor, what: 'given another priority' },
    async (deed, before) => {
      await steerRequest(deed.queries, id, { priority });
      await shiftTurns(deed.queries, id, (before.priority - priority) * PRIORITY_STEP_MS);
      return { kind: 'request-priority', data: { priority, before: before.priority } };
    },
  );
}

/** Throws `invalid-priority`. */
export function checkPriority(priority: number): void {
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY) {
    throw new AppError(
      'invalid-priority',
      `The priority ${priority} is not a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}.`,
      { details: { priority } },
    );
  }
}

async function steer(
  context: BuildsContext,
  { id, actor, what }: { readonly id: string; readonly actor: string; readonly what: string },
  work: (
    deed: Deed,
    before: BuildRequest,
  ) => Promise<{ readonly kind: string; readonly data: Readonly<Record<string, unknown>> }>,
): Promise<BuildRequest> {
  return await transact(context, actor, async (deed) => {
    if ((await findRequestRow(deed.queries, id)) === undefined) {
      throw new AppError('unknown-request', `There is no request ${id}.`);
    }
    const before = toRequest(await lockRequest(deed.queries, id));
    if (FINAL_REQUEST_STATES.includes(before.state)) {
      throw new AppError(
        'request-finished',
        `The request ${id} cannot be ${what} any more: it is ${before.state}.`,
        { details: { state: before.state } },
      );
    }
    const { kind, data } = await work(deed, before);
    await evenOut(deed.queries, id);
    await deed.tell({
      actor,
      kind,
      subject: `request:${id}`,
      data: { requestId: id, ...data },
    });
    return toRequest(await lockRequest(deed.queries, id));
  });
}
