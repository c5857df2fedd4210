import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import * as z from 'zod';
import type { Database } from '../../src/database/database.ts';
import type { PackageRow } from '../../src/database/tables.ts';
import { parseCpv } from '../../src/gentoo/cpv.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { PublicationRecord } from '../../src/repository/publication.ts';
import type { Repository } from '../../src/repository/repository.ts';
import type { Clock } from '../../src/support/clock.ts';
import { AppError } from '../../src/support/errors.ts';
import { newId } from '../../src/support/ids.ts';
import { unusedRetention } from '../support/unused-retention.ts';

const uploadSchema = z.object({ cpv: z.string(), nonce: z.string() });

/** What an agent of these tests uploads: a package is the JSON of its CPV and something that makes it unique. */
export function packageBytes(cpv: string, nonce: string): Buffer {
  return Buffer.from(JSON.stringify({ cpv, nonce }));
}

export function sha512Of(bytes: Uint8Array): string {
  return createHash('sha512').update(bytes).digest('hex');
}

/** What stays of a repository while the server is down: its disk. Package records are rows of the database. */
export class FakeDisk {
  readonly uploads = new Map<string, Buffer>();
  readonly staged = new Map<string, readonly string[]>();
  readonly publications: PublicationRecord[] = [];
  readonly publishedIds = new Map<string, readonly string[]>();
  /** Called while a tree is staged. */
  onStage: () => unknown = () => undefined;
  /** Called before the trees are listed. */
  onListStaged: () => Promise<void> = async () => undefined;
  /** What the gate would say. */
  partToPublish: Repository['partToPublish'] = async ({ packageIds }) => ({
    serial: this.publications.length,
    packageIds,
    leftOut: [],
  });
  toRebuild: Repository['toRebuild'] = async () => [];
  /** What the gate of every channel wants rebuilt. */
  broken: readonly string[] = [];
  /** Thrown by the next calls of that name. */
  readonly faults: { call: 'stage' | 'publish'; error: unknown }[] = [];

  failNext(call: 'stage' | 'publish', error: unknown): void {
    this.faults.push({ call, error });
  }

  takeFault(call: 'stage' | 'publish'): void {
    const index = this.faults.findIndex((fault) => fault.call === call);
    if (index >= 0) {
      throw this.faults.splice(index, 1)[0]?.error;
    }
  }
}

/** As faithful as the build room can tell: records in the database, the rest in memory. */
export function createFakeRepository(database: Database, disk: FakeDisk, clock: Clock): Repository {
  return {
    ...packageCalls(database, disk, clock),
    ...publishingCalls(disk, clock),
    retention: unusedRetention(),
    stage: async (name, _profile, packageIds) => {
      await turn();
      disk.takeFault('stage');
      await disk.onStage();
      if (disk.staged.has(name)) {
        throw new Error(`the staging tree ${name} is used twice`);
      }
      disk.staged.set(name, [...packageIds]);
    },
    staged: async () => {
      await disk.onListStaged();
      return [...disk.staged.keys()];
    },
    unstage: async (name) => {
      await turn();
      disk.staged.delete(name);
    },
    check: async () => ({ findings: [], rebuild: disk.broken }),
    partToPublish: async (request) => await disk.partToPublish(request),
    toRebuild: async (request) => await disk.toRebuild(request),
    allowances: async () => [],
    lastRefusal: async () => undefined,
    compare: async () => {
      throw new Error('nobody compares publications here');
    },
    recover: async () => undefined,
  };
}

function packageCalls(
  database: Database,
  disk: FakeDisk,
  clock: Clock,
): Pick<
  Repository,
  | 'discardUpload'
  | 'receiveUpload'
  | 'importPackage'
  | 'findPackage'
  | 'findPackageByUpload'
  | 'findPackageByInputs'
  | 'packagesByCpv'
  | 'searchPackages'
  | 'newestPackages'
> {
  const rows = database.selectFrom('packages').selectAll();
  const byUpload = async (profile: string, digest: string): Promise<PackageRecord | undefined> => {
    const row = await rows
      .where('profile', '=', profile)
      .where('upload_sha512', '=', digest)
      .executeTakeFirst();
    return row && toRecord(row);
  };
  const byCpv = async (profile: string, cpv: string): Promise<PackageRecord[]> => {
    const found = await rows
      .where('profile', '=', profile)
      .where('cpv', '=', cpv)
      .orderBy('build_id', 'desc')
      .execute();
    return found.map(toRecord);
  };
  return {
    receiveUpload: async (stream, expected) => await receive(disk, stream, expected),
    discardUpload: async (file) => {
      disk.uploads.delete(file);
    },
    importPackage: async (request) => {
      await turn();
      const bytes = disk.uploads.get(request.file);
      disk.uploads.delete(request.file);
      const known = await byUpload(request.profile, request.uploadSha512);
      if (known !== undefined) {
        expectCpv(request.expectedCpv, known.cpv);
        return { package: known, created: false };
      }
      const { cpv } = uploadSchema.parse(JSON.parse(bytes?.toString() ?? ''));
      expectCpv(request.expectedCpv, cpv);
      const buildId = ((await byCpv(request.profile, cpv))[0]?.buildId ?? 0) + 1;
      const row = newRow({ ...request, cpv, buildId, now: clock.now() });
      await database.insertInto('packages').values(row).execute();
      return { package: toRecord(row), created: true };
    },
    findPackage: async (id) => {
      const row = await rows.where('id', '=', id).executeTakeFirst();
      return row && toRecord(row);
    },
    findPackageByUpload: byUpload,
    findPackageByInputs: async (profile, inputs) => {
      const row = await rows
        .where('profile', '=', profile)
        .where('inputs', '=', inputs)
        .orderBy('build_id', 'desc')
        .executeTakeFirst();
      return row && toRecord(row);
    },
    packagesByCpv: byCpv,
    searchPackages: async ({ profile }) => {
      const found = (await rows.where('profile', '=', profile).execute()).map(toRecord);
      return { packages: found, total: found.length };
    },
    newestPackages: async (profile) => {
      const found = (await rows.where('profile', '=', profile).orderBy('build_id').execute()).map(
        toRecord,
      );
      return [...new Map(found.map((record) => [record.cpv, record])).values()];
    },
  };
}

