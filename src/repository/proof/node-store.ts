import type { Selectable } from 'kysely';
import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import type { NodeReportRow, PublicationProofRow } from '../../database/tables.ts';
import { digestOf } from '../../support/digests.ts';
import { chunksOf } from '../package-store.ts';
import { formerBuildIdsIn, PROVENANCE_KEY } from '../provenance.ts';
import type { ChannelKey } from '../publication-store.ts';
import { RESIGN_ORIGIN } from '../resign/resign-store.ts';
import type { PublishedBuild } from './compare-installed.ts';
import type { InstalledPackage, NodeProof, NodeRecord } from './node-report.ts';
import { systemSchema } from './system-store.ts';

export type PublicationKey = ChannelKey & { readonly serial: number };

/** The form of `checks_json` of a report, and of the other columns that hold JSON. */
const resultsSchema = z.array(
  z.object({ name: z.string(), passed: z.boolean(), output: z.string() }),
);
const provenChecksSchema = z.array(z.object({ name: z.string(), passedSince: z.number() }));
const wordsSchema = z.record(z.string(), z.string());
const treesSchema = z.array(
  z.object({
    id: z.string(),
    profile: z.string(),
    manifest: z.string(),
    state: z.enum(['active', 'standby', 'resident']),
    verifiedAt: z.number().nullable(),
    requires: z.string(),
  }),
);
const sentencesSchema = z.array(z.string());
const installedSchema = z.array(
  z.object({
    cpv: z.string(),
    slot: z.string(),
    buildId: z.number().nullable(),
    buildTime: z.number().nullable(),
    repository: z.string(),
    use: z.string(),
    iuse: z.string().optional(),
    provides: z.string(),
    requires: z.string().optional(),
  }),
);

/** Every column but what is large. */
const RECORD = [
  'node',
  'profile',
  'channel',
  'timestamp_seconds',
  'serial',
  'reported_at',
  'installed_count',
  'checks_json',
  'differs',
  'differences_json',
  'php_json',
  'system_json',
] as const;

/** Puts a report in the place of the node's earlier one about this profile. */
export async function replaceReport(
  queries: Queries,
  record: NodeRecord,
  installed: readonly InstalledPackage[],
  servicesDigest: string | null = null,
): Promise<void> {
  const { node, profile, ...rest } = {
    node: record.node,
    profile: record.profile,
    channel: record.channel,
    timestamp_seconds: record.timestampSeconds,
    serial: record.serial,
    reported_at: record.reportedAt,
    installed_count: record.installedCount,
    installed_json: JSON.stringify(installed),
    installed_digest: digestOfInstalled(installed),
    checks_json: JSON.stringify(record.checks),
    differs: record.differs,
    differences_json: JSON.stringify(record.differences),
    php_json: record.php === null ? null : JSON.stringify(record.php),
    system_json: record.system === null ? null : JSON.stringify(record.system),
    services_digest: servicesDigest,
  };
  await queries
    .insertInto('node_reports')
    .values({ node, profile, ...rest })
    .onConflict((conflict) => conflict.columns(['node', 'profile']).doUpdateSet(rest))
    .execute();
}

export async function replaceProof(
  queries: Queries,
  key: PublicationKey,
  proof: NodeProof,
): Promise<void> {
  const values = {
    passed_since: proof.passedSince,
    last_reported_at: proof.lastReportedAt,
    checks_json: JSON.stringify(proof.checks),
  };
  await queries
    .insertInto('publication_proofs')
    .values({
      profile: key.profile,
      channel: key.channel,
      serial: key.serial,
      node: proof.node,
      ...values,
    })
    .onConflict((conflict) =>
      conflict.columns(['profile', 'channel', 'serial', 'node']).doUpdateSet(values),
    )
    .execute();
}

export async function proofsOf(queries: Queries, key: PublicationKey): Promise<NodeProof[]> {
  const rows = await queries
    .selectFrom('publication_proofs')
    .selectAll()
    .where('profile', '=', key.profile)
    .where('channel', '=', key.channel)
    .where('serial', '=', key.serial)
    .orderBy('node')
    .execute();
  return rows.map(toProof);
}

