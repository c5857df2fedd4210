export type PublicationKind = 'publish' | 'promote' | 'rollback';

/** A promotion, or a publication straight to a later channel, that the channel's policy did not allow, made all the same. */
export interface ForcedPromotion {
  /** What was missing then, in sentences. */
  readonly missing: readonly string[];
}

/** A numbered release of a snapshot on a channel. The newest serial is what clients see. */
export interface PublicationRecord {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  readonly snapshotId: string;
  /** TIMESTAMP of its index, seconds. */
  readonly timestampSeconds: number;
  readonly createdAt: number;
  readonly author: string;
  readonly reason: string;
  readonly kind: PublicationKind;
  readonly requestId: string | null;
  readonly packageCount: number;
  readonly forced: ForcedPromotion | null;
}

export interface SnapshotRecord {
  readonly id: string;
  readonly profile: string;
  readonly createdAt: number;
  readonly author: string;
  readonly reason: string;
  readonly origin: string;
  readonly packageCount: number;
}
