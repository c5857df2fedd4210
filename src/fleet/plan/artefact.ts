/** A publication as a plan pins it: number and content. A rollout installs this, whatever the channel shows meanwhile. */
export interface PublicationRef {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  /** SHA-256 of its `Packages`, lowercase hex. */
  readonly digest: string;
  /** Path of its binhost below the farm's URL: `/binhost/zen3/.publications/stable-17`. */
  readonly path: string;
}

export interface PhpTreeRef {
  readonly profile: string;
  readonly id: string;
  /** SHA-256 of its MANIFEST. */
  readonly manifest: string;
}

export interface ReleaseRef {
  readonly release: string;
  /** Identifies its content; nodes say the same. */
  readonly digest: string;
}

/** What is rolled out, pinned. One publication and one tree for each profile of the plan's nodes. */
export interface Artefacts {
  readonly publications: readonly PublicationRef[];
  readonly trees: readonly PhpTreeRef[];
  readonly release: ReleaseRef | null;
}
