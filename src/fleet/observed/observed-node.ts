/** What a node has said of itself, and when: the observed state. Times are epoch milliseconds. */
export interface ObservedNode {
  readonly node: string;
  readonly reportedAt: number;
  readonly profile: string;
  readonly channel: string;
  /** The publication that it has installed; null when it is none of the channel. */
  readonly serial: number | null;
  /** How many of its packages are not those of the publication. */
  readonly differs: number;
  /** Nodes with the same have the same packages installed. */
  readonly installedDigest: string;
  readonly php: {
    readonly active: string | null;
    /** Every tree on it, the active one too. */
    readonly resident: readonly ResidentTree[];
  };
  /** What the following says is null where the node's program is too old to say it. */
  readonly system: ObservedSystem | null;
}

export interface ResidentTree {
  readonly id: string;
  readonly manifest: string;
  /** As in REQUIRES: `x86_64: libc.so.6 libssl.so.3`. */
  readonly requires: string;
}

export interface ObservedSystem {
  /** The release of the web application that it serves; null when it serves none. */
  readonly release: string | null;
  /** Releases that lie on it, ready to be activated, with what identifies their content. */
  readonly releases: readonly { readonly release: string; readonly digest: string }[];
  readonly kernel: { readonly running: string; readonly installed: readonly string[] };
  /** /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  /** Words of CPU_FLAGS_X86 that its processor has. */
  readonly cpuFlags: readonly string[];
  readonly services: readonly RunningService[];
  /** It could not look into all of its processes, for it did not run as root: there may be more services and files. */
  readonly isPartial?: boolean;
}

/** All processes of one program that runs as a service. */
export interface RunningService {
  /** Name of the program: `nginx`, `php-fpm`, `sshd`. */
  readonly name: string;
  /** For `php-fpm` of a PHP tree: the id of the tree. */
  readonly tree: string | null;
  readonly files: readonly MappedFile[];
}

export interface MappedFile {
  readonly path: string;
  /** `category/package-version` that owns it; null when no package does. */
  readonly cpv: string | null;
  /** Whether it has been replaced or removed since it was mapped. */
  readonly isDeleted: boolean;
}
