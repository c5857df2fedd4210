import { AppError } from '../support/errors.ts';

/** Numbers of RFC 4880 9.1 and 9.4, and of the EdDSA draft that GnuPG 2.2 follows. */
export const ALGORITHM = { rsa: 1, rsaSignOnly: 3, eddsaLegacy: 22 } as const;
export const HASH = { sha256: 8, sha384: 9, sha512: 10 } as const;
export const SIGNATURE_TYPE = { binary: 0x00, text: 0x01 } as const;

const SUBPACKET = { created: 2, expires: 3, issuer: 16, issuerFingerprint: 33 } as const;
/** Critical subpackets that change nothing for a signature over data: policy, signer's user id, features. */
const HARMLESS = new Set([26, 28, 30]);
const SIGNATURE_TAG = 2;
const MAX_PACKETS = 8;

/** A version 4 signature packet (RFC 4880 5.2.3). */
export interface SignaturePacket {
  readonly type: number;
  readonly algorithm: number;
  readonly hash: number;
  /** From the version octet to the end of the hashed subpackets: what is hashed after the data. */
  readonly hashedPart: Buffer;
  /** The first two octets of the digest. */
  readonly digestStart: Buffer;
  /** The numbers of the signature, big endian, without leading zeros. */
  readonly numbers: readonly Buffer[];
  /** Seconds since the epoch. */
  readonly created: number;
  /** Seconds since the epoch; undefined when the signature does not expire. */
  readonly expires: number | undefined;
  /** Uppercase hex. */
  readonly issuerFingerprint: string | undefined;
  /** Uppercase hex, 16 digits. */
  readonly issuerKeyId: string | undefined;
}

/** The six octets that are hashed last (RFC 4880 5.2.4). */
export function trailerOf(hashedPart: Uint8Array): Buffer {
  const trailer = Buffer.from([4, 0xff, 0, 0, 0, 0]);
  trailer.writeUInt32BE(hashedPart.byteLength, 2);
  return trailer;
}

/** The hashed part of a SHA-512 EdDSA signature over bytes: issuer fingerprint and time are covered by it. */
export function makeHashedPart(fingerprint: string, createdSeconds: number): Buffer {
  const time = Buffer.alloc(4);
  time.writeUInt32BE(createdSeconds);
  const subpackets = Buffer.concat([
    subpacket(SUBPACKET.issuerFingerprint, Buffer.from(`04${fingerprint}`, 'hex')),
    subpacket(SUBPACKET.created, time),
  ]);
  const head = Buffer.from([4, SIGNATURE_TYPE.binary, ALGORITHM.eddsaLegacy, HASH.sha512]);
  return Buffer.concat([head, counted(subpackets)]);
}

