import type { ByteSource } from '../binpkg/byte-source.ts';
import { rewriteGpkg } from '../binpkg/gpkg/rewrite.ts';
import { type VerifiedPackage, verifyGpkg } from '../binpkg/gpkg/verify.ts';
import type { WrittenPackage } from '../binpkg/gpkg/write.ts';
import { type PackageMetadata, readMetadata } from '../binpkg/metadata.ts';
import type { Cpv } from '../gentoo/cpv.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Event } from '../journal/event.ts';
import { epochSeconds } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { exists, namesIn } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { allocateBuildId } from './build-id-store.ts';
import { makeStanza } from './index-check.ts';
import { checkMembers } from './known-members.ts';
import { openUpload } from './open-upload.ts';
import type { PackageRecord } from './package-record.ts';
import { checkPackage } from './package-rules.ts';
import { findPackageByUpload, insertPackage } from './package-store.ts';
import { poolLock } from './pool.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { withdrawAfterFailure } from './withdraw-leftover.ts';

export type ImportRequest = Parameters<Repository['importPackage']>[0];
type Imported = Awaited<ReturnType<Repository['importPackage']>>;

const SUFFIX = '.gpkg.tar';

/** An upload that has passed every check. */
interface Candidate {
  readonly source: ByteSource;
  readonly verified: VerifiedPackage;
  readonly metadata: PackageMetadata;
  readonly buildTimeSeconds: number;
  readonly parts: Cpv;
}

/** Who a package is from now on. */
interface Identity {
  readonly buildId: number;
  readonly path: string;
  readonly mtimeSeconds: number;
  readonly provenance: string;
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
      return { package: known, created: false };
    });
  } finally {
    await context.uploads.discard(request.file);
  }
}

async function importNew(
  context: RepositoryContext,
  request: ImportRequest,
  profile: HardwareProfile,
): Promise<PackageRecord> {
  const upload = await openUpload(context, request.file);
  const { source } = upload;
  try {
    const verified = await verifyGpkg(source);
    checkMembers(verified);
    const metadata = readMetadata(verified.metadata);
    const checked = checkPackage(metadata, verified.metadata, profile);
    expectCpv(request, metadata.cpv);
    const candidate = { source, verified, metadata, ...checked };
    const identity = await identify(context, request, checked.parts);
    const unfinished = await context.unfinished.newPath('package');
    try {
      const written = await sign(context, candidate, identity, unfinished);
      const record = describe(context, request, { ...candidate, identity, written });
      return await store(context, record, { unfinished, actor: request.actor });
    } finally {
      await context.unfinished.discard(unfinished);
    }
  } finally {
    await upload.close();
  }
}

function expectCpv({ expectedCpv }: ImportRequest, cpv: string): void {
  if (expectedCpv !== undefined && cpv !== expectedCpv) {
    throw new AppError('package-unexpected', `This is ${cpv}, but ${expectedCpv} is expected.`, {
      details: { expected: expectedCpv, found: cpv },
    });
  }
}

/** From here on the BUILD_ID is used up, whatever becomes of the import. */
async function identify(
  context: RepositoryContext,
  request: ImportRequest,
  { cpv, category, pn, pf }: Cpv,
): Promise<Identity> {
  const folder = context.layout.packageFile(request.profile, `${category}/${pn}`);
  const present = (await namesIn(folder)).map((name) => buildIdIn(name, pf));
  const buildId = await allocateBuildId(context.database, {
    profile: request.profile,
    cpv,
    floor: Math.max(0, ...present),
  });
  const provenance = {
    ...request.provenance,
    profile: request.profile,
    origin: request.origin,
    upload: request.uploadSha512,
    inputs: request.inputs ?? null,
    rookery: context.version,
  };
  return {
    buildId,
    path: `${category}/${pn}/${pf}-${buildId}${SUFFIX}`,
    mtimeSeconds: epochSeconds(context.clock),
    provenance: JSON.stringify(provenance),
  };
}

/** The BUILD_ID in the name of a package file of this PF, 0 for any other name. */
function buildIdIn(name: string, pf: string): number {
  const isOne = name.startsWith(`${pf}-`) && name.endsWith(SUFFIX);
  const id = isOne ? name.slice(pf.length + 1, -SUFFIX.length) : '';
  return /^[1-9][0-9]{0,14}$/.test(id) ? Number(id) : 0;
}

async function sign(
  context: RepositoryContext,
  { source, verified, metadata }: Candidate,
  identity: Identity,
  out: string,
): Promise<WrittenPackage> {
  return await rewriteGpkg({
    source,
    verified,
    metadata: new Map([
      ['BUILD_ID', String(identity.buildId)],
      ['ROOKERY_PROVENANCE', `${identity.provenance}\n`],
    ]),
    signer: context.signer,
    base: `${metadata.pf}-${identity.buildId}`,
    out,
    mtimeSeconds: identity.mtimeSeconds,
  });
}

function describe(
  context: RepositoryContext,
  request: ImportRequest,
  made: Candidate & { readonly identity: Identity; readonly written: WrittenPackage },
): PackageRecord {
  const { identity, written, metadata } = made;
  const text = {
    ...metadata.text,
    BUILD_ID: String(identity.buildId),
    ROOKERY_PROVENANCE: identity.provenance,
  };
  return {
    id: newId('pkg'),
    profile: request.profile,
    category: metadata.category,
    pn: made.parts.pn,
    cpv: metadata.cpv,
    slot: metadata.slot,
    buildId: identity.buildId,
    path: identity.path,
    size: written.size,
    md5: written.md5,
    sha1: written.sha1,
    sha512: written.sha512,
    mtimeSeconds: identity.mtimeSeconds,
    buildTimeSeconds: made.buildTimeSeconds,
    uploadSha512: request.uploadSha512,
    keyFingerprint: context.signer.fingerprint,
    inputs: request.inputs ?? null,
    origin: request.origin,
    metadata: text,
    stanza: makeStanza({
      ...written,
      cpv: metadata.cpv,
      path: identity.path,
      buildId: identity.buildId,
      mtimeSeconds: identity.mtimeSeconds,
      metadata: text,
    }),
    importedAt: context.clock.now(),
  };
}

/** Puts the signed file where it belongs, then commits. A kill in between leaves the intent, and recovery clears. */
async function store(
  context: RepositoryContext,
  record: PackageRecord,
  { unfinished, actor }: { readonly unfinished: string; readonly actor: string },
): Promise<PackageRecord> {
  const { profile, path, sha512 } = record;
  const file = context.layout.packageFile(profile, path);
  if (await exists(file)) {
    throw new AppError('package-path-taken', `There is a file ${path} in ${profile} already.`);
  }
  const declared = await context.intents.declare({ kind: 'package', profile, path, sha512 });
  try {
    const event = await context.locks.run(poolLock(sha512), async () => {
      await context.pool.adopt(unfinished, record);
      await context.pool.place(sha512, file);
      return await commit(context, record, actor);
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
  actor: string,
): Promise<Event> {
  return await context.database.transaction().execute(async (queries) => {
    await insertPackage(queries, record);
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
      },
    });
  });
}
