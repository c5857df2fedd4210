import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ByteSource, openByteSource } from '../binpkg/byte-source.ts';
import { type VerifiedPackage, verifyGpkg } from '../binpkg/gpkg/verify.ts';
import type { PackageVerifier } from '../binpkg/package-signer.ts';
import { type SignedPair, verifyWithGpg } from '../signing/gpg-check.ts';
import { DigestSet } from '../support/digests.ts';
import { AppError, isAppError } from '../support/errors.ts';
import type { Findings } from './check-findings.ts';
import { bodyChunks, httpGet } from './http-get.ts';

const DIGESTS_PER_MEMBER = 2;
/** gpg gets a member from memory; above this only this program's own verifier looks at it. */
const MAX_GPG_BYTES = 512 * 1024 * 1024;
const HASHES = [
  ['MD5', 'md5'],
  ['SHA1', 'sha1'],
] as const;

export interface PackageCheck {
  readonly uri: string;
  /** The package's stanza in the index. */
  readonly entry: ReadonlyMap<string, string>;
  /** Where to put it meanwhile. */
  readonly file: string;
  readonly verifier: PackageVerifier;
  readonly publicKey: string;
  /** Undefined where gpg is not installed. */
  readonly gpg: string | undefined;
  readonly findings: Findings;
  readonly signal: AbortSignal | undefined;
}

/** Fetches one package of an index and compares everything that a node compares. Faults become findings. */
export async function checkPackage(check: PackageCheck): Promise<void> {
  const subject = subjectOf(check.entry);
  try {
    if (await fetchAndCompare(check, subject)) {
      await checkInside(check, subject);
    }
  } catch (error) {
    if (isAppError(error, 'interrupted')) {
      throw error;
    }
    check.findings.fault(subject, error);
  } finally {
    await rm(check.file, { force: true });
  }
}

function subjectOf(entry: ReadonlyMap<string, string>): string {
  const buildId = entry.get('BUILD_ID');
  return `${entry.get('CPV') ?? 'an entry without CPV'}${buildId === undefined ? '' : `-${buildId}`}`;
}

/** Puts the package on disk. Whether it is what the index says. */
async function fetchAndCompare(check: PackageCheck, subject: string): Promise<boolean> {
  const { entry, findings } = check;
  const path = entry.get('PATH') ?? '';
  if (!/^[^/]/.test(path) || path.split('/').includes('..') || !path.endsWith('.gpkg.tar')) {
    throw new AppError('index-path-invalid', `The index gives it the path "${path}".`);
  }
  const size = Number(entry.get('SIZE'));
  const digests = new DigestSet(HASHES.map(([, name]) => name));
  const response = await httpGet(`${check.uri}/${path}`, check.signal);
  await pipeline(
    Readable.from(upTo(size, bodyChunks(response), digests)),
    createWriteStream(check.file, { flags: 'wx', mode: 0o600 }),
  );
  findings.expect(
    subject,
    digests.size === size,
    'size-differs',
    `It has ${digests.size > size ? 'more than' : String(digests.size)} of the ${size} bytes that the index says.`,
  );
  const found = digests.finish();
  const wrong = HASHES.filter(([key, name]) => entry.get(key) !== found.of(name));
  for (const [key, name] of HASHES) {
    findings.expect(
      subject,
      entry.get(key) === found.of(name),
      'digest-differs',
      `Its ${key} is ${found.of(name)}, the index says ${entry.get(key) ?? 'nothing'}.`,
    );
  }
  return digests.size === size && wrong.length === 0;
}

/** Ends one piece after the size was exceeded, so that a liar cannot fill the disk. */
async function* upTo(
  size: number,
  chunks: AsyncIterable<Uint8Array>,
  digests: DigestSet,
): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    digests.update(chunk);
    yield chunk;
    if (digests.size > size) {
      return;
    }
  }
}

async function checkInside(check: PackageCheck, subject: string): Promise<void> {
  const { verifier, signal, findings, entry } = check;
  const source = await openByteSource(check.file);
  try {
    const verified = await verifyGpkg(source, {
      verifier,
      signatures: 'required',
      ...(signal === undefined ? {} : { signal }),
    });
    const signatures = verified.members.filter(({ name }) => name.endsWith('.sig')).length + 1;
    findings.count((verified.members.length - 1) * DIGESTS_PER_MEMBER + signatures);
    const cpv = `${textOf(verified, 'CATEGORY')}/${textOf(verified, 'PF')}`;
    findings.expect(
      subject,
      cpv === entry.get('CPV'),
      'identity-differs',
      `The package inside is ${cpv}, the index says ${entry.get('CPV') ?? 'nothing'}.`,
    );
    if (check.gpg !== undefined) {
      const pairs = await signedPairs(source, verified);
      await verifyWithGpg({ gpg: check.gpg, publicKey: check.publicKey, pairs });
      findings.count(pairs.length);
    }
  } finally {
    await source.close();
  }
}

async function signedPairs(source: ByteSource, verified: VerifiedPackage): Promise<SignedPair[]> {
  const bytesOf = async (name: string): Promise<Buffer> => {
    const member = verified.members.find((candidate) => candidate.name === name);
    return member === undefined ? Buffer.alloc(0) : await source.read(member.offset, member.size);
  };
  const pairs: SignedPair[] = [
    {
      kind: 'clear-signed',
      name: 'Manifest',
      text: (await bytesOf('Manifest')).toString('utf8'),
    },
  ];
  for (const { name, size } of verified.members) {
    const isSigned = verified.members.some((member) => member.name === `${name}.sig`);
    if (isSigned && size <= MAX_GPG_BYTES) {
      pairs.push({
        kind: 'detached',
        name,
        data: await bytesOf(name),
        signature: await bytesOf(`${name}.sig`),
      });
    }
  }
  return pairs;
}

function textOf(verified: VerifiedPackage, key: string): string {
  return verified.metadata.get(key)?.toString('utf8').trim() ?? '';
}
