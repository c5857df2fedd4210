import { setImmediate } from 'node:timers/promises';
import { mergeBaseSystems, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { PackageChoice } from '../package-choice.ts';
import { newestPublication } from '../publication-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { choicesOfSnapshot } from '../snapshot-store.ts';
import type { Finding } from './finding.ts';
import { type GatePackage, readBasePackage, readBaseSoname } from './gate-package.ts';
import { allowancesOf, gatePackages } from './gate-store.ts';

/** What a channel shows now, as the gate looks at it. */
export interface ChannelContents {
  /** 0 when it shows nothing yet. */
  readonly serial: number;
  readonly snapshotId: string | undefined;
  readonly choices: readonly PackageChoice[];
  /** Whether the gate would let this pass. */
  readonly isLetPass: (finding: Finding) => boolean;
}

export async function channelContents(
  { database }: RepositoryContext,
  profile: HardwareProfile,
  channel: string,
): Promise<ChannelContents> {
  const shown = await newestPublication(database, { profile: profile.name, channel });
  const allowed = shown === undefined ? [] : await allowancesOf(database, shown);
  const isAllowed = new Set(allowed.map(({ findingId }) => findingId));
  const isWarning = new Set<string>(profile.gate?.warn);
  return {
    serial: shown?.serial ?? 0,
    snapshotId: shown?.snapshotId,
    choices: shown === undefined ? [] : await choicesOfSnapshot(database, shown.snapshotId),
    isLetPass: ({ id, kind }) => isAllowed.has(id) || isWarning.has(kind),
  };
}

/** In the order of the ids. */
export async function loadGatePackages(
  { database }: RepositoryContext,
  ids: readonly string[],
): Promise<GatePackage[]> {
  const found = new Map<string, GatePackage>();
  for await (const chunk of gatePackages(database, [...new Set(ids)])) {
    for (const one of chunk) {
      found.set(one.id, one);
    }
    await setImmediate();
  }
  return ids.flatMap((id) => found.get(id) ?? []);
}

/** What nodes have without the channel. */
export async function baseOf(
  { reported }: RepositoryContext,
  profile: HardwareProfile,
): Promise<GatePackage[]> {
  const { packages, sonames } = mergeBaseSystems([
    profile.baseSystem ?? NO_BASE_SYSTEM,
    await reported.of(profile.name),
  ]);
  return [...packages.map(readBasePackage), ...sonames.map(readBaseSoname)];
}
