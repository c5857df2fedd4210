import type { RequestRow } from '../database/tables.ts';
import { AppError } from '../support/errors.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { conclusionOf } from './conclusion.ts';
import { requirePublishable } from './create-request.ts';
import { followUp, moveOn } from './finish-request.ts';
import { type BuildRequest, FINAL_REQUEST_STATES } from './request.ts';
import { packagesOfRequest } from './request-packages.ts';
import { findRequestRow, lockRequest, steerRequest, toRequest } from './request-store.ts';

export interface WantedPublication {
  readonly actor: string;
  readonly partial: boolean;
  readonly channel?: string;
  readonly force?: boolean;
  readonly reason?: string;
}

/** See `Builds.publishRequest`. */
export async function publishEndedRequest(
  context: BuildsContext,
  id: string,
  wanted: WantedPublication,
): Promise<BuildRequest> {
  const { actor, partial } = wanted;
  await transact(context, actor, async (deed) => {
    if ((await findRequestRow(deed.queries, id)) === undefined) {
      throw new AppError('unknown-request', `There is no request ${id}.`);
    }
    const row = await lockRequest(deed.queries, id);
    const channel = wanted.channel ?? row.publish_channel;
    requireUnpublished(row);
    if (channel === null) {
      throw new AppError('channel-required', `The request ${id} names no channel: name one.`);
    }
    requirePublishable(context.profiles.get(row.profile), { ...wanted, publish: channel });
    await requirePackages(deed, row, partial);
    await steerRequest(deed.queries, id, {
      publish_channel: channel,
      publish_partial: partial ? 1 : 0,
      publish_forced: wanted.force === true ? 1 : 0,
      publish_reason: wanted.reason ?? row.publish_reason,
      publish_not_over: row.finished_at,
    });
    await moveOn(deed, id, toRequest(row).state, {
      state: 'publishing',
      reason: null,
      finishedAt: row.finished_at,
    });
  });
  followUp(context, id, 'publish');
  return toRequest(await lockRequest(context.database, id));
}

function requireUnpublished(row: RequestRow): void {
  const { id, state, publish } = toRequest(row);
  const details = { state };
  if (!FINAL_REQUEST_STATES.includes(state)) {
    throw new AppError(
      'request-unfinished',
      `The request ${id} is ${state}: it can be published when it has ended.`,
      { details },
    );
  }
  if (state === 'partial' || (state === 'done' && publish !== null)) {
    throw new AppError(
      'request-published',
      `The request ${id} is published on ${publish} already, and is ${state}.`,
      { details },
    );
  }
}

async function requirePackages(deed: Deed, row: RequestRow, partial: boolean): Promise<void> {
  const { id } = row;
  if ((await packagesOfRequest(deed.queries, id)).length === 0) {
    throw new AppError('nothing-built', `There is no package of the request ${id} to publish.`);
  }
  const conclusion = await conclusionOf(deed.queries, { ...row, publish_channel: null });
  if (!partial && 'reason' in conclusion) {
    throw new AppError(
      'request-incomplete',
      `Not everything of the request ${id} was built; a part of it can be published (partial). ${conclusion.reason}`,
    );
  }
}
