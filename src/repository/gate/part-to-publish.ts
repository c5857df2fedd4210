import type { HardwareProfile } from '../../gentoo/profile.ts';
import { requireChannel } from '../channel.ts';
import { levelsOf } from '../file-level-store.ts';
import type { PackageChoice } from '../package-choice.ts';
import { importTimes } from '../package-store.ts';
import { requirePackages } from '../publish-snapshot.ts';
import type { PartToPublish, Repository } from '../repository.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { slotKey } from '../snapshot-contents.ts';
import { unchangedSince } from '../unchanged-packages.ts';
import {
  baseOf,
  type ChannelContents,
  channelContents,
  loadGatePackages,
} from './channel-contents.ts';
import type { GatePackage } from './gate-package.ts';
import { largestPart } from './largest-part.ts';
import { damagedFinding, fileFindings, ownFindings } from './package-findings.ts';

type PartRequest = Parameters<Repository['partToPublish']>[0];

/** See `Repository.partToPublish`. */
export async function partToPublish(
  context: RepositoryContext,
  request: PartRequest,
): Promise<PartToPublish> {
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  const contents = await channelContents(context, profile, request.channel);
  const isThere = new Set(contents.choices.map(({ id }) => id));
  const named = await requirePackages(context.database, profile.name, request.packageIds);
  const same = await sameAsShown(context, contents, request);
  const choices = named.filter(({ id }) => !isThere.has(id) && !same.has(id));
  const offered = await loadGatePackages(
    context,
    choices.map(({ id }) => id),
  );
  const present = await loadGatePackages(context, [...isThere]);
  const unfit = await unfitAmong(context, profile, offered);
  for (const [id, reason] of await outdatedAmong(context, { choices, contents }, request)) {
    unfit.set(id, reason);
  }
  const { chosen, leftOut } = largestPart({
    present: [...present, ...(await baseOf(context, profile))],
    offered,
    unfit,
    isLetPass: contents.isLetPass,
  });
  return {
    serial: contents.serial,
    packageIds: chosen.map(({ id }) => id),
    leftOut: leftOut.map(({ package: { id, cpv }, reason, lacks }) => ({ id, cpv, reason, lacks })),
  };
}

/** What was built again and came out as the channel shows it; it is not published. */
async function sameAsShown(
  { database }: RepositoryContext,
  { snapshotId }: ChannelContents,
  { packageIds }: PartRequest,
): Promise<ReadonlySet<string>> {
  const unchanged =
    snapshotId === undefined ? [] : await unchangedSince(database, snapshotId, packageIds);
  return new Set(unchanged.map(({ id }) => id));
}

/** What the gate would say of these packages, whatever else there is. */
async function unfitAmong(
  context: RepositoryContext,
  profile: HardwareProfile,
  offered: readonly GatePackage[],
): Promise<Map<string, string>> {
  const { database, layout } = context;
  const rules = { profile, layout, currentKeys: context.currentKeys() };
  const folder = layout.packages(profile.name);
  const levels = await levelsOf(
    database,
    offered.map(({ id }) => id),
  );
  const damaged = new Map((await context.damaged(profile.name)).map((one) => [one.id, one]));
  const isWarning = new Set<string>(profile.gate?.warn);
  const unfit = new Map<string, string>();
  for (const one of offered) {
    const broken = damaged.get(one.id);
    const [finding] = [
      ...(broken === undefined ? [] : [damagedFinding(broken)]),
      ...fileFindings(one, folder),
      ...ownFindings(one, rules, levels.get(one.id)),
    ].filter(({ kind }) => !isWarning.has(kind));
    if (finding !== undefined) {
      unfit.set(one.id, finding.message);
    }
  }
  return unfit;
}

/** What the channel has got something newer for, that came after `notOver`. */
async function outdatedAmong(
  { database }: RepositoryContext,
  {
    choices,
    contents,
  }: { readonly choices: readonly PackageChoice[]; readonly contents: ChannelContents },
  { notOver, channel }: PartRequest,
): Promise<ReadonlyMap<string, string>> {
  if (notOver === undefined) {
    return new Map();
  }
  const bySlot = new Map(contents.choices.map((choice) => [slotKey(choice), choice]));
  const rivals = choices.flatMap((choice) => {
    const rival = bySlot.get(slotKey(choice));
    return rival === undefined ? [] : [{ id: choice.id, rival }];
  });
  const times = await importTimes(
    database,
    rivals.map(({ rival }) => rival.id),
  );
  return new Map(
    rivals
      .filter(({ rival }) => (times.get(rival.id) ?? 0) > notOver)
      .map(({ id, rival }) => [
        id,
        `${channel} has got ${rival.cpv} (build ${rival.buildId}) since the request ended.`,
      ]),
  );
}
