import { mergeBaseSystems, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import { newestPublication } from '../publication-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { choicesOfSnapshot } from '../snapshot-store.ts';
import { type Finding, findingOf } from './finding.ts';
import { packageFindings } from './package-findings.ts';
import { reportedBaseSystem } from './reported-base.ts';

/** How much smaller a publication may be than the one before it, as a share, unless the profile says otherwise. */
const MAX_PACKAGE_DROP = 0.1;
/** Of so few packages, one or two more or less say nothing. */
const FEW_PACKAGES = 20;

export interface SnapshotToCheck {
  readonly profile: HardwareProfile;
  /** Where it is to be published. */
  readonly channel: string;
  readonly snapshotId: string;
}

/** Everything that speaks against publishing a snapshot on a channel, by kind and package. */
export async function checkSnapshot(
  context: RepositoryContext,
  { profile, channel, snapshotId }: SnapshotToCheck,
): Promise<Finding[]> {
  const key = { profile: profile.name, channel };
  return await context.locks.run(`repository-gate:${profile.name}/${channel}`, async () => {
    const choices = await choicesOfSnapshot(context.database, snapshotId);
    const base = mergeBaseSystems([
      profile.baseSystem ?? NO_BASE_SYSTEM,
      await reportedBaseSystem(context, profile.name),
    ]);
    const ids = choices.map(({ id }) => id);
    const name = `${profile.name}/${channel}`;
    const { packages, findings } = await context.checker.check(context.database, name, {
      ids,
      base,
    });
    const newest = await newestPublication(context.database, key);
    const found = [
      ...(await packageFindings(packages, {
        profile,
        layout: context.layout,
        currentKeys: context.currentKeys(),
        damaged: await context.damaged(profile.name),
      })),
      ...findings,
      ...countFindings(profile, newest?.packageCount ?? 0, ids.length),
    ];
    return found.toSorted((a, b) => compare(a.kind, b.kind) || compare(a.cpv, b.cpv));
  });
}

function countFindings(profile: HardwareProfile, before: number, after: number): Finding[] {
  const most = profile.gate?.maxPackageDrop ?? MAX_PACKAGE_DROP;
  const gone = before - after;
  if (before < FEW_PACKAGES || gone <= before * most) {
    return [];
  }
  return [
    findingOf({
      kind: 'count-dropped',
      cpv: '',
      name: profile.name,
      what: 'packages',
      message: `${gone} of ${before} packages would be gone, more than ${Math.round(most * 100)} % (gate.max-package-drop).`,
      remedy: 'Look at "rookery channel diff" before you allow it.',
    }),
  ];
}

function compare(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}
