import { stat } from 'node:fs/promises';
import { openByteSource } from '../../binpkg/byte-source.ts';
import { readGpkgMetadata } from '../../binpkg/gpkg/read-metadata.ts';
import { readMetadata } from '../../binpkg/metadata.ts';
import type { PackageVerifier } from '../../binpkg/package-signer.ts';
import { parseCpv } from '../../gentoo/cpv.ts';
import { digestFile } from '../../support/digests.ts';
import { AppError } from '../../support/errors.ts';
import { describePackage } from '../describe-package.ts';
import type { PackageRecord } from '../package-record.ts';
import { ownWords, PROVENANCE_KEY, readProvenance } from '../provenance.ts';

export interface PlacedFile {
  readonly profile: string;
  /** Relative to the packages of the profile. */
  readonly path: string;
  readonly file: string;
}

/**
 * The record of a package from its file alone. Every byte is read; the signatures of Manifest and metadata are checked.
 *
 * Throws the codes of `readGpkgMetadata` and `readMetadata`, `package-not-ours` for a package without the signature or
 * the provenance that an import gives, `package-at-wrong-path` when another path belongs to it.
 */
export async function readPackageFile(
  placed: PlacedFile,
  verifier: PackageVerifier,
  onBytes: (count: number) => void,
): Promise<PackageRecord> {
  const { profile, path, file } = placed;
  const { size, digests } = await digestFile(file, ['md5', 'sha1', 'sha512'], onBytes);
  const { mtimeMs } = await stat(file);
  const { metadata, fingerprint } = await readSigned(file, verifier);
  const typed = readMetadata(metadata);
  const provenance = metadata.get(PROVENANCE_KEY)?.toString('utf8').trim() ?? '';
  const said = readProvenance(provenance);
  const { buildId, buildTimeSeconds } = typed;
  if (said === undefined || buildId === undefined || buildTimeSeconds === undefined) {
    throw notOurs(path, 'lacks BUILD_ID, BUILD_TIME or provenance');
  }
  const { category, pn, pf } = parseCpv(typed.cpv);
  const expected = `${category}/${pn}/${pf}-${buildId}.gpkg.tar`;
  if (expected !== path) {
    throw new AppError('package-at-wrong-path', `The package at ${path} belongs at ${expected}.`, {
      details: { path, expected },
    });
  }
  const sha512 = digests.of('sha512');
  const importedAt = said.importedAt ?? Math.floor(mtimeMs / 1000) * 1000;
  return describePackage({
    ...ownWords(profile, sha512, said),
    profile,
    metadata: typed,
    pn,
    buildId,
    buildTimeSeconds,
    path,
    file: { size, md5: digests.of('md5'), sha1: digests.of('sha1'), sha512 },
    provenance,
    keyFingerprint: fingerprint,
    mtimeSeconds: Math.floor(importedAt / 1000),
    importedAt,
  });
}

async function readSigned(
  file: string,
  verifier: PackageVerifier,
): Promise<{ readonly metadata: ReadonlyMap<string, Buffer>; readonly fingerprint: string }> {
  let fingerprint: string | undefined;
  const source = await openByteSource(file);
  try {
    const metadata = await readGpkgMetadata(source, {
      verifier: {
        ...verifier,
        verifyClearSigned: async (text) => {
          const signed = await verifier.verifyClearSigned(text);
          ({ fingerprint } = signed);
          return signed;
        },
      },
    });
    if (fingerprint === undefined) {
      throw notOurs(file, 'is not signed');
    }
    return { metadata, fingerprint };
  } finally {
    await source.close();
  }
}

function notOurs(path: string, fault: string): AppError {
  return new AppError(
    'package-not-ours',
    `The package ${path} ${fault}: it was not imported here.`,
    {
      details: { path },
    },
  );
}
