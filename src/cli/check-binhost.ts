import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type PackagesIndex, parsePackagesIndex } from '../gentoo/packages-index.ts';
import { isGpgInstalled } from '../signing/gpg-check.ts';
import { createVerifier } from '../signing/verifier.ts';
import { digestOf } from '../support/digests.ts';
import { AppError, isAppError, messageOf } from '../support/errors.ts';
import { withTemporaryFolder } from '../support/files.ts';
import type { Findings } from './check-findings.ts';
import { checkPackage } from './check-package.ts';
import { httpGet, readAll } from './http-get.ts';

const MAX_INDEX_BYTES = 512 * 1024 * 1024;
const DEFAULT_PARALLEL = 4;
const gunzipAsync = promisify(gunzip);

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
  const packed = await fetchIndexFile(`${uri}/Packages.gz`, signal);
  const plain = await fetchIndexFile(`${uri}/Packages`, signal);
  if (packed.encoding !== null) {
    throw new AppError(
      'binhost-unreadable',
      `${uri}/Packages.gz is sent with Content-Encoding: ${packed.encoding}; a node would unpack it twice.`,
    );
  }
  findings.count(1);
  let unpacked: Buffer;
  try {
    unpacked = await gunzipAsync(packed.bytes, { maxOutputLength: MAX_INDEX_BYTES });
  } catch (error) {
    throw new AppError(
      'binhost-unreadable',
      `${uri}/Packages.gz is not gzip data: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  findings.expect(
    'Packages',
    digestOf('sha512', unpacked) === digestOf('sha512', plain.bytes),
    'index-differs',
    'Packages.gz and Packages do not hold the same text.',
  );
  const index = parsePackagesIndex(unpacked.toString('utf8'));
  const timestamp = Number(index.header.get('TIMESTAMP'));
  for (const { name, lastModified } of [
    { name: 'Packages.gz', lastModified: packed.lastModified },
    { name: 'Packages', lastModified: plain.lastModified },
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

interface IndexFile {
  readonly bytes: Buffer;
  readonly encoding: string | null;
  readonly lastModified: string | null;
}

async function fetchIndexFile(url: string, signal: AbortSignal | undefined): Promise<IndexFile> {
  const response = await httpGet(url, signal);
  return {
    bytes: await readAll(response, MAX_INDEX_BYTES),
    encoding: response.headers.get('content-encoding'),
    lastModified: response.headers.get('last-modified'),
  };
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
