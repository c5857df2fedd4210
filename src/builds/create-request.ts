import type { RequestRow } from '../database/tables.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import { isProofNeeded } from '../gentoo/promotion-policy.ts';
import type { ResolveOption } from '../gentoo/resolve-options.ts';
import { AppError } from '../support/errors.ts';
import { newId } from '../support/ids.ts';
import { type BuildPlan, insertPlan } from './build-plan.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { concludeIfComplete, followUp } from './finish-request.ts';
import { planWithRebuilds } from './plan-here.ts';
import { insertPlanJob } from './plan-job.ts';
import type { BuildRequest } from './request.ts';
import { expandAtoms } from './request-atoms.ts';
import { findRequestRow, insertRequest, toRequest } from './request-store.ts';
import { checkPriority } from './steer-request.ts';

export interface NewRequest {
  readonly profile: string;
  readonly atoms: readonly string[];
  readonly publish?: string;
  /** When not everything can be published, what breaks nothing is; needs `publish`. */
  readonly partial?: boolean;
  readonly rebuild?: boolean;
  /** Also what the gate of this channel would want rebuilt of the newest packages; all is built again then. */
  readonly rebuildFor?: string;
  /** Only for the executor `portage`. */
  readonly resolve?: readonly ResolveOption[];
  /** The ebuild trees are synced before the plan is made; only for the executor `portage`. */
  readonly sync?: boolean;
  /** From -10 to 10; 0 when it is not given. */
  readonly priority?: number;
  /** Packages that are blocked are tried again. */
  readonly retry?: boolean;
  readonly force?: boolean;
  readonly reason?: string;
  readonly author: string;
}

/**
 * Takes a request. With the executor `source` it is planned here and now; with `portage` its first job is to make
 * the plan. Nothing is kept of a request that is refused.
 */
export async function createRequest(
  context: BuildsContext,
  asked: NewRequest,
): Promise<BuildRequest> {
  checkPriority(asked.priority ?? 0);
  const profile = context.profiles.get(asked.profile);
  requirePublishable(profile, asked);
  requireResolver(profile, asked.resolve ?? []);
  const wanted = await withRebuilds(context, profile, asked);
  const atoms = expandAtoms(wanted.atoms, profile);
  const plan =
    profile.executor === 'source'
      ? await planWithRebuilds(context, profile, {
          atoms,
          rebuild: wanted.rebuild ?? false,
          publish: wanted.publish,
          partial: wanted.partial ?? false,
        })
      : undefined;
  return await keepRequest(context, { profile, wanted, atoms, plan });
}

/** Writes a request down, with its jobs or the one that makes its plan. */
export async function keepRequest(
  context: BuildsContext,
  checked: {
    readonly profile: HardwareProfile;
    readonly wanted: NewRequest;
    readonly atoms: string[];
    readonly plan: BuildPlan | undefined;
  },
): Promise<BuildRequest> {
  const { profile, wanted, atoms, plan } = checked;
  const id = newId('req');
  const after = await transact(context, wanted.author, async (deed) => {
    const row = await insertNew(deed, { id, profile, wanted, isPlanned: plan !== undefined });
    const request = { ...row, profile };
    if (plan === undefined) {
      const { rebuild = false, resolve = [], sync = false } = wanted;
      await insertPlanJob(deed, request, {
        atoms,
        rebuild,
        resolve: [...resolve],
        sync,
        isSynced: sync,
        again: [],
        isMore: false,
        round: 1,
      });
      return 'nothing';
    }
    await insertPlan(deed, request, plan);
    return await concludeIfComplete(deed, id);
  });
  followUp(context, id, after);
  const row = await findRequestRow(context.database, id);
  if (row === undefined) {
    throw new Error(`the request ${id} is gone`);
  }
  return toRequest(row);
}

/**
 * With `category/pn:slot` of what has to be rebuilt before the newest packages can be published on the channel of
 * `rebuildFor`. Throws `unknown-channel`, `nothing-to-rebuild`.
 */