async function receive(
  disk: FakeDisk,
  stream: Readable,
  expected: { readonly sha512: string },
): Promise<string> {
  const chunks: Buffer[] = [];
  const source: AsyncIterable<Buffer> = stream;
  for await (const chunk of source) {
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (sha512Of(bytes) !== expected.sha512) {
    throw new AppError('upload-digest-mismatch', 'The upload is not what was announced.');
  }
  const file = newId('upload');
  disk.uploads.set(file, bytes);
  return file;
}

function publishingCalls(
  disk: FakeDisk,
  clock: Clock,
): Pick<
  Repository,
  | 'publish'
  | 'promote'
  | 'rollback'
  | 'currentPublication'
  | 'publicationOfRequest'
  | 'publications'
  | 'findSnapshot'
  | 'packagesOfSnapshot'
> {
  return {
    publish: async (request) => {
      await turn();
      disk.takeFault('publish');
      if (request.expected !== undefined && request.expected !== disk.publications.length) {
        throw new AppError('channel-moved', 'Somebody else has published.');
      }
      const same = disk.publications.find(
        ({ requestId, channel }) => requestId === request.requestId && channel === request.channel,
      );
      if (same !== undefined) {
        return same;
      }
      const record: PublicationRecord = {
        profile: request.profile,
        channel: request.channel,
        serial: disk.publications.length + 1,
        snapshotId: newId('snapshot'),
        timestampSeconds: Math.floor(clock.now() / 1000),
        createdAt: clock.now(),
        author: request.author,
        reason: request.reason,
        kind: 'publish',
        requestId: request.requestId ?? null,
        packageCount: request.packageIds?.length ?? 0,
        forced: request.force === true ? { missing: ['forced'] } : null,
      };
      disk.publications.push(record);
      disk.publishedIds.set(request.requestId ?? '', request.packageIds ?? []);
      return record;
    },
    promote: refuse,
    rollback: refuse,
    publicationOfRequest: async ({ requestId, channel }) =>
      disk.publications.find((made) => made.requestId === requestId && made.channel === channel),
    currentPublication: async () => disk.publications.at(-1),
    publications: async () => disk.publications.toReversed(),
    findSnapshot: async () => undefined,
    packagesOfSnapshot: async () => [],
  };
}

async function refuse(): Promise<never> {
  throw new Error('the build room does not ask for this');
}

function newRow(from: {
  readonly profile: string;
  readonly cpv: string;
  readonly buildId: number;
  readonly uploadSha512: string;
  readonly origin: string;
  readonly inputs?: string;
  readonly now: number;
}): Omit<PackageRow, 'search_text'> {
  const { category, pn, pf } = parseCpv(from.cpv);
  return {
    id: newId('pkg'),
    profile: from.profile,
    category,
    pn,
    cpv: from.cpv,
    slot: '0',
    build_id: from.buildId,
    path: `${category}/${pn}/${pf}-${from.buildId}.gpkg.tar`,
    size: 1,
    md5: 'm',
    sha1: 's',
    sha512: sha512Of(Buffer.from(from.uploadSha512)),
    mtime_seconds: 1,
    build_time_seconds: Math.floor(from.now / 1000),
    upload_sha512: from.uploadSha512,
    key_fingerprint: 'F',
    inputs: from.inputs ?? null,
    origin: from.origin,
    metadata_json: '{}',
    stanza: '',
    imported_at: from.now,
  };
}

function toRecord(row: Omit<PackageRow, 'search_text'>): PackageRecord {
  return {
    id: row.id,
    profile: row.profile,
    category: row.category,
    pn: row.pn,
    cpv: row.cpv,
    slot: row.slot,
    buildId: row.build_id,
    path: row.path,
    size: row.size,
    md5: row.md5,
    sha1: row.sha1,
    sha512: row.sha512,
    mtimeSeconds: row.mtime_seconds,
    buildTimeSeconds: row.build_time_seconds,
    uploadSha512: row.upload_sha512,
    keyFingerprint: row.key_fingerprint,
    inputs: row.inputs,
    origin: row.origin,
    metadata: {},
    stanza: row.stanza,
    importedAt: row.imported_at,
  };
}

function expectCpv(expected: string | undefined, cpv: string): void {
  if (expected !== undefined && cpv !== expected) {
    throw new AppError('package-unexpected', `This is ${cpv}, but ${expected} is expected.`);
  }
}