/** The whole packet, with the issuer's key id outside of the hashed part, where older programs look for it. */
export function encodeSignaturePacket(
  hashedPart: Uint8Array,
  digest: Uint8Array,
  issuerKeyId: string,
  numbers: readonly Uint8Array[],
): Buffer {
  const unhashed = counted(subpacket(SUBPACKET.issuer, Buffer.from(issuerKeyId, 'hex')));
  const body = Buffer.concat([hashedPart, unhashed, digest.subarray(0, 2), ...numbers.map(mpi)]);
  const head = Buffer.from([0x80 | (SIGNATURE_TAG << 2) | 1, 0, 0]);
  head.writeUInt16BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** All signatures in a sequence of packets, at least one. Anything else in it is refused with `signature-invalid`. */
export function parseSignaturePackets(data: Buffer): SignaturePacket[] {
  const reader = new Reader(data);
  const packets: SignaturePacket[] = [];
  while (!reader.atEnd) {
    if (packets.length === MAX_PACKETS) {
      throw invalid(`it has more than ${MAX_PACKETS} packets`);
    }
    packets.push(parseSignature(readPacket(reader)));
  }
  if (packets.length === 0) {
    throw invalid('it is empty');
  }
  return packets;
}

function readPacket(reader: Reader): Buffer {
  const head = reader.byte();
  const isNewFormat = (head & 0xc0) === 0xc0;
  const tag = isNewFormat ? head & 0x3f : (head & 0x3c) >> 2;
  if ((head & 0x80) === 0 || tag !== SIGNATURE_TAG) {
    throw invalid('it holds something that is not a signature packet');
  }
  return reader.take(isNewFormat ? newFormatLength(reader) : oldFormatLength(reader, head & 3));
}

function oldFormatLength(reader: Reader, lengthType: number): number {
  if (lengthType === 3) {
    throw invalid('a packet has no length');
  }
  return reader.number(2 ** lengthType);
}

/** RFC 4880 4.2.2 and, for subpackets, 5.2.3.1; partial lengths are not for signatures. */
function newFormatLength(reader: Reader, isSubpacket = false): number {
  const first = reader.byte();
  if (first < 192) {
    return first;
  }
  if (first === 255) {
    return reader.number(4);
  }
  if (first >= 224 && !isSubpacket) {
    throw invalid('a packet has a partial length');
  }
  return ((first - 192) << 8) + reader.byte() + 192;
}

function parseSignature(body: Buffer): SignaturePacket {
  const reader = new Reader(body);
  const version = reader.byte();
  if (version !== 4) {
    throw invalid(`it has version ${version}, and only version 4 is accepted`);
  }
  const [type, algorithm, hash] = [reader.byte(), reader.byte(), reader.byte()];
  const hashed = parseSubpackets(reader.take(reader.number(2)));
  const hashedPart = body.subarray(0, reader.offset);
  const unhashed = parseSubpackets(reader.take(reader.number(2)));
  const digestStart = reader.take(2);
  const numbers: Buffer[] = [];
  while (!reader.atEnd) {
    numbers.push(reader.take(Math.ceil(reader.number(2) / 8)));
  }
  const created = numberOf(hashed, SUBPACKET.created);
  if (created === undefined) {
    throw invalid('it does not say when it was made');
  }
  const lifetime = numberOf(hashed, SUBPACKET.expires) ?? 0;
  return {
    type,
    algorithm,
    hash,
    hashedPart,
    digestStart,
    numbers,
    created,
    expires: lifetime === 0 ? undefined : created + lifetime,
    ...issuerOf(hashed, unhashed),
  };
}

function issuerOf(
  hashed: ReadonlyMap<number, Buffer>,
  unhashed: ReadonlyMap<number, Buffer>,
): Pick<SignaturePacket, 'issuerFingerprint' | 'issuerKeyId'> {
  const get = (type: number): Buffer | undefined => hashed.get(type) ?? unhashed.get(type);
  const keyId = get(SUBPACKET.issuer);
  return {
    issuerFingerprint: get(SUBPACKET.issuerFingerprint)?.subarray(1).toString('hex').toUpperCase(),
    issuerKeyId: keyId?.toString('hex').toUpperCase(),
  };
}

function parseSubpackets(area: Buffer): Map<number, Buffer> {
  const reader = new Reader(area);
  const found = new Map<number, Buffer>();
  const known: ReadonlySet<number> = new Set([...Object.values(SUBPACKET), ...HARMLESS]);
  while (!reader.atEnd) {
    const body = new Reader(reader.take(newFormatLength(reader, true)));
    const head = body.byte();
    const type = head & 0x7f;
    if ((head & 0x80) !== 0 && !known.has(type)) {
      throw invalid(`it has a critical subpacket of the unknown type ${type}`);
    }
    found.set(type, body.rest());
  }
  return found;
}

function numberOf(subpackets: ReadonlyMap<number, Buffer>, type: number): number | undefined {
  const value = subpackets.get(type);
  return value?.length === 4 ? value.readUInt32BE() : undefined;
}

function subpacket(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([body.byteLength + 1, type]), body]);
}

function counted(data: Uint8Array): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(data.byteLength);
  return Buffer.concat([count, data]);
}

/** A multiprecision integer (RFC 4880 3.2): length in bits, then the octets without leading zeros. */
function mpi(value: Uint8Array): Buffer {
  const first = value.findIndex((byte) => byte !== 0);
  const octets = first === -1 ? value.subarray(0, 0) : value.subarray(first);
  const top = octets[0] ?? 0;
  const bits = octets.byteLength === 0 ? 0 : octets.byteLength * 8 - (Math.clz32(top) - 24);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(bits);
  return Buffer.concat([head, octets]);
}

class Reader {
  readonly #data: Buffer;
  #offset = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get offset(): number {
    return this.#offset;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#data.length;
  }

  byte(): number {
    return this.number(1);
  }

  number(octets: number): number {
    return this.take(octets).readUIntBE(0, octets);
  }

  take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#data.length) {
      throw invalid('it ends too early');
    }
    const part = this.#data.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }

  rest(): Buffer {
    return this.take(this.#data.length - this.#offset);
  }
}

function invalid(reason: string): Error {
  return new AppError('signature-invalid', `The signature cannot be read: ${reason}.`);
}
