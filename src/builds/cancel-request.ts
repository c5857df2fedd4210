import { AppError } from '../support/errors.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { concludeAll } from './finish-request.ts';
import { cancelUnstartedJobs } from './job-store.ts';
import { leadersFor, wantedElsewhere } from './join-store.ts';
import type { BuildRequest } from './request.ts';
import { FINAL_REQUEST_STATES } from './request.ts';
import { findRequestRow, lockRequest, markCancelled, toRequest } from './request-store.ts';
import { tellJobFinished } from './tell-jobs.ts';

/**
 * Cancels what has not begun; agents at work are told at their next word, and the request ends with the last of
 * them. What another request waits for goes on, and the request ends with that. Asking again changes nothing.
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
    const wanted = (await wantedElsewhere(queries, id)).size;
    const but = wanted === 0 ? '' : `, but for ${wanted} that other requests wait for`;
    await markCancelled(queries, id, {
      by: actor,
      reason: `${reason} The jobs under way are told to stop${but}.`,
    });
    await deed.tell({
      actor: deed.actor,
      kind: 'request-cancelled',
      subject: `request:${id}`,
      data: { requestId: id },
    });
    await tellJobFinished(deed, await cancelUnstartedJobs(queries, id, { reason, now }));
    const abandoned = await cancelAbandoned(deed, id);
    await concludeAll(deed, [id, ...abandoned]);
  });
  const row = await findRequestRow(context.database, id);
  if (row === undefined) {
    throw new Error(`the request ${id} is gone`);
  }
  return toRequest(row);
}

/** What a request that was cancelled before has gone on with for this one alone. Returns such requests. */
async function cancelAbandoned(deed: Deed, id: string): Promise<string[]> {
  const { queries, now } = deed;
  const requests: string[] = [];
  for (const leader of await leadersFor(queries, id)) {
    const { cancelled_by: by } = await lockRequest(queries, leader.request_id);
    if (by !== null && leader.state === 'ready') {
      const end = { reason: `Cancelled by ${by}.`, now };
      await tellJobFinished(deed, await cancelUnstartedJobs(queries, leader.request_id, end));
      requests.push(leader.request_id);
    }
  }
  return requests;
}
