import type { PackageMetadata } from '../binpkg/metadata.ts';
import { makeStanza } from './index-check.ts';
import type { PackageRecord } from './package-record.ts';
import { PROVENANCE_KEY } from './provenance.ts';

/** What a signed package file says, and what is known of it besides. */
export interface DescribedFile {
  readonly id: string;
  readonly profile: string;
  readonly metadata: PackageMetadata;
  readonly pn: string;
  readonly buildId: number;
  readonly buildTimeSeconds: number;
  readonly path: string;
  readonly file: {
    readonly size: number;
    readonly md5: string;
    readonly sha1: string;
    readonly sha512: string;
  };
  /** JSON, as in the package. */
  readonly provenance: string;
  readonly keyFingerprint: string;
  readonly uploadSha512: string;
  readonly inputs: string | null;
  readonly origin: string;
  readonly mtimeSeconds: number;
  readonly importedAt: number;
}

/**
 * The record of a package. An import makes it from what it writes, a rebuild from what it finds: both the same.
 *
 * Throws `package-invalid-metadata` when it cannot stand in an index.
 */
export function describePackage(described: DescribedFile): PackageRecord {
  const { metadata, file, buildId, path, mtimeSeconds } = described;
  const text = {
    ...metadata.text,
    BUILD_ID: String(buildId),
    [PROVENANCE_KEY]: described.provenance.split(/\s+/).filter(Boolean).join(' '),
  };
  return {
    id: described.id,
    profile: described.profile,
    category: metadata.category,
    pn: described.pn,
    cpv: metadata.cpv,
    slot: metadata.slot,
    buildId,
    path,
    size: file.size,
    md5: file.md5,
    sha1: file.sha1,
    sha512: file.sha512,
    mtimeSeconds,
    buildTimeSeconds: described.buildTimeSeconds,
    uploadSha512: described.uploadSha512,
    keyFingerprint: described.keyFingerprint,
    inputs: described.inputs,
    origin: described.origin,
    metadata: text,
    stanza: makeStanza({
      ...file,
      cpv: metadata.cpv,
      path,
      buildId,
      mtimeSeconds,
      metadata: text,
    }),
    importedAt: described.importedAt,
  };
}
