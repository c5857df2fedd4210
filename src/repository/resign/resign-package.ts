import { openByteSource } from '../../binpkg/byte-source.ts';
import { withOpenGpkg } from '../../binpkg/gpkg/open-gpkg.ts';
import { rewriteGpkg } from '../../binpkg/gpkg/rewrite.ts';
import { readMetadata } from '../../binpkg/metadata.ts';
import type { AnyPackageSigner } from '../../binpkg/package-signer.ts';
import { parseCpv } from '../../gentoo/cpv.ts';
import { digestFile, digestOf } from '../../support/digests.ts';
import { AppError } from '../../support/errors.ts';
import { describePackage } from '../describe-package.ts';
import { levelsOf } from '../file-level-store.ts';
import { identifyPackage, takeBuildId } from '../package-identity.ts';
import type { PackageRecord } from '../package-record.ts';
import { formerBuildIdsIn, PROVENANCE_KEY } from '../provenance.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { storePackage } from '../store-package.ts';
import { findResigned, resignedBuildIds, resignOrigin } from './resign-store.ts';

/**
 * The id of this package signed by this key: made now, unless it is there. It is a package of its own, because what
 * is published under a path never changes: the next BUILD_ID, the same BUILD_TIME, the image byte by byte.
 *
 * Throws `package-damaged` when the file in the pool is not what was signed.
 */
export async function resignPackage(
  context: RepositoryContext,
  record: PackageRecord,
  { signer, actor }: { readonly signer: AnyPackageSigner; readonly actor: string },
): Promise<string> {
  const lock = `repository-build-id:${record.profile}:${record.cpv}`;
  return await context.locks.run(lock, async () => {
    const known = await findResigned(context.database, record, signer.fingerprint);
    return known ?? (await makeResigned(context, record, signer, actor)).id;
  });
}

async function makeResigned(
  context: RepositoryContext,
  record: PackageRecord,
  signer: AnyPackageSigner,
  actor: string,
): Promise<PackageRecord> {
  const { profile, cpv, inputs, buildTimeSeconds } = record;
  const parts = parseCpv(cpv);
  const path = await readablePool(context, record);
  const source = await openByteSource(path);
  const unfinished = await context.unfinished.newPath('package');
  try {
    return await withOpenGpkg(source, {}, async (opened) => {
      const siblings = await resignedBuildIds(context.database, record);
      const metadata = readMetadata(opened.head.metadata);
      const words = {
        profile,
        uploadSha512: noUpload(record, signer.fingerprint),
        origin: resignOrigin(record.id),
      };
      const identity = await identifyPackage(
        context,
        {
          ...words,
          ...(inputs === null ? {} : { inputs }),
          provenance: formerWords(record, siblings),
        },
        parts,
      );
      const file = await rewriteGpkg(opened, {
        metadata: new Map([
          ['BUILD_ID', String(identity.buildId)],
          [PROVENANCE_KEY, `${identity.provenance}\n`],
        ]),
        signer,
        base: `${parts.pf}-${identity.buildId}`,
        out: unfinished,
        mtimeSeconds: identity.mtimeSeconds,
      });
      await takeBuildId(context, profile, { cpv, ...identity });
      const made = describePackage({
        ...identity,
        ...words,
        metadata,
        pn: parts.pn,
        buildTimeSeconds,
        file,
        keyFingerprint: signer.fingerprint,
        inputs,
      });
      const level = (await levelsOf(context.database, [record.id])).get(record.id);
      return await storePackage(context, made, { unfinished, level, actor, replaced: undefined });
    });
  } finally {
    await source.close();
    await context.unfinished.discard(unfinished);
  }
}

/** Nobody uploaded it: a digest that no file has, other than that of every further key. */
function noUpload({ sha512 }: PackageRecord, fingerprint: string): string {
  return digestOf('sha512', `signed again\n${sha512}\n${fingerprint}`);
}

/** Only what was signed here gets a new signature: the bytes have to be those of the database. */
async function readablePool(context: RepositoryContext, record: PackageRecord): Promise<string> {
  const path = context.pool.pathOf(record.sha512);
  const { digests } = await digestFile(path, ['sha512']);
  if (digests.of('sha512') !== record.sha512) {
    throw new AppError(
      'package-damaged',
      `The file of ${record.cpv} (${record.id}) is not what was signed; run rookery repository check --deep.`,
      { details: { package: record.id, path: record.path } },
    );
  }
  return path;
}

/** What a builder said about the package stays in it, with the builds that have the same image. */
function formerWords(
  record: PackageRecord,
  siblings: readonly number[],
): Readonly<Record<string, unknown>> {
  const text = record.metadata[PROVENANCE_KEY] ?? '{}';
  const former: unknown = JSON.parse(text);
  const formerBuildIds = [...formerBuildIdsIn(text), record.buildId, ...siblings];
  return typeof former === 'object' && former !== null
    ? { ...former, formerBuildIds }
    : { formerBuildIds };
}