async function withRebuilds(
  context: BuildsContext,
  profile: HardwareProfile,
  asked: NewRequest,
): Promise<NewRequest> {
  const { rebuildFor: channel } = asked;
  if (channel === undefined) {
    return asked;
  }
  requireChannel(profile, channel);
  const { name } = profile;
  const { rebuild } = await context.repository.check({
    profile: name,
    channel,
    contents: 'newest',
  });
  if (rebuild.length === 0) {
    throw new AppError(
      'nothing-to-rebuild',
      `No package of ${name} has to be rebuilt before the newest can be published on ${channel}.`,
      { details: { profile: name, channel } },
    );
  }
  return { ...asked, atoms: [...asked.atoms, ...rebuild], rebuild: true };
}

function requireChannel({ name, channels }: HardwareProfile, channel: string): void {
  if (!channels.includes(channel)) {
    throw new AppError(
      'unknown-channel',
      `The profile ${name} has no channel ${channel}, only ${channels.join(', ')}.`,
      { details: { profile: name, channel } },
    );
  }
}

/** Recipes have no installed packages that could be newer or built otherwise. */
function requireResolver(profile: HardwareProfile, resolve: readonly ResolveOption[]): void {
  if (resolve.length > 0 && profile.executor !== 'portage') {
    const options = resolve.map((option) => `--${option}`).join(' ');
    throw new AppError(
      'no-resolver',
      `The profile ${profile.name} builds recipes, not ebuilds: there is no resolver that ${options} could be for.`,
      { details: { profile: profile.name, resolve } },
    );
  }
}

/** What is built first and refused then has cost hours: said at once. */
export function requirePublishable(
  profile: HardwareProfile,
  wanted: Pick<NewRequest, 'publish' | 'partial' | 'force' | 'reason'>,
): void {
  const { publish, force = false, reason = '' } = wanted;
  if (publish === undefined) {
    if (wanted.partial === true) {
      throw new AppError(
        'channel-required',
        'A part can only be published on a channel: name one.',
      );
    }
    return;
  }
  const details = { profile: profile.name, channel: publish };
  requireChannel(profile, publish);
  if (force && reason.trim() === '') {
    throw new AppError(
      'reason-required',
      `What is built can only be forced on ${publish} of ${profile.name} with a reason: it stands in the journal for good.`,
      { details },
    );
  }
  if (!force && isProofNeeded(profile, publish)) {
    throw new AppError(
      'promotion-not-proven',
      `Nobody can have proven on ${publish} of ${profile.name} what is only to be built. Publish it on ${profile.channels[0]} and promote that, or force it, with a reason.`,
      { details },
    );
  }
}

interface RequestToInsert {
  readonly id: string;
  readonly profile: HardwareProfile;
  readonly wanted: NewRequest;
  readonly isPlanned: boolean;
}

async function insertNew(deed: Deed, request: RequestToInsert): Promise<RequestRow> {
  const { id, profile, wanted } = request;
  const row = newRow(deed, request);
  await insertRequest(deed.queries, row);
  await deed.tell({
    actor: deed.actor,
    kind: 'request-created',
    subject: `request:${id}`,
    data: {
      requestId: id,
      profile: profile.name,
      atoms: wanted.atoms.slice(0, 100),
      publish: wanted.publish ?? null,
      priority: row.priority,
      ...(wanted.partial === true && { partial: true }),
      ...(wanted.force === true && { force: true }),
      ...((wanted.reason ?? '') !== '' && { reason: wanted.reason }),
    },
  });
  return row;
}

function newRow({ now }: Deed, { id, profile, wanted, isPlanned }: RequestToInsert): RequestRow {
  return {
    id,
    profile: profile.name,
    atoms_json: JSON.stringify(wanted.atoms),
    rebuild: bit(wanted.rebuild),
    resolve_json: JSON.stringify(wanted.resolve ?? []),
    publish_channel: wanted.publish ?? null,
    publish_forced: bit(wanted.force),
    publish_reason: wanted.reason ?? '',
    state: isPlanned ? 'building' : 'planning',
    reason: null,
    author: wanted.author,
    created_at: now,
    finished_at: null,
    profile_json: JSON.stringify(profile),
    plan_json: null,
    cancelled_by: null,
    priority: wanted.priority ?? 0,
    paused_at: null,
    paused_by: null,
    pause_reason: null,
    retry_blocked: bit(wanted.retry),
    publish_partial: bit(wanted.partial),
    publish_not_over: null,
  };
}

function bit(value: boolean | undefined): number {
  return value === true ? 1 : 0;
}
