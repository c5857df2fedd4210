/** Something on disk that the new database could not take over, or not as it is. */
export interface RebuildFault {
  readonly code: string;
  /** `package:<profile>/<path>` or `publication:<profile>/<channel>-<serial>`. */
  readonly subject: string;
  readonly message: string;
}

/** What came back. */
export interface RebuildReport {
  readonly packages: number;
  readonly bytes: number;
  /** Packages whose files are in quarantine: known, but not to be had. */
  readonly damaged: number;
  readonly publications: number;
  readonly snapshots: number;
  readonly faults: readonly RebuildFault[];
}

export interface RebuildProgress {
  readonly stage: 'packages' | 'publications';
  /** Bytes of packages, or publications. */
  readonly done: number;
  readonly total: number;
}
