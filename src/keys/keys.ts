import type { RevocationCause } from '../signing/certificate.ts';
import type { NewKey } from '../signing/keyring/change-keyring.ts';
import type { KeyDeed, KeyView } from '../signing/keyring/keyring.ts';

export interface KeyWarning {
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Whole days; 0 on the last one, negative once it has expired. */
  readonly daysLeft: number;
  /** A sentence for people. */
  readonly message: string;
}

/** What the other rooms may ask of the farm's keys. Every change is in the journal. */
export interface Keys {
  list(): KeyView[];
  /** Every public key that nodes should have, armored. */
  publicKeys(): string;
  /** Of the primary key of the one that signs, uppercase hex. */
  fingerprint(): string;
  /** The keys whose signatures nodes accept now, uppercase hex: published, not revoked, not expired. */
  acceptedFingerprints(): string[];
  /** Keys that end within sixty days, what ends first first. */
  warnings(): KeyWarning[];

  /**
   * Makes a next key and publishes it. It takes over when the overlap is over, or with `now` in this call; with
   * `now`, one that waits already does. Throws `key-rotation-under-way`, `key-source-gpg`, `gpg-key-missing`,
   * `gpg-signing-failed`.
   */
  rotate(
    request: KeyDeed & {
      readonly key: NewKey;
      readonly overlapMs: number;
      readonly now: boolean;
      readonly resign: boolean;
    },
  ): Promise<KeyView[]>;
  /** Every key that is not revoked ends so many days from now, or later. Throws `key-source-gpg`. */
  extend(request: KeyDeed & { readonly days: number }): Promise<KeyView[]>;
  /** Throws `unknown-key`, `key-in-use`, `key-source-gpg`. */
  revoke(
    request: KeyDeed & { readonly fingerprint: string; readonly cause: RevocationCause },
  ): Promise<KeyView[]>;
  /** Signs again with the current key, in the background, what another one has signed and a channel shows. */
  resign(deed: KeyDeed): Promise<void>;
}
