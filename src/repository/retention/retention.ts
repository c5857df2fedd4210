import type { Deed } from '../repository.ts';
import type { RowCounts } from './remove-rows.ts';
import type { CollectedPackage, Pin, PublicationKey } from './retention-store.ts';

/** A publication, and why it stays; it goes when nothing holds it. */
export interface PublicationVerdict {
  readonly channel: string;
  readonly serial: number;
  readonly createdAt: number;
  readonly keep: boolean;
  readonly holders: readonly string[];
  /** Of its index files. */
  readonly bytes: number;
}

export interface Amount {
  readonly files: number;
  readonly bytes: number;
}

/** What a collection removes of a profile, and what stays. */
export interface ProfileCollection {
  readonly profile: string;
  readonly publications: readonly PublicationVerdict[];
  /** Packages that go. */
  readonly packages: readonly {
    readonly id: string;
    readonly cpv: string;
    readonly buildId: number;
    readonly path: string;
    readonly size: number;
  }[];
  /** Of package and index files; each package file counts once, however many names it has. */
  readonly going: Amount;
  /** The same of what stays, by what holds it, most bytes first. */
  readonly staying: readonly (Amount & { readonly holder: string })[];
}

export interface Collection {
  readonly dryRun: boolean;
  readonly profiles: readonly ProfileCollection[];
  /** Rows that were removed, by table; none in a dry run. */
  readonly rows: RowCounts;
}

export interface CollectionRequest {
  /** Absent: all. */
  readonly profile?: string;
  readonly dryRun: boolean;
  readonly actor: string;
  readonly signal?: AbortSignal;
}

/** How far the collection under way is. */
export interface CollectionProgress {
  readonly profile: string;
  /** At first it looks at publications and packages to find what goes, then it removes that. */
  readonly stage: 'looking' | 'removing';
  /** Publications and packages. */
  readonly done: number;
  readonly total: number;
}

/** What stays of the publications and packages, and what goes. */
export interface Retention {
  /**
   * Removes what the policies of the profiles (or of one) do not keep. One at a time; publishing goes on meanwhile.
   * A dry run says what would go, and changes nothing. Throws `unknown-profile`, `profile-broken`, and the reason of the
   * signal, between two steps.
   */
  collect(request: CollectionRequest): Promise<Collection>;
  progress(): CollectionProgress | undefined;
  /** Calls the listener at each step from now on, and at the end. The returned function ends it. */
  listen(listener: () => void): () => void;
  /** Throws `unknown-publication`, `publication-collected`, `reason-required`. */
  pin(key: PublicationKey, deed: Deed): Promise<Pin>;
  /** Throws `not-pinned`. */
  unpin(key: PublicationKey, deed: Deed): Promise<void>;
  pins(profile: string): Promise<Pin[]>;
  findCollected(packageId: string): Promise<CollectedPackage | undefined>;
}
