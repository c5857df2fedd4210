import {
  type Config,
  config,
  enums,
  generateKey,
  type PrivateKey,
  readPrivateKey,
  SecretKeyPacket,
  SignaturePacket,
  type Subkey,
} from 'openpgp';
import { armored } from './secret-key.ts';

const DAY_SECONDS = 86_400;
/** Self-signatures of the same second have no order; gpg follows the newest. */
const STEP_MS = 1000;

export interface CertificateRequest {
  readonly name: string;
  readonly email: string;
  readonly validDays: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A new Ed25519 primary key that only certifies, with a signing subkey, in the form of GnuPG 2.2 (algorithm 22). */
export async function makeCertificate(request: CertificateRequest): Promise<PrivateKey> {
  const { name, email, validDays, now } = request;
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name, email }],
    subkeys: [{ sign: true }],
    keyExpirationTime: validDays * DAY_SECONDS,
    date: new Date(now),
    format: 'object',
    config: { preferredHashAlgorithm: enums.hash.sha512 },
  });
  await certify(privateKey, { lifetimeSeconds: validDays * DAY_SECONDS, at: new Date(now) });
  return privateKey;
}

/** The certificate with a further signing subkey, the last of its subkeys. */
export async function addSigningSubkey(
  certificate: PrivateKey,
  { validDays, now }: { readonly validDays: number; readonly now: number },
): Promise<PrivateKey> {
  return await certificate.addSubkey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    sign: true,
    keyExpirationTime: validDays * DAY_SECONDS,
    date: new Date(now),
    config: { preferredHashAlgorithm: enums.hash.sha512 },
  });
}

/**
 * A copy of the certificate that ends at `until` (milliseconds since the epoch), as do the named subkeys. Others stay as they are, as do
 * revocations.
 */
export async function extendCertificate(
  certificate: PrivateKey,
  options: { readonly until: number; readonly now: number; readonly subkeys: readonly string[] },
): Promise<PrivateKey> {
  const copy = await copyOf(certificate);
  const lifetime = (created: Date): number => Math.ceil((options.until - created.getTime()) / 1000);
  await certify(copy, {
    lifetimeSeconds: lifetime(copy.getCreationTime()),
    at: signingTime(
      copy.users.flatMap((user) => user.selfCertifications),
      options.now,
    ),
  });
  for (const subkey of copy.subkeys) {
    if (options.subkeys.includes(subkey.getFingerprint().toUpperCase())) {
      await bind(copy, subkey, {
        lifetimeSeconds: lifetime(subkey.getCreationTime()),
        at: signingTime(subkey.bindingSignatures, options.now),
      });
    }
  }
  return copy;
}

export type RevocationCause = 'compromised' | 'superseded' | 'retired';

const CAUSES: Readonly<Record<RevocationCause, enums.reasonForRevocation>> = {
  compromised: enums.reasonForRevocation.keyCompromised,
  superseded: enums.reasonForRevocation.keySuperseded,
  retired: enums.reasonForRevocation.keyRetired,
};

/** A copy of the certificate in which one subkey, or the whole of it, is revoked. */
export async function revokeKeyOf(
  certificate: PrivateKey,
  options: {
    /** Uppercase hex; that of the primary key revokes everything. */
    readonly fingerprint: string;
    readonly cause: RevocationCause;
    readonly reason: string;
    readonly now: number;
  },
): Promise<PrivateKey> {
  const cause = { flag: CAUSES[options.cause], string: options.reason };
  const at = new Date(options.now);
  const copy = await copyOf(certificate);
  if (copy.getFingerprint().toUpperCase() === options.fingerprint) {
    return await copy.revoke(cause, at);
  }
  const place = copy.subkeys.findIndex(
    (subkey) => subkey.getFingerprint().toUpperCase() === options.fingerprint,
  );
  const subkey = copy.subkeys[place];
  if (subkey === undefined || !(copy.keyPacket instanceof SecretKeyPacket)) {
    throw new Error(`no secret key for ${options.fingerprint}`);
  }
  copy.subkeys[place] = await subkey.revoke(copy.keyPacket, cause, at);
  return copy;
}

interface SelfSignature {
  readonly lifetimeSeconds: number;
  readonly at: Date;
}

async function copyOf(certificate: PrivateKey): Promise<PrivateKey> {
  return await readPrivateKey({ armoredKey: armored(certificate) });
}

function signingTime(former: readonly SignaturePacket[], now: number): Date {
  const newest = Math.max(0, ...former.map(({ created }) => created?.getTime() ?? 0));
  return new Date(Math.max(now, newest + STEP_MS));
}

/** Replaces the certifications of the user ids: the primary key certifies, and does nothing else (RFC 4880 5.2.3.21). */
async function certify(certificate: PrivateKey, self: SelfSignature): Promise<void> {
  for (const user of certificate.users) {
    const former = newestOf(user.selfCertifications);
    const packet = emptySignature(certificate, enums.signature.certPositive, self);
    packet.keyFlags = new Uint8Array([enums.keyFlags.certifyKeys]);
    packet.isPrimaryUserID = former?.isPrimaryUserID ?? null;
    packet.features = former?.features ?? null;
    packet.preferredHashAlgorithms = former?.preferredHashAlgorithms ?? null;
    packet.preferredSymmetricAlgorithms = former?.preferredSymmetricAlgorithms ?? null;
    packet.preferredCompressionAlgorithms = former?.preferredCompressionAlgorithms ?? null;
    await signPacket(
      packet,
      certificate.keyPacket,
      { userID: user.userID, key: certificate.keyPacket },
      self.at,
    );
    user.selfCertifications = [packet];
  }
}

/** A signing subkey also signs its primary key, inside the binding (RFC 4880 5.2.1, type 0x19). */
async function bind(certificate: PrivateKey, subkey: Subkey, self: SelfSignature): Promise<void> {
  const data = { key: certificate.keyPacket, bind: subkey.keyPacket };
  const back = new SignaturePacket();
  back.signatureType = enums.signature.keyBinding;
  back.publicKeyAlgorithm = subkey.keyPacket.algorithm;
  back.hashAlgorithm = enums.hash.sha512;
  await signPacket(back, subkey.keyPacket, data, self.at);
  const packet = emptySignature(certificate, enums.signature.subkeyBinding, self);
  packet.keyFlags = new Uint8Array([enums.keyFlags.signData]);
  packet.embeddedSignature = back;
  await signPacket(packet, certificate.keyPacket, data, self.at);
  subkey.bindingSignatures = [packet];
}

function emptySignature(
  certificate: PrivateKey,
  type: enums.signature,
  { lifetimeSeconds }: SelfSignature,
): SignaturePacket {
  const packet = new SignaturePacket();
  packet.signatureType = type;
  packet.publicKeyAlgorithm = certificate.keyPacket.algorithm;
  packet.hashAlgorithm = enums.hash.sha512;
  packet.keyExpirationTime = lifetimeSeconds;
  packet.keyNeverExpires = false;
  return packet;
}

/** `SignaturePacket.sign` takes packets to certify as well; its declared type knows bytes only. */
interface Certifier {
  sign(key: unknown, data: object, date: Date, detached: boolean, config: Config): Promise<void>;
}

async function signPacket(packet: Certifier, key: unknown, data: object, at: Date): Promise<void> {
  await packet.sign(key, data, at, false, config);
}

function newestOf(packets: readonly SignaturePacket[]): SignaturePacket | undefined {
  return packets.toSorted((a, b) => Number(b.created) - Number(a.created))[0];
}
