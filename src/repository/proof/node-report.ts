/** A package as a node has it installed: from its database, `/var/db/pkg`. */
export interface InstalledPackage {
  readonly cpv: string;
  /** SLOT, sub-slot included. */
  readonly slot: string;
  /** Null for what was not installed from a binary package of a farm. */
  readonly buildId: number | null;
  /** BUILD_TIME, seconds. */
  readonly buildTime: number | null;
  readonly repository: string;
  readonly use: string;
  /** As in IUSE; absent when the node does not say it. */
  readonly iuse?: string | undefined;
  /** As in PROVIDES: `x86_64: libz.so.1 ...`. */
  readonly provides: string;
  /** As in REQUIRES; absent when the node does not say it. */
  readonly requires?: string | undefined;
}

export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
  /** How it began to explain itself. */
  readonly output: string;
}

/** A PHP tree that a node has, as it says: see `protocol/nodes.ts`. */
export interface ReportedTree {
  readonly id: string;
  readonly profile: string;
  readonly manifest: string;
  readonly state: 'active' | 'standby' | 'resident';
  /** Epoch seconds. */
  readonly verifiedAt: number | null;
  /** As in REQUIRES. */
  readonly requires: string;
}

/** What a node says of its system besides packages: see `protocol/nodes.ts`. */
export interface ReportedSystem {
  readonly release: string | null;
  readonly releases: readonly { readonly release: string; readonly digest: string }[];
  readonly kernel: { readonly running: string; readonly installed: readonly string[] };
  readonly bootId: string;
  /** In the words of CPU_FLAGS_X86 or CPU_FLAGS_ARM. */
  readonly cpuFlags: readonly string[];
  /** It could not look into all of its processes: there may be more services and files. */
  readonly isPartial: boolean;
}

/** All processes of one program that runs as a service. */
export interface ReportedService {
  readonly name: string;
  readonly tree: string | null;
  /** Files that it executes. */
  readonly files: readonly {
    readonly path: string;
    readonly cpv: string | null;
    readonly isDeleted: boolean;
  }[];
}

/** What a node tells about itself. */
export interface NodeReport {
  readonly node: string;
  readonly profile: string;
  readonly channel: string;
  /** TIMESTAMP of the channel's index that Portage has on the node, seconds; null when it has none. */
  readonly timestampSeconds: number | null;
  readonly installed: readonly InstalledPackage[];
  readonly checks: readonly CheckResult[];
  /** Null when it does not say it. */
  readonly php: readonly ReportedTree[] | null;
  /** Absent when it does not say it. */
  readonly system?: ReportedSystem & { readonly services: readonly ReportedService[] };
}

/** The newest report of a node about a profile, as it is kept. */
export interface NodeRecord {
  readonly node: string;
  readonly profile: string;
  readonly channel: string;
  readonly timestampSeconds: number | null;
  readonly serial: number | null;
  readonly reportedAt: number;
  readonly installedCount: number;
  readonly checks: readonly CheckResult[];
  readonly differs: number;
  /** The first of the differences, in words. */
  readonly differences: readonly string[];
  readonly php: readonly ReportedTree[] | null;
  /** Without its services, which are read apart; null when it has not said it. */
  readonly system: ReportedSystem | null;
}

/** What a node's reports have proven of one publication. */
export interface NodeProof {
  readonly node: string;
  /** Epoch milliseconds; null when the newest report about it does not count. */
  readonly passedSince: number | null;
  readonly lastReportedAt: number;
  /** Checks that passed, each since when. */
  readonly checks: readonly { readonly name: string; readonly passedSince: number }[];
}
