import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { requireUnmoved } from '../../src/repository/channel.ts';
import { differenceOf } from '../../src/repository/difference/snapshot-difference.ts';
import type { Allowance } from '../../src/repository/gate/gate-store.ts';
import { type JudgedFinding, rebuildsFor } from '../../src/repository/gate/pass-gate.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type {
  PublicationKind,
  PublicationRecord,
  SnapshotRecord,
} from '../../src/repository/publication.ts';
import type { ChannelDeed, PackageQuery, Repository } from '../../src/repository/repository.ts';
import type { Clock } from '../../src/support/clock.ts';
import { AppError } from '../../src/support/errors.ts';
import { unusedRetention } from '../support/unused-retention.ts';

export const FINGERPRINT = '0123456789ABCDEF0123456789ABCDEF01234567';

/** A package with everything that a page shows; what matters to a test is given. */
export function packageRecord(
  given: Partial<PackageRecord> & { readonly cpv: string },
): PackageRecord {
  const [category = '', pf = ''] = given.cpv.split('/');
  const pn = pf.replace(/-\d.*$/, '');
  const buildId = given.buildId ?? 1;
  return {
    id: `pkg-${given.profile ?? 'web-zen4'}-${pf}-${buildId}`,
    profile: 'web-zen4',
    category,
    pn,
    slot: '0',
    buildId,
    path: `${category}/${pn}/${pf}-${buildId}.gpkg.tar`,
    size: 1_468_006,
    md5: 'a'.repeat(32),
    sha1: 'b'.repeat(40),
    sha512: 'c'.repeat(128),
    mtimeSeconds: 1_767_000_000,
    buildTimeSeconds: 1_767_000_000,
    uploadSha512: 'd'.repeat(128),
    keyFingerprint: FINGERPRINT,
    inputs: null,
    origin: 'push:first-builder',
    metadata: { DESCRIPTION: `What ${pn} does`, USE: 'amd64 ssl', IUSE: '+ssl doc', SLOT: '0' },
    stanza: '',
    importedAt: 1_767_000_100_000,
    ...given,
  };
}

/** The repository as its interface tells it, in memory. Uploads lie in a folder, and are removed as promised. */
export class FakeRepository implements Repository {
  readonly retention = unusedRetention();
  readonly packages: PackageRecord[] = [];
  readonly published: PublicationRecord[] = [];
  readonly snapshots = new Map<string, readonly string[]>();
  readonly uploads = mkdtempSync(join(tmpdir(), 'rookery-uploads-'));
  readonly #clock: Clock;
  readonly #maxUploadBytes: number;
  #uploadCount = 0;

  constructor(clock: Clock, maxUploadBytes = 1024 * 1024) {
    this.#clock = clock;
    this.#maxUploadBytes = maxUploadBytes;
  }

  add(given: Partial<PackageRecord> & { readonly cpv: string }): PackageRecord {
    const record = packageRecord(given);
    this.packages.push(record);
    return record;
  }

