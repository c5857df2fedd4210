import { createHash, type Hash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { formatPaxRecords } from '../../src/binpkg/archive/pax-records.ts';
import { encodeTarHeader, type NewTarHeader } from '../../src/binpkg/archive/tar-header.ts';
import { tarEnd, tarPadding } from '../../src/binpkg/archive/tar-writer.ts';
import { type ByteSource, memorySource } from '../../src/binpkg/byte-source.ts';
import type { PackageSigner, PackageVerifier } from '../../src/binpkg/package-signer.ts';
import { AppError } from '../../src/support/errors.ts';

export const MTIME = 1_767_000_000;

/** A tar entry, in any form, hostile ones included. */
export interface RawEntry extends Partial<Omit<NewTarHeader, 'size'>> {
  readonly name: string;
  readonly content?: Buffer | string;
  /** Instead of the true size. */
  readonly size?: number;
}

export function entryBytes(raw: RawEntry): Buffer {
  const content = Buffer.from(raw.content ?? '');
  const header = encodeTarHeader({
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: MTIME,
    typeflag: '0',
    linkname: '',
    magic: 'ustar',
    uname: '',
    gname: '',
    ...raw,
    size: raw.size ?? content.length,
  });
  return Buffer.concat([header, content, tarPadding(content.length)]);
}

/** Entries one after the other, without an end. */
export function bareTar(entries: readonly RawEntry[]): Buffer {
  return Buffer.concat(entries.map(entryBytes));
}

export function tar(entries: readonly RawEntry[]): Buffer {
  const bytes = bareTar(entries);
  return Buffer.concat([bytes, tarEnd(bytes.length)]);
}

export function paxEntry(records: Readonly<Record<string, string>>, typeflag = 'x'): RawEntry {
  return { name: 'pax', typeflag, content: formatPaxRecords(new Map(Object.entries(records))) };
}

export const METADATA: Readonly<Record<string, string>> = {
  CATEGORY: 'app-misc\n',
  PF: 'hello-1.0-r1\n',
  SLOT: '0/1\n',
  EAPI: '8\n',
  KEYWORDS: 'amd64 ~arm64\n',
  CHOST: 'x86_64-pc-linux-gnu\n',
  USE: 'amd64 elibc_glibc\n',
  RDEPEND: '>=app-misc/lib-1:0/1=\n  sys-libs/x\n',
  BUILD_TIME: '1767000000\n',
  BUILD_ID: '3',
  SIZE: '6\n',
};

export const IMAGE: readonly RawEntry[] = [
  { name: 'image/', typeflag: '5' },
  { name: 'image/usr/', typeflag: '5' },
  { name: 'image/usr/bin/', typeflag: '5' },
  { name: 'image/usr/bin/hello', content: 'hello\n' },
  { name: 'image/usr/bin/hi', typeflag: '2', linkname: 'hello' },
  { name: 'image/usr/bin/hey', typeflag: '1', linkname: 'image/usr/bin/hello' },
];

export function metadataTar(metadata: Readonly<Record<string, string>> = METADATA): Buffer {
  return tar(
    Object.entries(metadata).map(([key, content]) => ({ name: `metadata/${key}`, content })),
  );
}

/** A member of a container, before the Manifest is made. */
export interface RawMember extends Partial<RawEntry> {
  readonly name: string;
  readonly content?: Buffer | string;
  /** Not in the Manifest. */
  readonly unlisted?: boolean;
}

export interface Forged {
  readonly base?: string;
  readonly metadata?: Buffer;
  readonly image?: Buffer;
  /** All members but the Manifest. Default: marker, metadata and image, gzipped. */
  readonly members?: (usual: readonly RawMember[]) => readonly RawMember[];
  /** Text of the Manifest, made from the usual one. */
  readonly manifest?: (usual: string) => string;
  readonly signer?: PackageSigner;
  /** The finished member list, Manifest included. */
  readonly order?: (entries: readonly RawEntry[]) => readonly RawEntry[];
  readonly end?: Buffer;
}

/** A package of gzipped members, right or wrong in whatever way is wanted. */
export async function forge(forged: Forged = {}): Promise<Buffer> {
  const base = forged.base ?? 'hello-1.0-r1-3';
  const members = membersOf(forged);
  const entries = [...members, await manifestOf(members, forged)].map((member) => ({
    ...member,
    name: member.name.includes('/') ? member.name : `${base}/${member.name}`,
  }));
  const bytes = bareTar(forged.order?.(entries) ?? entries);
  return Buffer.concat([bytes, forged.end ?? tarEnd(bytes.length)]);
}

function membersOf({ metadata, image, signer, members }: Forged): readonly RawMember[] {
  const unsigned: RawMember[] = [
    { name: 'gpkg-1' },
    { name: 'metadata.tar.gz', content: gzipSync(metadata ?? metadataTar()) },
    { name: 'image.tar.gz', content: gzipSync(image ?? tar(IMAGE)) },
  ];
  const usual = signer === undefined ? unsigned : withSignatures(unsigned, signer);
  return members?.(usual) ?? usual;
}

async function manifestOf(
  members: readonly RawMember[],
  { manifest, signer }: Forged,
): Promise<RawMember> {
  const listed = members.filter(({ unlisted }) => unlisted !== true);
  const usual = listed.map(dataLine).join('');
  const text = manifest?.(usual) ?? usual;
  return { name: 'Manifest', content: signer === undefined ? text : await signer.clearSign(text) };
}

export async function forgedSource(forged: Forged = {}): Promise<ByteSource> {
  return memorySource(await forge(forged));
}

export function dataLine({ name, content = '' }: RawMember): string {
  const hex = (hash: string): string => createHash(hash).update(content).digest('hex');
  const size = Buffer.byteLength(content);
  return `DATA ${name} ${size} BLAKE2B ${hex('blake2b512')} SHA512 ${hex('sha512')}\n`;
}

export function signatureOf(member: RawMember, signer: PackageSigner): RawMember {
  const state = createHash('sha512').update(member.content ?? '');
  return { name: `${member.name}.sig`, content: signer.signState(state) };
}

function withSignatures(members: readonly RawMember[], signer: PackageSigner): RawMember[] {
  return members.flatMap((member) =>
    member.name === 'gpkg-1' ? [member] : [member, signatureOf(member, signer)],
  );
}

/** Signs with a digest and a name. It stands in for OpenPGP where only the flow is looked at. */
export class PretendKey implements PackageSigner, PackageVerifier {
  readonly fingerprint: string;
  readonly trusted: readonly string[];

  constructor(name: string, trusted: readonly string[] = [name]) {
    this.fingerprint = name;
    this.trusted = trusted;
  }

  signState(state: Hash): string {
    const line = `${this.fingerprint}:${state.digest('hex')}`;
    return `-----BEGIN PGP SIGNATURE-----\n\n${line}\n-----END PGP SIGNATURE-----\n`;
  }

  async clearSign(text: string): Promise<string> {
    const signature = this.signState(createHash('sha512').update(text));
    return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${text}${signature}`;
  }

  furtherDigests(): [] {
    return [];
  }

  async verifyState(state: Hash, armored: string): Promise<string> {
    const [, name = '', digest] = /\n([^\n:]+):([0-9a-f]+)\n/.exec(armored) ?? [];
    if (!this.trusted.includes(name)) {
      const code = name === 'expired' ? 'signature-expired-key' : 'signature-unknown-key';
      throw new AppError(code, `The key ${name} is not trusted.`);
    }
    if (state.copy().digest('hex') !== digest) {
      throw new AppError('signature-invalid', 'The digest differs.');
    }
    return name;
  }

  async verifyClearSigned(text: string): Promise<{ text: string; fingerprint: string }> {
    const start = text.indexOf('\n\n') + 2;
    const end = text.indexOf('-----BEGIN PGP SIGNATURE');
    const content = text.slice(start, end);
    const state = createHash('sha512').update(content);
    return { text: content, fingerprint: await this.verifyState(state, text.slice(end)) };
  }
}

/** Bytes in pieces of one size. */
export async function* piecesOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) {
    yield bytes.subarray(offset, offset + size);
  }
}

export async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) {
    all.push(piece);
  }
  return Buffer.concat(all);
}

/** A container of these members and a Manifest that is signed as `clearSign` does. */
export async function memberFile(
  members: readonly RawMember[],
  clearSign: (text: string) => Promise<Buffer>,
): Promise<Buffer> {
  const manifest = await clearSign(members.map(dataLine).join(''));
  const all = [...members, { name: 'Manifest', content: manifest }];
  return tar(all.map((member) => ({ ...member, name: `x-1/${member.name}` })));
}
