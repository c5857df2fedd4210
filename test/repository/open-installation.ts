import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../src/database/database.ts';
import type { HardwareProfile } from '../../src/gentoo/profile.ts';
import type { RetentionPolicy } from '../../src/gentoo/retention-policy.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { CheckTask } from '../../src/repository/check/repository-check.ts';
import { openRepository, type RepositoryOptions } from '../../src/repository/create-repository.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { createProofs, type Proofs } from '../../src/repository/proof/proofs.ts';
import type { Repository } from '../../src/repository/repository.ts';
import type { ResignTask } from '../../src/repository/resign/resign-task.ts';
import type { CollectionTask } from '../../src/repository/retention/collection-task.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import type { Clock } from '../../src/support/clock.ts';
import { digestFile } from '../../src/support/digests.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { testPlace } from '../support/test-database.ts';
import { catalogOf, makeProfile } from './make-package.ts';

export const PROFILES = [
  makeProfile('web'),
  makeProfile('old', { channels: ['stable'] }),
  makeProfile('strict', {
    promotion: {
      stable: { nodes: 2, checks: ['http'], soakMs: 3_600_000, withinMs: 86_400_000 },
    },
  }),
  makeProfile('v2', { flags: { CFLAGS: '-O2 -march=x86-64-v2' } }),
];
export const DEED = { author: 'token:admin', reason: 'because' };

export interface Installation {
  readonly folders: { readonly state: string; readonly mirrorRoot: string };
  /** Where the database is. */
  readonly place: string;
  readonly database: Database;
  readonly journal: Journal;
  readonly repository: Repository;
  readonly check: CheckTask;
  readonly collection: CollectionTask;
  readonly resign: ResignTask;
  readonly proofs: Proofs;
  readonly publicKey: string;
  readonly fingerprint: string;
  /** Other profiles than before, as after an administrator has changed them. */
  setProfiles(profiles: readonly HardwareProfile[]): void;
  /** Another repository object on the same folders and database, as after a restart. */
  restarted(): Repository;
  /** As `restarted`, with its check. */
  reopened(): ReturnType<typeof openRepository>;
  close(): Promise<void>;
}

/** A key of its own, kept below `folder`. */
export async function openTestSigner(
  folder: string,
  clock: Clock,
  validDays = 30,
): Promise<Signer> {
  return await openSigner({
    folder: join(folder, 'signing'),
    name: 'Test',
    email: 'test@example.org',
    validDays,
    clock,
  });
}

/** A policy that keeps no more than it has to. */
export function keepingLittle(graceMs: number, packagesMs = graceMs): RetentionPolicy {
  return {
    keepLast: 1,
    daily: 0,
    weekly: 0,
    monthly: 0,
    reportedWithinMs: 0,
    graceMs,
    packagesMs,
  };
}

/** Profiles with this policy, and a key that outlives it. */
export function keeping(retention: RetentionPolicy): {
  readonly profiles: readonly HardwareProfile[];
  readonly keyDays: number;
} {
  return { profiles: PROFILES.map((one) => ({ ...one, retention })), keyDays: 3650 };
}

/** A repository with real files, a real database and a real key, below `folder`. */
export async function openInstallation(
  folder: string,
  clock: Clock,
  options: {
    readonly profiles?: readonly HardwareProfile[];
    readonly keyDays?: number;
    readonly place?: string;
    readonly consumers?: NonNullable<RepositoryOptions['consumers']>;
  } = {},
): Promise<Installation> {
  let profiles = options.profiles ?? PROFILES;
  const folders = { state: join(folder, 'state'), mirrorRoot: join(folder, 'mirror-root') };
  await mkdir(folders.state, { recursive: true });
  const place = options.place ?? (await testPlace(join(folders.state, 'rookery.sqlite')));
  const database = await openDatabase(place, clock);
  const journal = new Journal(database, clock);
  const signer = await openTestSigner(folders.state, clock, options.keyDays ?? 30);
  const opened = (): ReturnType<typeof openRepository> =>
    openRepository({
      database,
      journal,
      clock,
      log: silentLog(),
      locks: new Locks(),
      signer,
      profiles: catalogOf(() => profiles),
      folders,
      maxUploadBytes: 4 * 1024 * 1024,
      ...(options.consumers === undefined ? {} : { consumers: options.consumers }),
    });
  return {
    folders,
    place,
    database,
    journal,
    ...opened(),
    publicKey: signer.publicKey,
    restarted: () => opened().repository,
    reopened: opened,
    proofs: createProofs({
      database,
      journal,
      clock,
      locks: new Locks(),
      profiles: catalogOf(() => profiles),
    }),
    fingerprint: signer.primaryFingerprint,
    setProfiles: (changed) => {
      profiles = changed;
    },
    close: async () => {
      await database.destroy();
    },
  };
}

/** Uploads a package file and imports it. */
export async function push(
  repository: Repository,
  file: string,
  options: {
    readonly profile?: string;
    readonly inputs?: string;
    readonly expectedCpv?: string;
  } = {},
): Promise<{ readonly package: PackageRecord; readonly created: boolean }> {
  const { size, digests } = await digestFile(file, ['sha512']);
  const sha512 = digests.of('sha512');
  const upload = await repository.receiveUpload(createReadStream(file), { sha512, size });
  return await repository.importPackage({
    profile: options.profile ?? 'web',
    file: upload,
    uploadSha512: sha512,
    origin: 'push:test',
    actor: 'token:test',
    ...(options.inputs === undefined ? {} : { inputs: options.inputs }),
    ...(options.expectedCpv === undefined ? {} : { expectedCpv: options.expectedCpv }),
  });
}
