import type { Hash } from 'node:crypto';
import type { DigestName } from '../support/digests.ts';

interface KeyFacts {
  /** Fingerprint of the subkey that makes the signatures, uppercase hex. */
  readonly fingerprint: string;
  /** Fingerprint of the key that nodes trust, uppercase hex. */
  readonly primaryFingerprint: string;
  /** The public key with its subkey, armored. */
  readonly publicKey: string;
  /** Milliseconds since the epoch at which gpg starts to refuse the signatures; null when the key does not expire. */
  readonly expiresAt: number | null;
  /** OpenPGP clear-signed text with LF line ends. Throws `signing-key-expired`, `clear-sign-text-invalid`. */
  clearSign(text: string): Promise<string>;
}

/** The farm's own key, ready to sign. Nothing of the secret half can be read from it. */
export interface Signer extends KeyFacts {
  /**
   * Armored detached signature over the bytes that this running SHA-512 state has seen. The state is used up.
   * Throws `signing-key-expired`.
   */
  signState(state: Hash): string;
}

/** The same with a key that gpg keeps, in its agent or on a card. What it throws in addition: `gpg-signing-failed`. */
export interface StreamSigner extends KeyFacts {
  /** Throws `signing-key-expired`. */
  signStream(): SigningStream;
}

export type AnySigner = Signer | StreamSigner;

/** A detached signature that is made while the bytes pass; each piece is copied before `write` returns. One of `end` and `abandon` has to be called. */
export interface SigningStream {
  write(piece: Uint8Array): Promise<void>;
  /** Armored. */
  end(): Promise<string>;
  abandon(): void;
}

/**
 * Checks signatures against a fixed list of public keys. Both throw `signature-invalid`, `signature-unknown-key` or
 * `signature-expired-key`; of several signatures every one has to be good, as gpg has it.
 */
export interface Verifier {
  /**
   * What a detached signature needs besides SHA-512: `gpg --digest-algo` is the choice of whoever signs. Nothing for
   * one that cannot be read; checking it says why.
   */
  furtherDigests(armored: string): readonly DigestName[];
  /**
   * Checks a detached signature over the bytes that this running SHA-512 state has seen, and the `further` ones.
   * The states stay as they are.
   * Returns the fingerprint of the key that made the signature, uppercase hex.
   */
  verifyState(
    state: Hash,
    armored: string,
    further?: ReadonlyMap<DigestName, Hash>,
  ): Promise<string>;
  /**
   * Checks clear-signed text and returns what was signed: LF line ends, no blanks at the end of a line, one newline
   * at the end, which is what `gpg --output -` writes.
   */
  verifyClearSigned(text: string): Promise<{ readonly text: string; readonly fingerprint: string }>;
}
