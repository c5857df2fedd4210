import type { Readable } from 'node:stream';
import type { SnapshotDifference } from './difference/snapshot-difference.ts';
import type { Allowance } from './gate/gate-store.ts';
import type { JudgedFinding } from './gate/pass-gate.ts';
import type { Planned, Rebuild } from './gate/rebuilds-after.ts';
import type { PackageRecord } from './package-record.ts';
import type { PublicationRecord, SnapshotRecord } from './publication.ts';
import type { Refusal } from './refusal.ts';
import type { Retention } from './retention/retention.ts';

/** Who does something, and why: both stand in the journal for good. */
export interface Deed {
  readonly author: string;
  readonly reason: string;
}

/** A change of what a channel shows. */
export interface ChannelDeed extends Deed {
  readonly profile: string;
  readonly channel: string;
  /**
   * The serial that the channel showed when this was decided, 0 for none. When it shows another one by now, nothing
   * happens: `channel-moved`.
   */
  readonly expected?: number;
}

export interface PublicationName {
  readonly channel: string;
  readonly serial?: number | undefined;
}

export interface PackageQuery {
  readonly profile: string;
  /** Only what the current publication of this channel holds. */
  readonly channel?: string;
  /** Part of a CPV or of the description, any case. */
  readonly search?: string;
  readonly limit: number;
  readonly offset: number;
}

/** What of some packages can be published. */
export interface PartToPublish {
  /** What the channel showed; 0 for nothing. */
  readonly serial: number;
  /** Those that the channel does not have yet. */
  readonly packageIds: readonly string[];
  readonly leftOut: readonly {
    readonly id: string;
    readonly cpv: string;
    /** A sentence. */
    readonly reason: string;
    /** `category/pn` of what it lacks, or would break. */
    readonly lacks: readonly string[];
  }[];
}

export interface RecoverOptions {
  /** Other servers are at work on the same folders: only what those that are gone have declared is touched. */
  readonly othersRun: boolean;
}

/** What the other rooms may ask of the repository. */
export interface Repository {
  /**
   * Puts an upload on disk, synced, while it is hashed. Nothing stays when it fails. Returns the file's path, to
   * be given to `importPackage`, which removes it.
   *
   * Throws `upload-too-large`, `upload-truncated`, `upload-digest-mismatch`.
   */
  receiveUpload(
    stream: Readable,
    expected: { readonly sha512: string; readonly size?: number },
  ): Promise<string>;

  /** Removes an upload that `importPackage` is not given. */
  discardUpload(file: string): Promise<void>;

  /**
   * Verifies an uploaded package (an XPAK is converted to a GPKG first), gives it its BUILD_ID, signs it, puts it into the pool and the binhost folder
   * of the profile. The same upload again is answered with the package that it became, and the signed
   * file of a package of the profile with that package (`created: false`). When the bytes of that package are lost, its
   * signed file puts them back, and its upload becomes the next build of it.
   * Acknowledged means durable.
   *
   * Throws the codes of `binpkg` for what is wrong with the file, `package-wrong-chost`, `package-invalid-cpv`,
   * `package-unexpected`, `package-unknown-member`, `package-wrong-instruction-set`,
   * `package-invalid-metadata`, `unknown-profile`.
   */
  importPackage(request: {
    readonly profile: string;
    readonly file: string;
    readonly uploadSha512: string;
    readonly origin: string;
    readonly inputs?: string;
    /** What it has to be; anything else is refused before a BUILD_ID is spent on it. */
    readonly expectedCpv?: string;
    readonly actor: string;
    /** Further metadata keys to put into the package before it is signed, such as ROOKERY_PROVENANCE. */
    readonly provenance?: Readonly<Record<string, unknown>>;
  }): Promise<{ readonly package: PackageRecord; readonly created: boolean }>;

  findPackage(id: string): Promise<PackageRecord | undefined>;
  /** What became of an upload; undefined when its bytes are lost, and have to be sent again. */
  findPackageByUpload(profile: string, uploadSha512: string): Promise<PackageRecord | undefined>;
  /** The newest build of what has these inputs; undefined when its bytes are lost. */
  findPackageByInputs(profile: string, inputs: string): Promise<PackageRecord | undefined>;
  /** Builds of one CPV, newest BUILD_ID first. */
  packagesByCpv(profile: string, cpv: string): Promise<PackageRecord[]>;
  searchPackages(
    query: PackageQuery,
  ): Promise<{ readonly packages: PackageRecord[]; readonly total: number }>;
  /** The newest build (by BUILD_TIME, then BUILD_ID) of each CPV. */
  newestPackages(profile: string): Promise<PackageRecord[]>;

  /**
   * Of each category/pn:slot the newest version, or what `packageIds` adds over the channel's present contents.
   * Throws `unknown-profile`, `unknown-channel`, `unknown-package`; as `promote` and `rollback` do: `channel-moved`,
   * `index-collapsed` when nothing would be left of what the channel shows, `index-invalid` when a file that is new
   * to the channel is missing or has another size; as `promote` does: `publication-refused` with everything that the
   * gate has found, `unknown-finding`, `reason-required`, and on any channel but the first `promotion-not-proven`.
   */
  publish(
    request: ChannelDeed & {
      /** These replace what the channel holds of the same category/pn:slot. Absent: the newest of everything. */
      readonly packageIds?: readonly string[];
      /** Ids of the gate's findings that are to pass, for the reason given. */
      readonly allow?: readonly string[];
      /** Also without the proof that a promotion of the same would need; needs a reason. */
      readonly force?: boolean;
      /** At most one publication is made for a request and channel, however often this is called. */
      readonly requestId?: string;
    },
  ): Promise<PublicationRecord>;

