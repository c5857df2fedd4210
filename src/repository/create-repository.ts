import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { AnyPackageSigner } from '../binpkg/package-signer.ts';
import type { Database } from '../database/database.ts';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Journal } from '../journal/journal.ts';
import type { Clock } from '../support/clock.ts';
import { DiskSpace } from '../support/disk-space.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { unlessDamaged } from './check/damage-record.ts';
import { damagedPackages } from './check/file-check-store.ts';
import { CheckTask } from './check/repository-check.ts';
import { comparePublications } from './difference/compare-publications.ts';
import { checkChannel } from './gate/check-channel.ts';
import { allowancesOf } from './gate/gate-store.ts';
import { partToPublish } from './gate/part-to-publish.ts';
import { ReportedBase } from './gate/reported-base.ts';
import { SnapshotChecker } from './gate/snapshot-checker.ts';
import { toRebuild } from './gate/to-rebuild.ts';
import type { TreeNeeds } from './gate/tree-findings.ts';
import { importPackage } from './import-package.ts';
import { Intents, type ServerNames } from './intents.ts';
import { createLayout } from './layout.ts';
import {
  findPackage,
  findPackageByInputs,
  findPackageByUpload,
  newestPackages,
  packagesByCpv,
} from './package-store.ts';
import { Pool } from './pool.ts';
import { promoteChannel } from './promote-channel.ts';
import { newestPublication, publicationOfRequest, publicationsOf } from './publication-store.ts';
import { publishSnapshot } from './publish-snapshot.ts';
import { readPackages } from './read-packages.ts';
import { receiveUpload } from './receive-upload.ts';
import { recoverRepository } from './recover-repository.ts';
import { findLastRefusal } from './refusal.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { ResignTask } from './resign/resign-task.ts';
import { CollectionTask } from './retention/collection-task.ts';
import { createRetention } from './retention/create-retention.ts';
import { rollBackChannel } from './roll-back-channel.ts';
import { sayingWhatIsWritten } from './saying-what-is-written.ts';
import { findSnapshot, packagesOfSnapshot } from './snapshot-store.ts';
import { stagedNames, stagePackages, unstagePackages } from './stage-packages.ts';
import { TemporaryFiles } from './temporary-files.ts';

export interface RepositoryOptions {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: Locks;
  /** The key that signs, or what tells which one does so now. */
  readonly signer: AnyPackageSigner | (() => AnyPackageSigner);
  /** Fingerprints of the keys whose signatures nodes accept now. Absent: only that of the signer. */
  readonly currentKeys?: () => ReadonlySet<string>;
  /** PHP trees that nodes of a profile may fetch, and what they need of the system. Absent: none. */
  readonly consumers?: (profile: string) => Promise<readonly TreeNeeds[]>;
  readonly profiles: ProfileCatalog;
  readonly folders: { readonly state: string; readonly mirrorRoot: string };
  readonly maxUploadBytes: number;
  /** Absent: uploads are accepted until the disk is full. */
  readonly space?: DiskSpace;
  /** Given where several servers share the folders. */
  readonly servers?: ServerNames;
}

/** As `openRepository`, without what it does in the background. */
export function createRepository(options: RepositoryOptions): Repository {
  return openRepository(options).repository;
}

/** The repository of an installation. Call `recover` before anything else. */
export function openRepository(options: RepositoryOptions): {
  readonly repository: Repository;
  readonly check: CheckTask;
  readonly collection: CollectionTask;
  readonly resign: ResignTask;
} {
  const context = createContext(options);
  const repository = sayingWhatIsWritten(
    repositoryOf(context, options.maxUploadBytes, options.space ?? new DiskSpace([], 0)),
  );
  return {
    repository,
    check: new CheckTask(context),
    collection: new CollectionTask(repository.retention, context),
    resign: new ResignTask(context),
  };
}

function repositoryOf(
  context: RepositoryContext,
  maxUploadBytes: number,
  space: DiskSpace,
): Repository {
  const { database, uploads, layout } = context;
  return {
    receiveUpload: async (stream, expected) =>
      await receiveUpload(
        { uploads, folder: layout.uploads, maxBytes: maxUploadBytes, space },
        stream,
        expected,
      ),
    discardUpload: async (file) => {
      await uploads.discard(file);
    },
    importPackage: async (request) => await importPackage(context, request),
    findPackage: async (id) => await findPackage(database, id),
    findPackageByUpload: async (profile, sha512) =>
      await unlessDamaged(database, await findPackageByUpload(database, profile, sha512)),
    findPackageByInputs: async (profile, inputs) =>
      await unlessDamaged(database, await findPackageByInputs(database, profile, inputs)),
    packagesByCpv: async (profile, cpv) => await packagesByCpv(database, profile, cpv),
    searchPackages: async (query) => await readPackages(context, query),
    newestPackages: async (profile) => await newestPackages(database, profile),
    publish: async (request) => await publishSnapshot(context, request),
    promote: async (request) => await promoteChannel(context, request),
    rollback: async (request) => await rollBackChannel(context, request),
    check: async (request) => await checkChannel(context, request),
    partToPublish: async (request) => await partToPublish(context, request),
    toRebuild: async (request) => await toRebuild(context, request),
    allowances: async (key) => await allowancesOf(database, key),
    lastRefusal: async (key) => await findLastRefusal(context.journal, key),
    compare: async (request) => await comparePublications(context, request),
    currentPublication: async (profile, channel) =>
      await newestPublication(database, { profile, channel }),
    publicationOfRequest: async (key) => await publicationOfRequest(database, key),
    publications: async (profile, channel, limit) =>
      await publicationsOf(database, { profile, channel }, limit),
    findSnapshot: async (id) => await findSnapshot(database, id),
    packagesOfSnapshot: async (id) => await packagesOfSnapshot(database, id),
    stage: async (name, profile, packageIds) => {
      await stagePackages(context, name, profile, packageIds);
    },
    staged: async () => await stagedNames(context),
    unstage: async (name) => {
      await unstagePackages(context, name);
    },
    retention: createRetention(context),
    recover: async (options) => {
      await recoverRepository(context, options);
    },
  };
}

function createContext({
  folders,
  signer,
  currentKeys,
  consumers = async () => [],
  servers,
  ...options
}: RepositoryOptions): RepositoryContext {
  const layout = createLayout(folders);
  const signing = typeof signer === 'function' ? signer : () => signer;
  return {
    ...options,
    signer: signing,
    layout,
    pool: new Pool(layout.pool),
    intents: new Intents(layout.intents, servers),
    uploads: new TemporaryFiles(layout.uploads),
    unfinished: new TemporaryFiles(join(layout.pool, 'unfinished')),
    version: ownVersion(),
    checker: new SnapshotChecker(),
    reported: new ReportedBase(options),
    consumers,
    currentKeys: currentKeys ?? (() => new Set([signing().fingerprint])),
    damaged: async (profile) => await damagedPackages(options.database, profile),
  };
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
