import { isAppError, isPassing, messageOf } from '../support/errors.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { countJobs, firstFailedJob, hasOpenJobs, toJob } from './job-store.ts';
import { joinedReason } from './join-jobs.ts';
import { concludeRequest, FINAL_REQUEST_STATES, type RequestState } from './request.ts';
import {
  findRequestRow,
  lockRequest,
  moveRequest,
  packagesOfRequest,
  requestIdsInState,
  toRequest,
} from './request-store.ts';

/** What has to happen once the transaction is on disk. */
export type AfterConclusion = 'publish' | 'nothing';
/** The requests that are to be published once the transaction is on disk. */
export type Conclusions = readonly string[];

/** Does what comes after a transaction that may have concluded a request. */
export function followUp(context: BuildsContext, requestId: string, after: AfterConclusion): void {
  if (after === 'publish') {
    context.inBackground(`publish ${requestId}`, async () => {
      await publishRequest(context, requestId);
    });
  }
}

/** Does what comes after a transaction that may have concluded several requests. */
export function followUpAll(context: BuildsContext, conclusions: Conclusions): void {
  for (const requestId of conclusions) {
    followUp(context, requestId, 'publish');
  }
}

/** Moves each of these requests on whose last job has ended. */
export async function concludeAll(deed: Deed, requestIds: readonly string[]): Promise<Conclusions> {
  const concluded: string[] = [];
  for (const id of new Set(requestIds)) {
    if ((await concludeIfComplete(deed, id)) === 'publish') {
      concluded.push(id);
    }
  }
  return concluded;
}

/** Moves a request on when its last job has ended. */
export async function concludeIfComplete(deed: Deed, requestId: string): Promise<AfterConclusion> {
  const { queries } = deed;
  if (await hasOpenJobs(queries, requestId)) {
    return 'nothing';
  }
  const request = await lockRequest(queries, requestId);
  const packageJobs = await countJobs(queries, requestId, 'package');
  const failed = await firstFailedJob(queries, requestId);
  const conclusion = concludeRequest(
    { publish: request.publish_channel, cancelledBy: request.cancelled_by },
    {
      counts: await countJobs(queries, requestId),
      built: packageJobs.succeeded ?? 0,
      total: Object.values(packageJobs).reduce((sum, count) => sum + count, 0),
      firstFailure: failed === undefined ? undefined : toJob(failed, []),
    },
  );
  if (conclusion.state === 'open') {
    return 'nothing';
  }
  const reason =
    'reason' in conclusion ? conclusion.reason : await joinedReason(queries, requestId);
  await move(deed, requestId, toRequest(request).state, { state: conclusion.state, reason });
  return conclusion.state === 'publishing' ? 'publish' : 'nothing';
}

async function move(
  deed: Deed,
  requestId: string,
  from: RequestState,
  to: { readonly state: RequestState; readonly reason: string | null },
): Promise<void> {
  const isFinal = FINAL_REQUEST_STATES.includes(to.state);
  const moved = await moveRequest(deed.queries, requestId, from, {
    ...to,
    finishedAt: isFinal ? deed.now : null,
  });
  if (moved) {
    await deed.tell({
      actor: deed.actor,
      kind: isFinal ? 'request-finished' : `request-${to.state}`,
      subject: `request:${requestId}`,
      data: { requestId, state: to.state, reason: to.reason },
    });
  }
}

/**
 * Publishes what a request in state `publishing` has built and reused, and ends the request. What the repository
 * refuses fails the request; any other fault leaves it as it is, to be tried again.
 */
export async function publishRequest(context: BuildsContext, requestId: string): Promise<void> {
  await context.locks.run(`publish-request:${requestId}`, async () => {
    const row = await findRequestRow(context.database, requestId);
    if (row?.state !== 'publishing' || row.publish_channel === null) {
      return;
    }
    const request = toRequest(row);
    const packages = await packagesOfRequest(context.database, requestId);
    if (packages.length === 0) {
      await end(context, requestId, { state: 'done', reason: 'There was nothing to publish.' });
      return;
    }
    const refusal = await refusalOf(async () => {
      await context.repository.publish({
        profile: request.profile,
        channel: row.publish_channel ?? '',
        packageIds: packages.map(({ id }) => id),
        requestId,
        author: request.author,
        force: row.publish_forced === 1,
        reason:
          row.publish_reason === ''
            ? `Build request for ${shorten(request.atoms.join(' '))}`
            : row.publish_reason,
      });
    });
    await end(
      context,
      requestId,
      refusal === undefined
        ? { state: 'done', reason: row.reason }
        : {
            state: 'failed',
            reason: `Everything was built, but it could not be published on ${row.publish_channel}. ${refusal}`,
          },
    );
  });
}

async function end(
  context: BuildsContext,
  requestId: string,
  to: { readonly state: 'done' | 'failed'; readonly reason: string | null },
): Promise<void> {
  await transact(context, 'server', async (deed) => {
    await move(deed, requestId, 'publishing', to);
  });
}

/** Goes on with every request that is to be published. */
export async function resumePublishing(context: BuildsContext): Promise<void> {
  for (const id of await requestIdsInState(context.database, 'publishing')) {
    followUp(context, id, 'publish');
  }
}

async function refusalOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (isAppError(error) && !isPassing(error)) {
      return messageOf(error);
    }
    throw error;
  }
}

function shorten(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)} ...` : text;
}