/** The newest reports, by node and profile; of one channel when it is named. */
export async function listReports(queries: Queries, channel?: ChannelKey): Promise<NodeRecord[]> {
  let statement = queries.selectFrom('node_reports').select(RECORD);
  if (channel !== undefined) {
    statement = statement
      .where('profile', '=', channel.profile)
      .where('channel', '=', channel.channel);
  }
  return (await statement.orderBy('node').orderBy('profile').execute()).map(toRecord);
}

/** The newest report of a node about each of its profiles. */
export async function reportsOf(queries: Queries, node: string): Promise<NodeRecord[]> {
  const rows = await queries
    .selectFrom('node_reports')
    .select(RECORD)
    .where('node', '=', node)
    .orderBy('profile')
    .execute();
  return rows.map(toRecord);
}

/** What a node has said to have installed, with the base system that no binhost gave it. Newest report first. */
export async function installedOn(
  queries: Queries,
  node: string,
): Promise<
  {
    readonly profile: string;
    readonly reportedAt: number;
    readonly packages: readonly InstalledPackage[];
  }[]
> {
  const rows = await queries
    .selectFrom('node_reports')
    .select(['profile', 'reported_at', 'installed_json'])
    .where('node', '=', node)
    .orderBy('reported_at', 'desc')
    .orderBy('profile')
    .execute();
  return rows.map((row) => ({
    profile: row.profile,
    reportedAt: row.reported_at,
    packages: installedSchema.parse(JSON.parse(row.installed_json)),
  }));
}

/** A report as far as it has to be known to read what is installed. */
export interface ReportKey {
  readonly node: string;
  /** Reports with the same have the same installed. */
  readonly content: string;
}

/** Of each node that has reported about a profile since then, what it has installed, by digest. */
export async function reportKeys(
  queries: Queries,
  profile: string,
  since: number,
): Promise<ReportKey[]> {
  const rows = await queries
    .selectFrom('node_reports')
    .select(['node', 'reported_at', 'installed_digest'])
    .where('profile', '=', profile)
    .where('reported_at', '>=', since)
    .orderBy('node')
    .execute();
  return rows.map((row) => ({ node: row.node, content: reportContent(row) }));
}

/** What a report has; undefined when the node has reported something else by now. */
export async function installedIn(
  queries: Queries,
  profile: string,
  { node, content }: ReportKey,
): Promise<readonly InstalledPackage[] | undefined> {
  const row = await queries
    .selectFrom('node_reports')
    .select(['node', 'reported_at', 'installed_digest', 'installed_json'])
    .where('profile', '=', profile)
    .where('node', '=', node)
    .executeTakeFirst();
  return row === undefined || reportContent(row) !== content
    ? undefined
    : installedSchema.parse(JSON.parse(row.installed_json));
}

/** Reports with the same have the same installed. */
export function reportContent(
  row: Pick<NodeReportRow, 'node' | 'reported_at' | 'installed_digest'>,
): string {
  return row.installed_digest ?? `${row.node} ${row.reported_at}`;
}

/** What the nodes with this content have installed; undefined when there are none. */
export async function installedByContent(
  queries: Queries,
  content: string,
): Promise<readonly InstalledPackage[] | undefined> {
  const [node, reportedAt] = content.split(' ');
  const statement = queries.selectFrom('node_reports').select('installed_json');
  const row = await (reportedAt === undefined
    ? statement.where('installed_digest', '=', content)
    : statement
        .where('node', '=', node ?? '')
        .where('reported_at', '=', Number(reportedAt))
        .where('installed_digest', 'is', null)
  )
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : installedSchema.parse(JSON.parse(row.installed_json));
}

/** Whole fleets report the same, but for when and from where each machine got it. */
function digestOfInstalled(installed: readonly InstalledPackage[]): string {
  const told = installed.map(({ cpv, slot, buildId, use, iuse, provides, requires }) =>
    JSON.stringify(
      requires === undefined
        ? [cpv, slot, buildId, use, iuse, provides]
        : [cpv, slot, buildId, use, iuse, provides, requires],
    ),
  );
  return digestOf('sha256', told.toSorted().join('\n'));
}

