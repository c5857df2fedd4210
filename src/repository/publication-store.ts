import type { Selectable, SelectQueryBuilder } from 'kysely';
import * as z from 'zod';
import type { Queries } from '../database/database.ts';
import type { PublicationRow, Tables } from '../database/tables.ts';
import type { ForcedPromotion, PublicationRecord } from './publication.ts';

export interface ChannelKey {
  readonly profile: string;
  readonly channel: string;
}

export async function insertPublication(
  queries: Queries,
  publication: PublicationRecord,
): Promise<void> {
  await queries
    .insertInto('publications')
    .values({
      profile: publication.profile,
      channel: publication.channel,
      serial: publication.serial,
      snapshot_id: publication.snapshotId,
      timestamp_seconds: publication.timestampSeconds,
      created_at: publication.createdAt,
      author: publication.author,
      reason: publication.reason,
      kind: publication.kind,
      request_id: publication.requestId,
      forced_json: publication.forced === null ? null : JSON.stringify(publication.forced),
    })
    .execute();
}

/** Newest first. */
export async function publicationsOf(
  queries: Queries,
  key: ChannelKey,
  limit: number,
): Promise<PublicationRecord[]> {
  return (await selectOf(queries, key).orderBy('serial', 'desc').limit(limit).execute()).map(
    toPublication,
  );
}

export async function newestPublication(
  queries: Queries,
  key: ChannelKey,
): Promise<PublicationRecord | undefined> {
  return (await publicationsOf(queries, key, 1))[0];
}

export async function findPublication(
  queries: Queries,
  key: ChannelKey & { readonly serial: number },
): Promise<PublicationRecord | undefined> {
  const row = await selectOf(queries, key).where('serial', '=', key.serial).executeTakeFirst();
  return row === undefined ? undefined : toPublication(row);
}

export async function publicationOfRequest(
  queries: Queries,
  key: ChannelKey & { readonly requestId: string },
): Promise<PublicationRecord | undefined> {
  const row = await selectOf(queries, key)
    .where('request_id', '=', key.requestId)
    .executeTakeFirst();
  return row === undefined ? undefined : toPublication(row);
}

/** The last publication of a snapshot, on whatever channel. */
export async function publicationOfSnapshot(
  queries: Queries,
  profile: string,
  snapshotId: string,
): Promise<Pick<PublicationRecord, 'channel' | 'serial'> | undefined> {
  return await queries
    .selectFrom('publications')
    .select(['channel', 'serial'])
    .where('profile', '=', profile)
    .where('snapshot_id', '=', snapshotId)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The publications of a snapshot, on whatever channels, newest first. */
export async function publicationsShowing(
  queries: Queries,
  profile: string,
  snapshotId: string,
): Promise<Pick<PublicationRecord, 'channel' | 'serial'>[]> {
  return await queries
    .selectFrom('publications')
    .select(['channel', 'serial'])
    .where('profile', '=', profile)
    .where('snapshot_id', '=', snapshotId)
    .orderBy('created_at', 'desc')
    .orderBy('serial', 'desc')
    .execute();
}

/** What each publication of a channel shows and how it came about, oldest first. */
export async function historyOf(
  queries: Queries,
  key: ChannelKey,
): Promise<Pick<PublicationRecord, 'serial' | 'snapshotId' | 'kind'>[]> {
  return await queries
    .selectFrom('publications')
    .select(['serial', 'snapshot_id as snapshotId', 'kind'])
    .where('profile', '=', key.profile)
    .where('channel', '=', key.channel)
    .orderBy('serial')
    .execute();
}

/** Every channel that was ever published. */
export async function publishedChannels(queries: Queries): Promise<ChannelKey[]> {
  return await queries
    .selectFrom('publications')
    .select(['profile', 'channel'])
    .distinct()
    .execute();
}

type JoinedRow = Selectable<PublicationRow> & { readonly package_count: number };

function selectOf(
  queries: Queries,
  key: ChannelKey,
): SelectQueryBuilder<Tables, 'publications' | 'snapshots', JoinedRow> {
  return queries
    .selectFrom('publications')
    .innerJoin('snapshots', 'snapshots.id', 'publications.snapshot_id')
    .selectAll('publications')
    .select('snapshots.package_count')
    .where('publications.profile', '=', key.profile)
    .where('publications.channel', '=', key.channel);
}

const forcedSchema: z.ZodType<ForcedPromotion> = z.object({ missing: z.array(z.string()) });

function toPublication(row: JoinedRow): PublicationRecord {
  return {
    profile: row.profile,
    channel: row.channel,
    serial: row.serial,
    snapshotId: row.snapshot_id,
    timestampSeconds: row.timestamp_seconds,
    createdAt: row.created_at,
    author: row.author,
    reason: row.reason,
    kind: row.kind,
    requestId: row.request_id,
    packageCount: row.package_count,
    forced: row.forced_json === null ? null : forcedSchema.parse(JSON.parse(row.forced_json)),
  };
}
