import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import { DEFAULT_RETENTION, type RetentionPolicy } from '../../gentoo/retention-policy.ts';
import { isErrno } from '../../support/errors.ts';
import { blocksOfSnapshot } from '../blocks/block-store.ts';
import { publicationsInUse } from '../proof/node-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { stagedNames } from '../stage-packages.ts';
import { standingBehind } from '../unchanged-packages.ts';
import type { PublicationVerdict } from './retention.ts';
import {
  type PackageUse,
  type PublicationKey,
  packageIdsOfBlock,
  packagesBehind,
  packagesOfOpenRequests,
  pinsOf,
  publicationsOfProfile,
} from './retention-store.ts';
import { type Publication, type Uses, type Verdict, whatToKeep } from './what-to-keep.ts';

const SLICE = 1000;
/** Publications that are looked at on disk before other work gets its turn: some milliseconds. */
const LOOKS = 250;
const DAY_MS = 86_400_000;

export interface HeldPackage extends PackageUse {
  /** Undefined when it goes. */
  readonly holder: string | undefined;
}

export interface ProfilePlan {
  readonly profile: string;
  readonly publications: readonly (PublicationVerdict & { readonly snapshotId: string })[];
  readonly packages: readonly HeldPackage[];
}

export function retentionPolicy(profile: Pick<HardwareProfile, 'retention'>): RetentionPolicy {
  return profile.retention ?? DEFAULT_RETENTION;
}

/** What of a profile stays, and what goes, as things are now. `onStep` is told how many publications were looked at. */
export async function planCollection(
  context: RepositoryContext,
  profile: HardwareProfile,
  onStep: (done: number, total: number) => void,
): Promise<ProfilePlan> {
  const verdicts = await judgePublications(context, profile);
  const publications: ProfilePlan['publications'][number][] = [];
  for (const [position, { publication, keep, holders }] of verdicts.entries()) {
    if (position % LOOKS === 0) {
      onStep(position, verdicts.length);
      await setImmediate();
    }
    const { channel, serial, createdAt, snapshotId } = publication;
    const bytes = indexBytes(context, publication);
    publications.push({ channel, serial, createdAt, snapshotId, keep, holders, bytes });
  }
  const packages = await judgePackages(context, profile, publications);
  return { profile: profile.name, publications, packages };
}

export async function judgePublications(
  context: RepositoryContext,
  profile: HardwareProfile,
): Promise<Verdict<Publication & PublicationKey>[]> {
  const { database, clock } = context;
  const policy = retentionPolicy(profile);
  const uses: Uses = {
    pins: await pinsOf(database, profile.name),
    reports: (await publicationsInUse(database, clock.now() - policy.reportedWithinMs)).filter(
      (one) => one.profile === profile.name,
    ),
  };
  const verdicts: Verdict<Publication & PublicationKey>[][] = [];
  for (const history of channelsOf(await publicationsOfProfile(database, profile.name))) {
    verdicts.push(whatToKeep(policy, history, clock.now(), uses));
    await setImmediate();
  }
  return verdicts.flat();
}

/** The publications of each channel, given those of one behind those of another. */
function channelsOf<P extends Publication>(publications: readonly P[]): P[][] {
  const histories: P[][] = [];
  for (const one of publications) {
    const last = histories.at(-1);
    if (last?.[0]?.channel === one.channel) {
      last.push(one);
    } else {
      histories.push([one]);
    }
  }
  return histories;
}

async function judgePackages(
  context: RepositoryContext,
  profile: HardwareProfile,
  publications: ProfilePlan['publications'],
): Promise<HeldPackage[]> {
  const { database, clock } = context;
  const published = await publishedPackages(context, publications);
  const used = await usedPackages(context, profile.name);
  const { packagesMs } = retentionPolicy(profile);
  const found: HeldPackage[] = [];
  for (let after = ''; ; ) {
    const some = await packagesBehind(database, profile.name, { after, limit: SLICE });
    if (some.length === 0) {
      return found;
    }
    for (const one of some) {
      const holder = published.get(one.id) ?? used(one) ?? ageOf(one, packagesMs, clock.now());
      found.push({ ...one, holder });
    }
    after = some.at(-1)?.id ?? '';
    await setImmediate();
  }
}

/** Package -> the publication that holds it, and how many more do. Each block is read once. */
async function publishedPackages(
  { database }: RepositoryContext,
  publications: ProfilePlan['publications'],
): Promise<ReadonlyMap<string, string>> {
  const bySnapshot = new Map<string, string[]>();
  for (const { snapshotId, channel, serial, keep, holders } of publications) {
    if (keep) {
      const names = bySnapshot.get(snapshotId) ?? [];
      names.push(`${channel} ${serial} (${holders[0]})`);
      bySnapshot.set(snapshotId, names);
    }
  }
  const byBlock = new Map<string, Held>();
  for (const [snapshotId, names] of bySnapshot) {
    for (const { id } of await blocksOfSnapshot(database, snapshotId)) {
      addHeld(byBlock, id, { first: names[0] ?? '', count: names.length });
    }
  }
  const byPackage = new Map<string, Held>();
  for (const [block, held] of byBlock) {
    for (const id of await packageIdsOfBlock(database, block)) {
      addHeld(byPackage, id, held);
    }
    await setImmediate();
  }
  return new Map(
    [...byPackage].map(([id, { first, count }]) => [
      id,
      count === 1 ? first : `${first} and ${count - 1} more`,
    ]),
  );
}

interface Held {
  readonly first: string;
  readonly count: number;
}

function addHeld(all: Map<string, Held>, key: string, more: Held): void {
  const known = all.get(key);
  all.set(
    key,
    known === undefined ? more : { first: known.first, count: known.count + more.count },
  );
}

/** What open requests, staging trees and plans to come hold. Staging trees name the files they need, of whatever profile. */
export async function usedPackages(
  context: RepositoryContext,
  profile: string,
): Promise<(one: PackageUse) => string | undefined> {
  const requested = await packagesOfOpenRequests(context.database, profile);
  const behind = await standingBehind(context.database, profile);
  const staged = new Map<string, string>();
  for (const name of await stagedNames(context)) {
    for (const path of await pathsIn(join(context.layout.staging, name, 'Packages'))) {
      staged.set(path, name);
    }
  }
  return ({ id, path }) => {
    const request = requested.get(id);
    const tree = staged.get(path);
    if (request !== undefined) {
      return `used by the open request ${request}`;
    }
    if (tree !== undefined) {
      return `staged for ${tree}`;
    }
    const shown = behind.get(id);
    return shown === undefined ? undefined : `the same as build ${shown}, which is shown`;
  };
}

async function pathsIn(index: string): Promise<string[]> {
  try {
    const text = await readFile(index, 'utf8');
    return [...text.matchAll(/^PATH: (.+)$/gm)].map(([, path = '']) => path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
}

function ageOf({ importedAt }: PackageUse, packagesMs: number, now: number): string | undefined {
  return now < importedAt + packagesMs
    ? `unused, but not older than ${Math.floor(packagesMs / DAY_MS)} days`
    : undefined;
}

function indexBytes(
  { layout }: RepositoryContext,
  { profile, channel, serial }: PublicationKey,
): number {
  const folder = layout.publication(profile, channel, serial);
  return ['Packages', 'Packages.gz'].reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