/** Publications that a node has said to use, with when it did last; `since` in epoch milliseconds. */
export async function publicationsInUse(
  queries: Queries,
  since: number,
): Promise<(PublicationKey & { readonly node: string; readonly reportedAt: number })[]> {
  const rows = await queries
    .selectFrom('node_reports')
    .select(['profile', 'channel', 'serial', 'node', 'reported_at'])
    .where('reported_at', '>=', since)
    .orderBy('profile')
    .orderBy('channel')
    .orderBy('node')
    .execute();
  return rows.flatMap(({ serial, reported_at: reportedAt, ...row }) =>
    serial === null ? [] : [{ ...row, serial, reportedAt }],
  );
}

/** Returns how many rows went. */
export async function deleteNode(
  queries: Queries,
  node: string,
): Promise<{ readonly reports: number; readonly proofs: number }> {
  const reports = await queries
    .deleteFrom('node_reports')
    .where('node', '=', node)
    .returning('profile')
    .execute();
  const proofs = await queries
    .deleteFrom('publication_proofs')
    .where('node', '=', node)
    .returning('serial')
    .execute();
  return { reports: reports.length, proofs: proofs.length };
}

export async function publicationAt(
  queries: Queries,
  key: ChannelKey,
  timestampSeconds: number,
): Promise<{ readonly serial: number; readonly snapshotId: string } | undefined> {
  return await queries
    .selectFrom('publications')
    .select(['serial', 'snapshot_id as snapshotId'])
    .where('profile', '=', key.profile)
    .where('channel', '=', key.channel)
    .where('timestamp_seconds', '=', timestampSeconds)
    .executeTakeFirst();
}

/** The builds with these package ids. What signing again changed is no other build. */
export async function buildsOf(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PublishedBuild>> {
  const builds = new Map<string, PublishedBuild>();
  for (const chunk of chunksOf(ids)) {
    const rows = await queries
      .selectFrom('packages')
      .select(['id', 'cpv', 'build_id as buildId', 'build_time_seconds as buildTimeSeconds'])
      .where('id', 'in', chunk)
      .execute();
    const former = await formerBuildIdsOf(queries, chunk);
    for (const { id, ...build } of rows) {
      builds.set(id, { ...build, formerBuildIds: former.get(id) ?? [] });
    }
  }
  return builds;
}

async function formerBuildIdsOf(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const rows = await queries
    .selectFrom('packages')
    .select(['id', 'metadata_json as metadata'])
    .where('id', 'in', ids)
    .where('origin', 'like', `${RESIGN_ORIGIN}%`)
    .execute();
  return new Map(
    rows.map(({ id, metadata }) => {
      const text = wordsSchema.parse(JSON.parse(metadata))[PROVENANCE_KEY] ?? '{}';
      return [id, formerBuildIdsIn(text)];
    }),
  );
}

/** What the nodes have proven of one publication holds for the other one as well: their images are the same. */
export async function copyProofs(
  queries: Queries,
  from: PublicationKey,
  to: PublicationKey,
): Promise<void> {
  for (const proof of await proofsOf(queries, from)) {
    await replaceProof(queries, to, proof);
  }
}

function toRecord(row: Pick<Selectable<NodeReportRow>, (typeof RECORD)[number]>): NodeRecord {
  return {
    node: row.node,
    profile: row.profile,
    channel: row.channel,
    timestampSeconds: row.timestamp_seconds,
    serial: row.serial,
    reportedAt: row.reported_at,
    installedCount: row.installed_count,
    checks: resultsSchema.parse(JSON.parse(row.checks_json)),
    differs: row.differs,
    differences: sentencesSchema.parse(JSON.parse(row.differences_json)),
    php: row.php_json === null ? null : treesSchema.parse(JSON.parse(row.php_json)),
    system: row.system_json === null ? null : systemSchema.parse(JSON.parse(row.system_json)),
  };
}

function toProof(row: Selectable<PublicationProofRow>): NodeProof {
  return {
    node: row.node,
    passedSince: row.passed_since,
    lastReportedAt: row.last_reported_at,
    checks: provenChecksSchema.parse(JSON.parse(row.checks_json)),
  };
}
