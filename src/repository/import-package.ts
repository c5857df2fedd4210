import { type ImageLevel, ImageLevelScan } from '../binpkg/elf/image-level.ts';
import { type OpenGpkg, withOpenGpkg } from '../binpkg/gpkg/open-gpkg.ts';
import { rewriteGpkg } from '../binpkg/gpkg/rewrite.ts';
import type { WrittenPackage } from '../binpkg/gpkg/write.ts';
import { type PackageMetadata, readMetadata } from '../binpkg/metadata.ts';
import type { Cpv } from '../gentoo/cpv.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Event } from '../journal/event.ts';
import { AppError } from '../support/errors.ts';
import { exists, namesIn } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { claimBuildId, nextBuildId } from './build-id-store.ts';
import { unlessDamaged } from './check/damage-record.ts';
import { restorePackage } from './check/restore-package.ts';
import { describePackage } from './describe-package.ts';
import { saveFileLevel } from './file-level-store.ts';
import { checkMembers } from './known-members.ts';
import { openUpload } from './open-upload.ts';
import type { PackageRecord } from './package-record.ts';
import { checkPackage } from './package-rules.ts';
import { findPackageByUpload, insertPackage, releaseUpload } from './package-store.ts';
import { poolLock } from './pool.ts';
import { PROVENANCE_KEY } from './provenance.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { shareFile } from './shared-file.ts';
import { withdrawAfterFailure } from './withdraw-leftover.ts';

export type ImportRequest = Parameters<Repository['importPackage']>[0];
type Imported = Awaited<ReturnType<Repository['importPackage']>>;

const SUFFIX = '.gpkg.tar';

/** An upload whose metadata have passed every check. */
interface Candidate {
  readonly opened: OpenGpkg;
  readonly metadata: PackageMetadata;
  readonly buildTimeSeconds: number;
  readonly parts: Cpv;
}

/** Who a package becomes. */
interface Identity {
  readonly id: string;
  readonly buildId: number;
  readonly path: string;
  readonly mtimeSeconds: number;
  readonly provenance: string;
  readonly importedAt: number;
}

/** See `Repository.importPackage`. */
export async function importPackage(
  context: RepositoryContext,
  request: ImportRequest,
): Promise<Imported> {
  try {
    const profile = context.profiles.get(request.profile);
    const lock = `repository-import:${request.profile}:${request.uploadSha512}`;
    return await context.locks.run(lock, async () => {
      const known = await findPackageByUpload(
        context.database,
        request.profile,
        request.uploadSha512,
      );
      if (known === undefined) {
        return { package: await importNew(context, request, profile), created: true };
      }
      expectCpv(request, known.cpv);
      if ((await unlessDamaged(context.database, known)) !== undefined) {
        return { package: known, created: false };
      }
      return known.sha512 === request.uploadSha512
        ? { package: await restorePackage(context, known, request), created: false }
        : { package: await importNew(context, request, profile, known), created: true };
    });
  } finally {
    await context.uploads.discard(request.file);
  }
}

async function importNew(
  context: RepositoryContext,
  request: ImportRequest,
  profile: HardwareProfile,
  replaced?: PackageRecord,
): Promise<PackageRecord> {
  const upload = await openUpload(context, request.file);
  try {
    const scan = new ImageLevelScan();
    const options = { visit: scan.visit, visitUse: 'passing' } as const;
    return await withOpenGpkg(upload.source, options, async (opened) => {
      const { head } = opened;
      checkMembers(head);
      const metadata = readMetadata(head.metadata);
      const checked = checkPackage(metadata, head.metadata, profile);
      expectCpv(request, metadata.cpv);
      const candidate = { opened, metadata, ...checked };
      const lock = `repository-build-id:${request.profile}:${metadata.cpv}`;
      return await context.locks.run(lock, async () => {
        const shared = await sharedRecord(context, request, candidate);
        return shared === undefined
          ? await sign(context, request, { ...candidate, scan, replaced })
          : await store(context, shared, { actor: request.actor, replaced });
      });
    });
  } finally {
    await upload.close();
  }
}

/**
 * Writes the package with its BUILD_ID while the image is being verified. Only then the BUILD_ID is used up: the lock
 * keeps it until then, and a package that is refused leaves no gap.
 */
async function sign(
  context: RepositoryContext,
  request: ImportRequest,
  candidate: Candidate & {
    readonly scan: ImageLevelScan;
    readonly replaced: PackageRecord | undefined;
  },
): Promise<PackageRecord> {
  const identity = await identify(context, request, candidate.parts);
  const unfinished = await context.unfinished.newPath('package');
  try {
    const written = await rewriteGpkg(candidate.opened, {
      metadata: new Map([
        ['BUILD_ID', String(identity.buildId)],
        [PROVENANCE_KEY, `${identity.provenance}\n`],
      ]),
      signer: context.signer,
      base: `${candidate.metadata.pf}-${identity.buildId}`,
      out: unfinished,
      mtimeSeconds: identity.mtimeSeconds,
    });
    await takeBuildId(context, request.profile, { cpv: candidate.metadata.cpv, ...identity });
    const record = describe(context, request, { ...candidate, identity, written });
    const { replaced, scan } = candidate;
    const level = scan.result();
    return await store(context, record, { unfinished, level, actor: request.actor, replaced });
  } finally {
    await context.unfinished.discard(unfinished);
  }
}

