import { mergeBaseSystems, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import { blocksOfSnapshot, choicesOfBlock } from '../blocks/block-store.ts';
import { newestPublication } from '../publication-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { choicesOfSnapshot } from '../snapshot-store.ts';
import { type Finding, findingOf } from './finding.ts';
import { damagedFinding } from './package-findings.ts';
import { treeFindings } from './tree-findings.ts';

/** How much smaller a publication may be than the one before it, as a share, unless the profile says otherwise. */
const MAX_PACKAGE_DROP = 0.1;
/** Of so few packages, one or two more or less say nothing, unless the profile gives a share of its own. */
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
    const base = mergeBaseSystems([
      profile.baseSystem ?? NO_BASE_SYSTEM,
      await context.reported.of(profile.name),
    ]);
    const { database } = context;
    const blocks = await blocksOfSnapshot(database, snapshotId);
    const parts = blocks.map(({ id }) => ({
      id,
      load: async () => (await choicesOfBlock(database, id)).map((choice) => choice.id),
    }));
    const rules = { profile, layout: context.layout, currentKeys: context.currentKeys() };
    const findings = await context.checker.check(database, `${profile.name}/${channel}`, {
      parts,
      base,
      rules,
    });
    const newest = await newestPublication(database, key);
    const count = blocks.reduce((sum, { packageCount }) => sum + packageCount, 0);
    const found = [
      ...(await damagedIn(context, profile.name, snapshotId)),
      ...findings,
      ...(await treeFindings(context, key, (sonames) =>
        context.checker.notProvided(`${profile.name}/${channel}`, sonames),
      )),
      ...countFindings(profile, newest?.packageCount ?? 0, count),
    ];
    const isDamaged = new Set(
      found.filter(({ kind }) => kind === 'file-damaged').map(({ cpv }) => cpv),
    );
    const sorted = found
      .filter(({ kind, cpv }) => kind !== 'file-missing' || !isDamaged.has(cpv))
      .toSorted((a, b) => compare(a.kind, b.kind) || compare(a.cpv, b.cpv));
    // Two versions in one slot, or a need that is written twice, are one offence.
    return [...new Map(sorted.toReversed().map((one) => [one.id, one])).values()].toReversed();
  });
}

/** A damaged file is in quarantine, so that it is missing too; that it is damaged says more. */
async function damagedIn(
  context: RepositoryContext,
  profile: string,
  snapshotId: string,
): Promise<Finding[]> {
  const damaged = await context.damaged(profile);
  if (damaged.length === 0) {
    return [];
  }
  const ids = new Set((await choicesOfSnapshot(context.database, snapshotId)).map(({ id }) => id));
  return damaged.filter(({ id }) => ids.has(id)).map(damagedFinding);
}

function countFindings(profile: HardwareProfile, before: number, after: number): Finding[] {
  const { maxPackageDrop: most = MAX_PACKAGE_DROP } = profile.gate ?? {};
  const isTooFew = before < FEW_PACKAGES && profile.gate?.maxPackageDrop === undefined;
  const gone = before - after;
  if (isTooFew || gone <= before * most) {
    return [];
  }
  return [
    findingOf({
      kind: 'count-dropped',
      cpv: '',
      name: profile.name,
      what: `${before} ${after}`,
      message: `${gone} of ${before} packages would be gone, more than ${Math.round(most * 100)} % (gate.max-package-drop).`,
      remedy: 'Look at "rookery channel diff" before you allow it.',
    }),
  ];
}

function compare(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}
