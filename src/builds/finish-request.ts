import type { Queries } from '../database/database.ts';
import type { RequestRow } from '../database/tables.ts';
import { isAppError, isPassing, messageOf } from '../support/errors.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { conclusionOf } from './conclusion.ts';
import { hasOpenJobs } from './job-store.ts';
import { joinedReason } from './join-jobs.ts';
import { noteUnchanged, reasonWithUnchanged, unchangedOf } from './note-unchanged.ts';
import { type PublishEnd, publishPart, type RequestPublication } from './publish-part.ts';
import { FINAL_REQUEST_STATES, type RequestState } from './request.ts';
import { packagesOfRequest } from './request-packages.ts';
import {
  findRequestRow,
  lockRequest,
  moveRequest,
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
  const conclusion = await conclusionOf(queries, request);
  if (conclusion.state === 'open') {
    return 'nothing';
  }
  const reason =
    'reason' in conclusion ? conclusion.reason : await joinedReason(queries, requestId);
  await moveOn(deed, requestId, toRequest(request).state, { state: conclusion.state, reason });
  return conclusion.state === 'publishing' ? 'publish' : 'nothing';
}

/** Moves a request on, and tells so. False when it is not in `from` any more. */
export async function moveOn(
  deed: Deed,
  requestId: string,
  from: RequestState,
  to: {
    readonly state: RequestState;
    readonly reason: string | null;
    readonly finishedAt?: number | null;
  },
): Promise<boolean> {
  const isFinal = FINAL_REQUEST_STATES.includes(to.state);
  const moved = await moveRequest(deed.queries, requestId, from, {
    ...to,
    finishedAt: to.finishedAt ?? (isFinal ? deed.now : null),
  });
  if (moved) {
    await deed.tell({
      actor: deed.actor,
      kind: isFinal ? 'request-finished' : `request-${to.state}`,
      subject: `request:${requestId}`,
      data: { requestId, state: to.state, reason: to.reason },
    });
  }
  return moved;
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
    const packages = await packagesOfRequest(context.database, requestId);
    if (packages.length === 0) {
      await end(context, row, { state: 'done', reason: 'There was nothing to publish.' });
      return;
    }
    const publication = publicationOf(row, row.publish_channel);
    if (row.publish_partial === 1) {
      await endPublished(context, row, publication, await publishPart(context, row, publication));
      return;
    }
    const refusal = await refusalOf(async () => {
      const packageIds = packages.map(({ id }) => id);
      await context.repository.publish({ ...publication, packageIds });
    });
    await endPublished(
      context,
      row,
      publication,
      refusal === undefined
        ? { state: 'done', reason: row.reason }
        : {
            state: 'failed',
            reason: `Everything was built, but it could not be published on ${row.publish_channel}. ${refusal}`,
          },
    );
  });
}

function publicationOf(row: RequestRow, channel: string): RequestPublication {
  const { profile, author, atoms } = toRequest(row);
  return {
    profile,
    channel,
    requestId: row.id,
    author,
    force: row.publish_forced === 1,
    reason:
      row.publish_reason === ''
        ? `Build request for ${shorten(atoms.join(' '))}`
        : row.publish_reason,
  };
}

/** Ends a request that has been published as far as it could be, and says what of it the channel has already. */
async function endPublished(
  context: BuildsContext,
  row: RequestRow,
  publication: RequestPublication,
  to: PublishEnd,
): Promise<void> {
  if (to.state === 'failed') {
    await end(context, row, to);
    return;
  }
  const { channel } = publication;
  const unchanged = await unchangedOf(context.database, context.repository, publication);
  await end(
    context,
    row,
    { ...to, reason: reasonWithUnchanged(to.reason, channel, unchanged) },
    async (queries) => {
      await noteUnchanged(queries, publication, unchanged);
    },
  );
}

async function end(
  context: BuildsContext,
  row: RequestRow,
  to: PublishEnd,
  note: (queries: Queries) => Promise<void> = async () => undefined,
): Promise<void> {
  await transact(context, 'server', async (deed) => {
    if (await moveOn(deed, row.id, 'publishing', { ...to, finishedAt: row.publish_not_over })) {
      await note(deed.queries);
    }
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
