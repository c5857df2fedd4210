import { ContentDigest } from '../binpkg/content-digest.ts';
import { ImageLevelScan } from '../binpkg/elf/image-level.ts';
import { type OpenGpkg, withOpenGpkg } from '../binpkg/gpkg/open-gpkg.ts';
import { rewriteGpkg } from '../binpkg/gpkg/rewrite.ts';
import type { WrittenPackage } from '../binpkg/gpkg/write.ts';
import { type PackageMetadata, readMetadata } from '../binpkg/metadata.ts';
import type { Cpv } from '../gentoo/cpv.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';
import { unlessDamaged } from './check/damage-record.ts';
import { restorePackage } from './check/restore-package.ts';
import { describePackage } from './describe-package.ts';
import { toFileLevel } from './file-level-store.ts';
import { checkMembers } from './known-members.ts';
import { openUpload } from './open-upload.ts';
import { type Identity, identifyPackage, takeBuildId } from './package-identity.ts';
import type { PackageRecord } from './package-record.ts';
import { checkPackage } from './package-rules.ts';
import { findPackageByUpload } from './package-store.ts';
import { PROVENANCE_KEY } from './provenance.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { shareFile } from './shared-file.ts';
import { storePackage } from './store-package.ts';

export type ImportRequest = Parameters<Repository['importPackage']>[0];
type Imported = Awaited<ReturnType<Repository['importPackage']>>;

/** An upload whose metadata have passed every check. */
interface Candidate {
  readonly opened: OpenGpkg;
  readonly metadata: PackageMetadata;
  readonly buildTimeSeconds: number;
  readonly parts: Cpv;
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
    const content = new ContentDigest(scan.visit);
    const options = { visit: content.visit, visitUse: 'passing' } as const;
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
          ? await sign(context, request, { ...candidate, scan, content, replaced })
          : await storePackage(context, shared, { actor: request.actor, replaced });
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
    readonly content: ContentDigest;
    readonly replaced: PackageRecord | undefined;
  },
): Promise<PackageRecord> {
  const signer = context.signer();
  const identity = await identifyPackage(context, request, candidate.parts);
  const unfinished = await context.unfinished.newPath('package');
  try {
    const written = await rewriteGpkg(candidate.opened, {
      metadata: new Map([
        ['BUILD_ID', String(identity.buildId)],
        [PROVENANCE_KEY, `${identity.provenance}\n`],
      ]),
      signer,
      base: `${candidate.metadata.pf}-${identity.buildId}`,
      out: unfinished,
      mtimeSeconds: identity.mtimeSeconds,
    });
    await takeBuildId(context, request.profile, { cpv: candidate.metadata.cpv, ...identity });
    const signed = { ...candidate, identity, written, keyFingerprint: signer.fingerprint };
    const record = describe(request, signed);
    const { replaced, scan, content } = candidate;
    const level = toFileLevel(scan.result(), content.finish(candidate.metadata.text));
    return await storePackage(context, record, {
      unfinished,
      level,
      actor: request.actor,
      replaced,
    });
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

function describe(
  request: ImportRequest,
  made: Candidate & {
    readonly identity: Identity;
    readonly written: WrittenPackage;
    readonly keyFingerprint: string;
  },
): PackageRecord {
  const { identity, written, metadata, buildTimeSeconds, keyFingerprint } = made;
  return describePackage({
    ...identity,
    profile: request.profile,
    metadata,
    pn: made.parts.pn,
    buildTimeSeconds,
    file: written,
    keyFingerprint,
    uploadSha512: request.uploadSha512,
    inputs: request.inputs ?? null,
    origin: request.origin,
  });
}
