/** A tree that a node has, as it said last. */
export interface NodeTree {
  readonly node: string;
  readonly tree: string;
  /** That the node follows with its packages. */
  readonly channel: string;
  /** SHA-256 of the MANIFEST that it has. */
  readonly manifest: string;
  /** Active: its web server uses it; standby: its php-fpm is kept for a rollback; resident: it only lies there. */
  readonly state: 'active' | 'standby' | 'resident';
  /** REQUIRES words. */
  readonly requires: string;
  /** Names of the checks of the same report that passed. */
  readonly passed: readonly string[];
  /** Names of those that failed. */
  readonly failed: readonly string[];
  /** Milliseconds since the epoch. */
  readonly reportedAt: number;
}

/** What this room has to be told about nodes: which trees of a profile they have. */
export type NodeTrees = (profile: string) => Promise<readonly NodeTree[]>;
