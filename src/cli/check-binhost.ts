import { createHash, type Hash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type IndexStanza, readIndexStanzas } from '../gentoo/index-reader.ts';
import type { PackagesIndex } from '../gentoo/packages-index.ts';
import { isGpgInstalled } from '../signing/gpg-check.ts';
import { createVerifier } from '../signing/verifier.ts';
import { AppError, isAppError, messageOf } from '../support/errors.ts';
import { withTemporaryFolder } from '../support/files.ts';
import type { Findings } from './check-findings.ts';
import { checkPackage } from './check-package.ts';
import { bodyChunks, httpGet } from './http-get.ts';

const MAX_INDEX_BYTES = 512 * 1024 * 1024;
const DEFAULT_PARALLEL = 4;

/** One thing that a client must not see. `subject` is `Packages` or the CPV with its build id. */
export interface BinhostFault {
  readonly subject: string;
  readonly code: string;
  readonly sentence: string;
}

export interface BinhostCheck {
  readonly uri: string;
  readonly packages: number;
  /** TIMESTAMP of the index. */
  readonly timestamp: number;
  /** Single comparisons made: sizes, digests, signatures. */
  readonly checks: number;
  /** The kinds of checks that ran. */
  readonly ran: readonly string[];
  /** Those that did not, each with the reason. */
  readonly skipped: readonly string[];
  readonly faults: readonly BinhostFault[];
}

export interface CheckOptions {
  /** The binhost as in `sync-uri`. */
  readonly uri: string;
  /** The key that nodes trust, armored. */
  readonly publicKey: string;
  /** Packages at the same time. */
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  readonly onStart?: (packages: number) => void;
  readonly onPackage?: (done: number) => void;
  /** Where packages lie while they are checked; the system's temporary folder by default. */
  readonly workFolder?: string;
  /** The program to ask as well, `gpg` by default. */
  readonly gpg?: string;
}

/**
 * Acts as a node that trusts `publicKey`: reads both forms of the index, fetches every package, compares each with
 * the index, its digests and its signatures, and asks `gpg` as well where it is installed.
 *
 * Faults are collected, not thrown. Throws `binhost-unreadable` when there is no index to begin with, and the codes
 * of `createVerifier` for a key that is none.
 */
export async function checkBinhost(options: CheckOptions): Promise<BinhostCheck> {
  const verifier = await createVerifier([options.publicKey]);
  const gpg = (await isGpgInstalled(options.gpg)) ? (options.gpg ?? 'gpg') : undefined;
  const faults: BinhostFault[] = [];
  let checks = 0;
  const findings: Findings = {
    expect: (subject, holds, code, sentence) => {
      checks += 1;
      if (!holds) {
        faults.push({ subject, code, sentence });
      }
    },
    count: (more) => {
      checks += more;
    },
    fault: (subject, error) => {
      const code = isAppError(error) ? error.code : 'internal-error';
      faults.push({ subject, code, sentence: messageOf(error) });
    },
  };
  const uri = options.uri.replace(/\/+$/, '');
  const index = await readIndex(uri, findings, options.signal);
  options.onStart?.(index.entries.length);
  await withTemporaryFolder(options.workFolder ?? tmpdir(), async (folder) => {
    let done = 0;
    await inParallel(index.entries, options.parallel ?? DEFAULT_PARALLEL, async (entry, number) => {
      await checkPackage({
        uri,
        entry,
        file: `${folder}/${number}.gpkg.tar`,
        verifier,
        publicKey: options.publicKey,
        gpg,
        findings,
        signal: options.signal,
      });
      done += 1;
      options.onPackage?.(done);
    });
  });
  return {
    uri,
    packages: index.entries.length,
    timestamp: Number(index.header.get('TIMESTAMP')),
    checks,
    ran: [
      'Packages.gz equals Packages',
      'Last-Modified equals TIMESTAMP',
      'SIZE, MD5 and SHA1 of each package',
      "BLAKE2B and SHA512 of each member in the package's Manifest",
      'OpenPGP signatures of Manifest and members',
      ...(gpg === undefined ? [] : ['the same signatures with gpg']),
    ],
    skipped: gpg === undefined ? ['the signatures with gpg: it is not installed'] : [],
    faults,
  };
}

async function readIndex(
  uri: string,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<PackagesIndex> {
  const plain = await httpGet(`${uri}/Packages`, signal);
  const plainDigest = createHash('sha512');
  for await (const piece of bodyChunks(plain)) {
    plainDigest.update(piece);
  }
  const packed = await httpGet(`${uri}/Packages.gz`, signal);
  const encoding = packed.headers.get('content-encoding');
  if (encoding !== null) {
    await packed.body?.cancel();
    throw new AppError(
      'binhost-unreadable',
      `${uri}/Packages.gz is sent with Content-Encoding: ${encoding}; a node would unpack it twice.`,
    );
  }
  findings.count(1);
  const packedDigest = createHash('sha512');
  const index = await readPacked(packed, packedDigest);
  findings.expect(
    'Packages',
    packedDigest.digest('hex') === plainDigest.digest('hex'),
    'index-differs',
    'Packages.gz and Packages do not hold the same text.',
  );
  const timestamp = Number(index.header.get('TIMESTAMP'));
  for (const { name, lastModified } of [
    { name: 'Packages.gz', lastModified: packed.headers.get('last-modified') },
    { name: 'Packages', lastModified: plain.headers.get('last-modified') },
  ]) {
    findings.expect(
      'Packages',
      Date.parse(lastModified ?? '') === timestamp * 1000,
      'index-time-differs',
      `TIMESTAMP is ${timestamp}, but ${name} is sent with Last-Modified: ${lastModified ?? 'none'}.`,
    );
  }
  return index;
}

/** Unpacks and reads an index while it arrives. */
async function readPacked(response: Response, digest: Hash): Promise<PackagesIndex> {
  const packed = Readable.from(bodyChunks(response));
  const unpacked = pipeline(packed, createGunzip(), () => undefined);
  const stanzas: IndexStanza[] = [];
  try {
    for await (const stanza of readIndexStanzas(hashed(unpacked, digest))) {
      stanzas.push(stanza);
    }
  } catch (error) {
    if (isAppError(error)) {
      throw error;
    }
    throw new AppError(
      'binhost-unreadable',
      `${response.url} is not gzip data: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  const [header = new Map<string, string>(), ...entries] = stanzas;
  return { header, entries };
}

/** Throws `answer-too-large` when more comes out than any index has. */
async function* hashed(bytes: AsyncIterable<Buffer>, digest: Hash): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of bytes) {
    size += piece.length;
    if (size > MAX_INDEX_BYTES) {
      throw new AppError(
        'answer-too-large',
        `Packages.gz unpacks to more than ${MAX_INDEX_BYTES} bytes.`,
      );
    }
    digest.update(piece);
    yield piece;
  }
}

async function inParallel<T>(
  items: readonly T[],
  workers: number,
  work: (item: T, number: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [number, item] of queue) {
      await work(item, number);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}
