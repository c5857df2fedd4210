import type { PackageMetadata } from '../binpkg/metadata.ts';
import type { Cpv } from '../gentoo/cpv.ts';
import { exists } from '../support/files.ts';
import { claimBuildId } from './build-id-store.ts';
import { unlessDamaged } from './check/damage-record.ts';
import { describePackage } from './describe-package.ts';
import type { PackageRecord } from './package-record.ts';
import { findPackageByFile } from './package-store.ts';
import { ownWords, PROVENANCE_KEY, readProvenance } from './provenance.ts';
import type { RepositoryContext } from './repository-context.ts';

/**
 * The record that a package of another profile gets in this one, its file as it is: both profiles then have one file of
 * the pool. That is so when the signed file itself was sent, and its BUILD_ID is above all that the profile has had of
 * the CPV; it is taken from here on. Undefined otherwise: then the package is signed anew for this profile.
 */
export async function shareFile(
  context: RepositoryContext,
  profile: string,
  sent: {
    readonly sha512: string;
    readonly metadata: PackageMetadata;
    readonly files: ReadonlyMap<string, Buffer>;
    readonly buildTimeSeconds: number;
    readonly parts: Cpv;
  },
): Promise<PackageRecord | undefined> {
  const { database, layout, pool } = context;
  const { sha512, metadata } = sent;
  const other = await unlessDamaged(database, await findPackageByFile(database, sha512));
  const provenance = sent.files.get(PROVENANCE_KEY)?.toString('utf8').trim() ?? '';
  const said = readProvenance(provenance);
  if (other === undefined || said === undefined || !(await exists(pool.pathOf(sha512)))) {
    return undefined;
  }
  const { buildId, path, cpv, mtimeSeconds, importedAt, keyFingerprint } = other;
  const isFree = !(await exists(layout.packageFile(profile, path)));
  if (!isFree || !(await claimBuildId(database, { profile, cpv, buildId }))) {
    return undefined;
  }
  return describePackage({
    ...ownWords(profile, sha512, said),
    profile,
    metadata,
    pn: sent.parts.pn,
    buildId,
    buildTimeSeconds: sent.buildTimeSeconds,
    path,
    file: other,
    provenance,
    keyFingerprint,
    mtimeSeconds,
    importedAt,
  });
}
