import { type Hash, type KeyObject, sign } from 'node:crypto';
import { armorSignature } from './armor.ts';
import { encodeSignaturePacket, makeHashedPart, trailerOf } from './signature-packet.ts';

/** An Ed25519 key as GnuPG 2.2 knows it (algorithm 22). */
export interface DetachedSigningKey {
  readonly privateKey: KeyObject;
  /** Of this very key, uppercase hex. */
  readonly fingerprint: string;
}

/**
 * Armored OpenPGP version 4 signature (RFC 4880 5.2.3, 5.2.4) over the bytes that a running SHA-512 state has seen,
 * so that a package is read once for its digests and its signature. The state is used up. The same bytes, key and
 * second give the same text.
 */
export function signState(state: Hash, key: DetachedSigningKey, createdSeconds: number): string {
  const hashedPart = makeHashedPart(key.fingerprint, createdSeconds);
  const digest = state.update(hashedPart).update(trailerOf(hashedPart)).digest();
  const signature = sign(null, digest, key.privateKey);
  const numbers = [signature.subarray(0, 32), signature.subarray(32)];
  return armorSignature(
    encodeSignaturePacket(hashedPart, digest, key.fingerprint.slice(-16), numbers),
  );
}
