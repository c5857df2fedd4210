export type PublicationKind = 'publish' | 'promote' | 'rollback';

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
