const MEBI = 1024 * 1024;

/** What a package may cost before it is refused. Every limit of this room is here. */
export interface PackageLimits {
  /** Members of the container. */
  readonly members: number;
  /** Bytes of the Manifest. */
  readonly manifestBytes: number;
  /** Bytes of one detached signature. */
  readonly signatureBytes: number;
  /** Bytes of metadata.tar as stored, and as unpacked. */
  readonly metadataCompressedBytes: number;
  readonly metadataBytes: number;
  readonly metadataKeys: number;
  /** Bytes of image.tar as unpacked. */
  readonly imageBytes: number;
  readonly imageEntries: number;
  /** Bytes of all names of an image together: what has to be remembered to find duplicates. */
  readonly imageNameBytes: number;
  /** Bytes and segments of one path. */
  readonly pathBytes: number;
  readonly pathDepth: number;
  /** Bytes of the long names and pax records of one tar entry. */
  readonly tarExtensionBytes: number;
  /** Most bytes out per byte in, looked at once `ratioFreeBytes` have come out. */
  readonly ratio: number;
  readonly ratioFreeBytes: number;
  /** Largest zstd window as a power of two. Portage unpacks with `--long=31`. */
  readonly zstdWindowLog: number;
  readonly timeMs: number;
  /** Of one ELF file: entries looked at in a table, and bytes of one string. */
  readonly elfEntries: number;
  readonly elfStringBytes: number;
}

export const DEFAULT_LIMITS: PackageLimits = {
  members: 64,
  manifestBytes: MEBI,
  signatureBytes: 64 * 1024,
  metadataCompressedBytes: 32 * MEBI,
  metadataBytes: 64 * MEBI,
  metadataKeys: 2048,
  imageBytes: 64 * 1024 * MEBI,
  imageEntries: 500_000,
  imageNameBytes: 64 * MEBI,
  pathBytes: 4096,
  pathDepth: 128,
  tarExtensionBytes: MEBI,
  ratio: 1000,
  ratioFreeBytes: 64 * MEBI,
  zstdWindowLog: 31,
  timeMs: 15 * 60 * 1000,
  elfEntries: 65_536,
  elfStringBytes: 4096,
};
