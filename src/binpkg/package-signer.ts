import type { Hash } from 'node:crypto';
import type { DigestName } from '../support/digests.ts';

/**
 * What this room needs of a signing key that is at hand. All results are what Portage's `gpg --verify` accepts
 * (portage-contract: GLEP 78, `portage/gpkg.py:checksum_helper`).
 */
export interface PackageSigner {
  /** Fingerprint of the key that makes the signatures, uppercase hex. */
  readonly fingerprint: string;
  /** Armored detached signature over the bytes that this running SHA-512 state has seen. The state is used up. */
  signState(state: Hash): string;
  /** OpenPGP clear-signed text with LF line ends. */
  clearSign(text: string): Promise<string>;
}

/** The same with a key that is elsewhere, in gpg's agent or on a card: it needs the bytes themselves. */
export interface StreamPackageSigner extends Pick<PackageSigner, 'fingerprint' | 'clearSign'> {
  signStream(): SigningStream;
}

/** A detached signature that is made while the bytes pass. One of `end` and `abandon` has to be called. */
export interface SigningStream {
  write(piece: Uint8Array): Promise<void>;
  /** The armored signature over everything that was written. */
  end(): Promise<string>;
  abandon(): void;
}

export type AnyPackageSigner = PackageSigner | StreamPackageSigner;

/** What this room needs to check signatures. Both throw `signature-invalid`, `signature-unknown-key`, `signature-expired-key`. */
export interface PackageVerifier {
  /**
   * What a detached signature needs besides SHA-512: `gpg --digest-algo` is the choice of whoever signs. Nothing for
   * one that cannot be read; checking it says why.
   */
  furtherDigests(armored: string): readonly DigestName[];
  /**
   * Checks a detached signature over the bytes that this running SHA-512 state has seen, and the `further` ones. Returns the fingerprint.
   */
  verifyState(
    state: Hash,
    armored: string,
    further?: ReadonlyMap<DigestName, Hash>,
  ): Promise<string>;
  /** Checks clear-signed text and returns what was signed. */
  verifyClearSigned(text: string): Promise<{ readonly text: string; readonly fingerprint: string }>;
}