  async receiveUpload(
    stream: Readable,
    expected: { readonly sha512: string; readonly size?: number },
  ): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      const source: AsyncIterable<Buffer> = stream;
      for await (const chunk of source) {
        size += chunk.length;
        if (size > this.#maxUploadBytes) {
          throw new AppError(
            'upload-too-large',
            `The upload has more than ${this.#maxUploadBytes} bytes.`,
          );
        }
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof AppError) {
        throw error;
      }
      throw new AppError('upload-truncated', `The upload ended after ${size} bytes.`, {
        cause: error,
      });
    }
    const bytes = Buffer.concat(chunks);
    const sha512 = createHash('sha512').update(bytes).digest('hex');
    if (sha512 !== expected.sha512) {
      throw new AppError('upload-digest-mismatch', `The upload has the SHA-512 ${sha512}.`);
    }
    this.#uploadCount += 1;
    const file = join(this.uploads, `upload-${this.#uploadCount}`);
    await writeFile(file, bytes);
    return file;
  }

  async discardUpload(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  async importPackage(request: Parameters<Repository['importPackage']>[0]) {
    const bytes = await readFile(request.file);
    await rm(request.file);
    const known = await this.findPackageByUpload(request.profile, request.uploadSha512);
    if (known !== undefined) {
      return { package: known, created: false };
    }
    const text = bytes.toString('utf8');
    if (!text.startsWith('package ')) {
      throw new AppError('gpkg-invalid', 'The file is not a GPKG package.');
    }
    const record = this.add({
      profile: request.profile,
      cpv: text.slice('package '.length).trim(),
      uploadSha512: request.uploadSha512,
      origin: request.origin,
      size: bytes.length,
    });
    return { package: record, created: true };
  }

  async findPackage(id: string): Promise<PackageRecord | undefined> {
    return this.packages.find((record) => record.id === id);
  }

  async findPackageByUpload(
    profile: string,
    uploadSha512: string,
  ): Promise<PackageRecord | undefined> {
    return this.packages.find(
      (record) => record.profile === profile && record.uploadSha512 === uploadSha512,
    );
  }

  async findPackageByInputs(profile: string, inputs: string): Promise<PackageRecord | undefined> {
    return this.packages.find((record) => record.profile === profile && record.inputs === inputs);
  }

  async packagesByCpv(profile: string, cpv: string): Promise<PackageRecord[]> {
    return this.packages
      .filter((record) => record.profile === profile && record.cpv === cpv)
      .toSorted((one, other) => other.buildId - one.buildId);
  }

  async searchPackages(query: PackageQuery) {
    const current =
      query.channel === undefined
        ? undefined
        : await this.currentPublication(query.profile, query.channel);
    const ids = current === undefined ? [] : (this.snapshots.get(current.snapshotId) ?? []);
    const words = query.search?.toLowerCase() ?? '';
    const found = this.packages.filter(
      (record) =>
        record.profile === query.profile &&
        (query.channel === undefined || ids.includes(record.id)) &&
        `${record.cpv} ${record.metadata['DESCRIPTION'] ?? ''}`.toLowerCase().includes(words),
    );
    const page = found.slice(query.offset, query.offset + query.limit);
    return { packages: page, total: found.length };
  }

  async newestPackages(profile: string): Promise<PackageRecord[]> {
    return this.packages.filter((record) => record.profile === profile);
  }

  async publish(request: Parameters<Repository['publish']>[0]): Promise<PublicationRecord> {
    const all = this.packages.filter(({ profile }) => profile === request.profile);
    const ids = request.packageIds ?? all.map(({ id }) => id);
    const unknown = ids.find((id) => !all.some((record) => record.id === id));
    if (unknown !== undefined) {
      throw new AppError('unknown-package', `There is no package ${unknown}.`);
    }
    const snapshotId = `snap-${this.snapshots.size + 1}`;
    this.snapshots.set(snapshotId, ids);
    return this.#release(request, snapshotId, 'publish');
  }

  async promote(request: Parameters<Repository['promote']>[0]): Promise<PublicationRecord> {
    const from = request.from ?? 'testing';
    const source = (await this.publications(request.profile, from, 1000)).find(
      ({ serial }) => request.serial === undefined || serial === request.serial,
    );
    if (source === undefined) {
      throw new AppError('nothing-to-promote', `The channel ${from} shows nothing.`);
    }
    return this.#release(request, source.snapshotId, 'promote');
  }

  async rollback(request: Parameters<Repository['rollback']>[0]): Promise<PublicationRecord> {
    const [current, ...earlier] = await this.publications(request.profile, request.channel, 1000);
    const target = earlier.find((made) =>
      request.serial === undefined
        ? made.snapshotId !== current?.snapshotId
        : made.serial === request.serial,
    );
    if (target === undefined) {
      throw new AppError(
        'nothing-to-roll-back',
        `The channel ${request.channel} showed nothing else.`,
      );
    }
    return this.#release(request, target.snapshotId, 'rollback');
  }

  #release(
    request: ChannelDeed & { readonly requestId?: string },
    snapshotId: string,
    kind: PublicationKind,
  ): PublicationRecord {
    const { profile, channel, author, reason } = request;
    const before = this.published.filter(
      (made) => made.profile === profile && made.channel === channel,
    );
    requireUnmoved({ profile, channel }, before.at(-1), request.expected);
    const made = {
      profile,
      channel,
      serial: before.length + 1,
      snapshotId,
      timestampSeconds: Math.floor(this.#clock.now() / 1000),
      createdAt: this.#clock.now(),
      author,
      reason,
      kind,
      requestId: request.requestId ?? null,
      packageCount: this.snapshots.get(snapshotId)?.length ?? 0,
      forced: null,
    };
    this.published.push(made);
    return made;
  }

  readonly findings: JudgedFinding[] = [];
  readonly allowed: Allowance[] = [];

  async check() {
    return { findings: this.findings, rebuild: rebuildsFor(this.findings) };
  }

  async partToPublish({ packageIds }: { readonly packageIds: readonly string[] }) {
    return { serial: 0, packageIds, leftOut: [] };
  }

  async toRebuild() {
    return [];
  }

  async publicationOfRequest(key: {
    readonly profile: string;
    readonly channel: string;
    readonly requestId: string;
  }): Promise<PublicationRecord | undefined> {
    const all = await this.publications(key.profile, key.channel, 1000);
    return all.find(({ requestId }) => requestId === key.requestId);
  }

  async lastRefusal(): Promise<undefined> {
    return undefined;
  }

  async allowances(): Promise<Allowance[]> {
    return this.allowed;
  }

  async compare({ profile, before, after }: Parameters<Repository['compare']>[0]) {
    const find = ({ channel, serial }: typeof before): PublicationRecord | undefined =>
      this.published.findLast(
        (made) =>
          made.profile === profile &&
          made.channel === channel &&
          (serial === undefined || made.serial === serial),
      );
    const [old, now] = [find(before), find(after)];
    const [oldPackages, nowPackages] = await Promise.all(
      [old, now].map(async (made) => await this.packagesOfSnapshot(made?.snapshotId ?? '')),
    );
    const difference = differenceOf(oldPackages ?? [], nowPackages ?? []);
    return { before: old ?? null, after: now ?? null, ...difference };
  }

  async currentPublication(
    profile: string,
    channel: string,
  ): Promise<PublicationRecord | undefined> {
    return (await this.publications(profile, channel, 1))[0];
  }

  async publications(
    profile: string,
    channel: string,
    limit: number,
  ): Promise<PublicationRecord[]> {
    return this.published
      .filter((made) => made.profile === profile && made.channel === channel)
      .toReversed()
      .slice(0, limit);
  }

  async findSnapshot(): Promise<SnapshotRecord | undefined> {
    return undefined;
  }

  async packagesOfSnapshot(id: string): Promise<PackageRecord[]> {
    const ids = this.snapshots.get(id) ?? [];
    return this.packages.filter((record) => ids.includes(record.id));
  }

  async stage(): Promise<void> {}

  async staged(): Promise<string[]> {
    return [];
  }

  async unstage(): Promise<void> {}

  async recover(): Promise<void> {}
}