  /**
   * Publishes on `channel` the snapshot that `from` (the channel before it in the profile by default) shows, or
   * showed as number `serial`, if it has the proof that the profile's policy asks for, or is forced, with a reason.
   * Throws `nothing-to-promote`, also when the channel shows this snapshot already; `unknown-channel`, `unknown-publication`, `promotion-not-proven`, `reason-required`.
   */
  promote(
    request: ChannelDeed & {
      readonly from?: string;
      /** Ids of the gate's findings that are to pass, for the reason given. */
      readonly allow?: readonly string[];
      readonly serial?: number;
      readonly force?: boolean;
    },
  ): Promise<PublicationRecord>;

  /**
   * A new publication of the snapshot of number `serial`, or of the one before the contents that are shown now. What
   * an earlier rollback went away from is passed over, so that doing it twice goes back twice. Throws
   * `nothing-to-roll-back`, `unknown-channel`, `unknown-publication`.
   */
  rollback(
    request: ChannelDeed & {
      readonly serial?: number;
    },
  ): Promise<PublicationRecord>;

  /**
   * What the gate would say to these contents on a channel: `newest` is what publishing would bring, a publication
   * what promoting it would; without, what the channel shows now. Throws `unknown-profile`, `unknown-channel`,
   * `unknown-publication`.
   */
  check(request: {
    readonly profile: string;
    readonly channel: string;
    readonly contents?: PublicationName | 'newest' | undefined;
  }): Promise<{
    readonly findings: readonly JudgedFinding[];
    /** `category/pn:slot` of what has to be rebuilt. */
    readonly rebuild: readonly string[];
  }>;

  /**
   * The largest part of these packages that breaks nothing on a channel: each finds what it needs in the part, on the
   * channel or in the base system, and so does what stays on the channel. Throws `unknown-profile`, `unknown-channel`,
   * `unknown-package`.
   */
  partToPublish(request: {
    readonly profile: string;
    readonly channel: string;
    readonly packageIds: readonly string[];
    /** Takes the place of nothing that was imported later than this. */
    readonly notOver?: number;
  }): Promise<PartToPublish>;

  /**
   * What would have to be built again once these packages, and those that are planned, are on a channel: what stays
   * there, or is among these packages, and loses a sub-slot or a library. Throws `unknown-profile`, `unknown-channel`,
   * `unknown-package`.
   */
  toRebuild(request: {
    readonly profile: string;
    readonly channel: string;
    readonly packageIds: readonly string[];
    /** Ids of those among them that are new: when these break nothing, nothing else is looked at. */
    readonly changed?: readonly string[];
    readonly planned: readonly Planned[];
  }): Promise<readonly Rebuild[]>;

  /** The findings that were let pass for a publication. */
  allowances(key: {
    readonly profile: string;
    readonly channel: string;
    readonly serial: number;
  }): Promise<Allowance[]>;

  /** What was refused last on a channel, unless something was published there since. */
  lastRefusal(key: {
    readonly profile: string;
    readonly channel: string;
  }): Promise<Refusal | undefined>;

  /**
   * What is different between two publications of a profile; without a serial, the newest of the channel, which may
   * show nothing yet. Throws `unknown-profile`, `unknown-channel`, `unknown-publication`.
   */
  compare(request: {
    readonly profile: string;
    readonly before: PublicationName;
    readonly after: PublicationName;
  }): Promise<
    SnapshotDifference & {
      readonly before: PublicationRecord | null;
      readonly after: PublicationRecord | null;
    }
  >;

  currentPublication(profile: string, channel: string): Promise<PublicationRecord | undefined>;
  /** What was published on a channel for a request. */
  publicationOfRequest(key: {
    readonly profile: string;
    readonly channel: string;
    readonly requestId: string;
  }): Promise<PublicationRecord | undefined>;
  /** Newest first. */
  publications(profile: string, channel: string, limit: number): Promise<PublicationRecord[]>;
  findSnapshot(id: string): Promise<SnapshotRecord | undefined>;
  packagesOfSnapshot(id: string): Promise<PackageRecord[]>;

  /**
   * Writes a complete binhost of these packages for a job of a request into the staging tree, served under
   * `/staging/<name>/`. The name is used once, so that no client has an older index of it cached.
   *
   * Throws `staging-exists`, `staging-name-invalid`, `unknown-profile`, `unknown-package`.
   */
  stage(name: string, profile: string, packageIds: readonly string[]): Promise<void>;
  /** The names of the staging trees that are there. */
  staged(): Promise<string[]>;
  /** Removes a staging tree; the packages stay. Nothing happens when there is none. Throws `staging-name-invalid`. */
  unstage(name: string): Promise<void>;

  readonly retention: Retention;

  /**
   * Finishes or clears away what a killed process left: half uploads, publications made but not switched to, what was collected.
   */
  recover(options?: RecoverOptions): Promise<void>;
}