/**
 * The package as it is, when it is one of another profile: then its image was verified there, and is not read again.
 * What a job brings is always signed for its own.
 */
async function sharedRecord(
  context: RepositoryContext,
  request: ImportRequest,
  { opened, ...checked }: Candidate,
): Promise<PackageRecord | undefined> {
  return request.provenance === undefined && request.inputs === undefined
    ? await shareFile(context, request.profile, {
        ...checked,
        sha512: request.uploadSha512,
        files: opened.head.metadata,
      })
    : undefined;
}

function expectCpv({ expectedCpv }: ImportRequest, cpv: string): void {
  if (expectedCpv !== undefined && cpv !== expectedCpv) {
    throw new AppError('package-unexpected', `This is ${cpv}, but ${expectedCpv} is expected.`, {
      details: { expected: expectedCpv, found: cpv },
    });
  }
}

async function identify(
  context: RepositoryContext,
  request: ImportRequest,
  { cpv, category, pn, pf }: Cpv,
): Promise<Identity> {
  const folder = context.layout.packageFile(request.profile, `${category}/${pn}`);
  const present = (await namesIn(folder)).map((name) => buildIdIn(name, pf));
  const floor = Math.max(0, ...present);
  const buildId = await nextBuildId(context.database, { profile: request.profile, cpv, floor });
  const id = newId('pkg');
  const importedAt = context.clock.now();
  const provenance = {
    ...request.provenance,
    package: id,
    importedAt,
    profile: request.profile,
    origin: request.origin,
    upload: request.uploadSha512,
    inputs: request.inputs ?? null,
    rookery: context.version,
  };
  return {
    id,
    importedAt,
    buildId,
    path: `${category}/${pn}/${pf}-${buildId}${SUFFIX}`,
    mtimeSeconds: Math.floor(importedAt / 1000),
    provenance: JSON.stringify(provenance),
  };
}

/** From here on the BUILD_ID is used up, whatever becomes of the import. */
async function takeBuildId(
  context: RepositoryContext,
  profile: string,
  { cpv, buildId }: { readonly cpv: string; readonly buildId: number },
): Promise<void> {
  if (!(await claimBuildId(context.database, { profile, cpv, buildId }))) {
    throw new Error(`the BUILD_ID ${buildId} of ${cpv} was taken by somebody else`);
  }
}

/** The BUILD_ID in the name of a package file of this PF, 0 for any other name. */
function buildIdIn(name: string, pf: string): number {
  const isOne = name.startsWith(`${pf}-`) && name.endsWith(SUFFIX);
  const id = isOne ? name.slice(pf.length + 1, -SUFFIX.length) : '';
  return /^[1-9][0-9]{0,14}$/.test(id) ? Number(id) : 0;
}

function describe(
  context: RepositoryContext,
  request: ImportRequest,
  made: Candidate & { readonly identity: Identity; readonly written: WrittenPackage },
): PackageRecord {
  const { identity, written, metadata, buildTimeSeconds } = made;
  return describePackage({
    ...identity,
    profile: request.profile,
    metadata,
    pn: made.parts.pn,
    buildTimeSeconds,
    file: written,
    keyFingerprint: context.signer.fingerprint,
    uploadSha512: request.uploadSha512,
    inputs: request.inputs ?? null,
    origin: request.origin,
  });
}

interface CommitDeed {
  readonly actor: string;
  /** A damaged build of the same upload, which the new one stands in for. */
  readonly replaced: PackageRecord | undefined;
  /** What its files ask of a processor; absent when it is known of the file already. */
  readonly level?: ImageLevel;
}

/** Puts the signed file where it belongs, then commits. A kill in between leaves the intent, and recovery clears. */
async function store(
  context: RepositoryContext,
  record: PackageRecord,
  {
    unfinished,
    ...deed
  }: CommitDeed & {
    /** Absent: the pool has the file. */
    readonly unfinished?: string;
  },
): Promise<PackageRecord> {
  const { profile, path, sha512 } = record;
  const file = context.layout.packageFile(profile, path);
  if (await exists(file)) {
    throw new AppError('package-path-taken', `There is a file ${path} in ${profile} already.`);
  }
  const declared = await context.intents.declare({ kind: 'package', profile, path, sha512 });
  try {
    const event = await context.locks.run(poolLock(sha512), async () => {
      if (unfinished !== undefined) {
        await context.pool.adopt(unfinished, record);
      }
      await context.pool.place(sha512, file);
      return await commit(context, record, deed);
    });
    await declared.withdraw();
    context.journal.announce(event);
    return record;
  } catch (error) {
    await withdrawAfterFailure(context, declared);
    throw error;
  }
}

async function commit(
  context: RepositoryContext,
  record: PackageRecord,
  { actor, replaced, level }: CommitDeed,
): Promise<Event> {
  return await context.database.transaction().execute(async (queries) => {
    if (replaced !== undefined) {
      await releaseUpload(queries, replaced.id);
    }
    await insertPackage(queries, record);
    if (level !== undefined) {
      await saveFileLevel(queries, record.sha512, level);
    }
    return await context.journal.write(queries, {
      kind: 'package-imported',
      subject: `package:${record.id}`,
      actor,
      data: {
        profile: record.profile,
        cpv: record.cpv,
        buildId: record.buildId,
        size: record.size,
        origin: record.origin,
        ...(replaced === undefined ? {} : { replaces: replaced.id }),
      },
    });
  });
}
