import type { PublicationRef } from '../plan/artefact.ts';

/** What a changed package does to a node that serves, weakest first. */
export const EFFECTS = ['none', 'service-restart', 'disruptive', 'reboot', 'blocked'] as const;
export type Effect = (typeof EFFECTS)[number];

/** What one pinned pair, what is installed -> a publication, does to the nodes that have the former. */
export interface Impact {
  readonly profile: string;
  /** Nodes with this set installed. */
  readonly installedDigest: string;
  readonly nodes: readonly string[];
  readonly to: PublicationRef;
  /** The strongest of all packages; `none` when nothing changes. */
  readonly effect: Effect;
  /** Every package that changes, strongest effect first. */
  readonly packages: readonly PackageImpact[];
  /** Services to restart after the merge, those of `service-restart`, in the order to do it: sshd last. */
  readonly restarts: readonly string[];
}

export interface PackageImpact {
  /** `category/package`. */
  readonly name: string;
  readonly slot: string;
  /** CPV before and after; null for what comes or goes. */
  readonly from: string | null;
  readonly to: string | null;
  readonly effect: Effect;
  /** Sentences, the one that decided first: "libssl.so.3 is mapped by php-fpm on 480 nodes". */
  readonly reasons: readonly string[];
}
