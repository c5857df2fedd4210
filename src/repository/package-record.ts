/** One package of a profile, signed and in the pool. */
export interface PackageRecord {
  readonly id: string;
  readonly profile: string;
  readonly category: string;
  readonly pn: string;
  readonly cpv: string;
  /** SLOT as in the package, sub-slot included. */
  readonly slot: string;
  readonly buildId: number;
  /** Relative to the binhost of the profile. */
  readonly path: string;
  readonly size: number;
  readonly md5: string;
  readonly sha1: string;
  readonly sha512: string;
  readonly mtimeSeconds: number;
  readonly buildTimeSeconds: number;
  readonly uploadSha512: string;
  readonly keyFingerprint: string;
  readonly inputs: string | null;
  readonly origin: string;
  /** Every text key of the package's metadata, whitespace folded; binary ones are left out. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly stanza: string;
  readonly importedAt: number;
}
