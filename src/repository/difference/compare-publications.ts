import { requireChannel } from '../channel.ts';
import type { PackageRecord } from '../package-record.ts';
import { chunksOf, packagesById } from '../package-store.ts';
import { requirePublication } from '../promote-channel.ts';
import type { PublicationRecord } from '../publication.ts';
import { newestPublication } from '../publication-store.ts';
import type { Repository } from '../repository.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { choicesOfSnapshot } from '../snapshot-store.ts';
import { differenceOf } from './snapshot-difference.ts';

type CompareRequest = Parameters<Repository['compare']>[0];
type Comparison = Awaited<ReturnType<Repository['compare']>>;

/** See `Repository.compare`. What both sides have is not looked at: the cost grows with the difference. */
export async function comparePublications(
  context: RepositoryContext,
  { profile: name, before, after }: CompareRequest,
): Promise<Comparison> {
  const [old, now] = [await find(context, name, before), await find(context, name, after)];
  const [oldIds, nowIds] = [await idsOf(context, old), await idsOf(context, now)];
  return {
    before: old ?? null,
    after: now ?? null,
    ...differenceOf(
      await packagesOf(
        context,
        [...oldIds].filter((id) => !nowIds.has(id)),
      ),
      await packagesOf(
        context,
        [...nowIds].filter((id) => !oldIds.has(id)),
      ),
    ),
  };
}

async function find(
  context: RepositoryContext,
  profile: string,
  { channel, serial }: CompareRequest['before'],
): Promise<PublicationRecord | undefined> {
  requireChannel(context.profiles.get(profile), channel);
  const key = { profile, channel };
  return serial === undefined
    ? await newestPublication(context.database, key)
    : await requirePublication(context, key, serial);
}

async function idsOf(
  context: RepositoryContext,
  publication: PublicationRecord | undefined,
): Promise<ReadonlySet<string>> {
  const choices =
    publication === undefined
      ? []
      : await choicesOfSnapshot(context.database, publication.snapshotId);
  return new Set(choices.map(({ id }) => id));
}

async function packagesOf(
  context: RepositoryContext,
  ids: readonly string[],
): Promise<PackageRecord[]> {
  const found: PackageRecord[] = [];
  for (const chunk of chunksOf(ids)) {
    found.push(...(await packagesById(context.database, chunk)));
  }
  return found;
}
