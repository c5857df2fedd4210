import { AppError } from '../support/errors.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { concludeIfComplete } from './finish-request.ts';
import { cancelUnstartedJobs } from './job-store.ts';
import type { BuildRequest } from './request.ts';
import { FINAL_REQUEST_STATES } from './request.ts';
import { findRequestRow, lockRequest, markCancelled, toRequest } from './request-store.ts';
import { tellJobFinished } from './tell-jobs.ts';

/**
 * Cancels what has not begun; agents at work are told at their next word, and the request ends with the last of
 * them. Asking again changes nothing.
 *
 * Throws `unknown-request`, `request-finished`.
 */
export async function cancelRequest(
  context: BuildsContext,
  id: string,
  actor: string,
): Promise<BuildRequest> {
  await transact(context, actor, async (deed) => {
    const { queries, now } = deed;
    if ((await findRequestRow(queries, id)) === undefined) {
      throw new AppError('unknown-request', `There is no request ${id}.`);
    }
    const request = toRequest(await lockRequest(queries, id));
    if (FINAL_REQUEST_STATES.includes(request.state) || request.state === 'publishing') {
      throw new AppError(
        'request-finished',
        `The request ${id} cannot be cancelled any more: it is ${request.state}.`,
        { details: { state: request.state } },
      );
    }
    const reason = `Cancelled by ${actor}.`;
    await markCancelled(queries, id, {
      by: actor,
      reason: `${reason} The jobs under way are told to stop.`,
    });
    await deed.tell({
      actor: deed.actor,
      kind: 'request-cancelled',
      subject: `request:${id}`,
      data: { requestId: id },
    });
    await tellJobFinished(deed, await cancelUnstartedJobs(queries, id, { reason, now }));
    await concludeIfComplete(deed, id);
  });
  const row = await findRequestRow(context.database, id);
  if (row === undefined) {
    throw new Error(`the request ${id} is gone`);
  }
  return toRequest(row);
}
