import { parseCpv } from '../../gentoo/cpv.ts';
import { requireChannel } from '../channel.ts';
import type { PackageChoice } from '../package-choice.ts';
import { requirePackages } from '../publish-snapshot.ts';
import type { Repository } from '../repository.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { slotKey } from '../snapshot-contents.ts';
import { baseOf, channelContents, loadGatePackages } from './channel-contents.ts';
import { type Rebuild, rebuildsAfter } from './rebuilds-after.ts';

type RebuildRequest = Parameters<Repository['toRebuild']>[0];

/** See `Repository.toRebuild`. Most changes break nothing: then only what changes is read. */
export async function toRebuild(
  context: RepositoryContext,
  request: RebuildRequest,
): Promise<readonly Rebuild[]> {
  const { packageIds, planned } = request;
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  const { choices, isLetPass } = await channelContents(context, profile, request.channel);
  const arrived = await requirePackages(context.database, profile.name, packageIds);
  if (!(await mayBreak(context, choices, { ...request, arrived }))) {
    return [];
  }
  const isThere = new Set(choices.map(({ id }) => id));
  return rebuildsAfter({
    present: [
      ...(await loadGatePackages(context, [...isThere])),
      ...(await baseOf(context, profile)),
    ],
    arrived: await loadGatePackages(
      context,
      packageIds.filter((id) => !isThere.has(id)),
    ),
    planned,
    isLetPass,
  });
}

/** Whether a sub-slot changes, or a library goes that was there. */
async function mayBreak(
  context: RepositoryContext,
  choices: readonly PackageChoice[],
  {
    arrived,
    planned,
    changed,
  }: Pick<RebuildRequest, 'planned' | 'changed'> & { readonly arrived: readonly PackageChoice[] },
): Promise<boolean> {
  const bySlot = new Map(choices.map((choice) => [slotKey(choice), choice]));
  const isAsked = (id: string): boolean => changed === undefined || changed.includes(id);
  const pairs = arrived
    .filter(({ id }) => isAsked(id))
    .flatMap((next) => {
      const old = bySlot.get(slotKey(next));
      return old === undefined || old.id === next.id ? [] : [{ old, next }];
    });
  const isMoved =
    pairs.some(({ old, next }) => old.slot !== next.slot) ||
    planned.some(({ cpv, slot }) => {
      const old = bySlot.get(slotKey({ ...parseCpv(cpv), slot }));
      return old !== undefined && old.slot !== slot;
    });
  return isMoved || (await losesSoname(context, pairs));
}

async function losesSoname(
  context: RepositoryContext,
  pairs: readonly { readonly old: PackageChoice; readonly next: PackageChoice }[],
): Promise<boolean> {
  const ids = pairs.flatMap(({ old, next }) => [old.id, next.id]);
  const loaded = await loadGatePackages(context, ids);
  const provides = new Map(loaded.map((one) => [one.id, one.provides]));
  return pairs.some(({ old, next }) => {
    const kept = new Set(provides.get(next.id));
    return provides.get(old.id)?.some((soname) => !kept.has(soname)) === true;
  });
}
