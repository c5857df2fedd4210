import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { sleep } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { isErrno, messageOf } from '../../src/support/errors.ts';

/** What all readers together have seen. */
export interface Seen {
  /** By who made them. */
  readonly reads: Record<string, number>;
  /** Digest of the index by channel and TIMESTAMP: there is only one for each. The last ones, oldest first. */
  readonly texts: Map<string, string>;
  readonly faults: string[];
  /** Between two looks of a reader, milliseconds. */
  readonly pauseMs: number;
}

const MAX_FAULTS = 20;
const KEPT_TEXTS = 20_000;

export function newSeen(pauseMs: number): Seen {
  return { reads: {}, texts: new Map(), faults: [], pauseMs };
}

/** Reads as a server does, or rsync: both files through the folder that the link shows at one moment. */
export async function readOnDisk(
  who: string,
  link: string,
  seen: Seen,
  signal: AbortSignal,
): Promise<void> {
  const newest = { timestamp: 0 };
  await repeat(seen, signal, async () => {
    const folder = await realpath(link);
    const plain = await readFile(join(folder, 'Packages'));
    const unpacked = gunzipSync(await readFile(join(folder, 'Packages.gz')));
    if (!plain.equals(unpacked)) {
      throw new Error(`${folder}: Packages.gz is not Packages`);
    }
    const { paths } = checkIndex(link, plain, newest, seen);
    for (const { path, size } of paths) {
      const found = await stat(join(link, path));
      if (found.size !== size) {
        throw new Error(`${path} has ${found.size} bytes instead of ${size}`);
      }
    }
    count(seen, who);
  });
}

/** Reads as clients do, one file after the other. */
export async function readOverHttp(
  who: string,
  url: string,
  seen: Seen,
  signal: AbortSignal,
): Promise<void> {
  const newest = { timestamp: 0 };
  await repeat(seen, signal, async () => {
    for (const name of ['Packages.gz', 'Packages']) {
      const { body, headers } = await get(`${url}/${name}`);
      const text = name === 'Packages' ? body : gunzipSync(body);
      const { paths, timestamp } = checkIndex(url, text, newest, seen);
      const modified = Date.parse(headers.get('last-modified') ?? '') / 1000;
      if (modified !== timestamp) {
        throw new Error(`${url}/${name} is of ${modified} and says ${timestamp}`);
      }
      const one = paths[(seen.reads[who] ?? 0) % paths.length];
      const file = await get(`${url}/${one?.path ?? ''}`);
      if (file.body.length !== one?.size) {
        throw new Error(`${one?.path} has ${file.body.length} bytes instead of ${one?.size}`);
      }
      count(seen, who);
    }
  });
}

function count({ reads }: Seen, who: string): void {
  reads[who] = (reads[who] ?? 0) + 1;
}

async function repeat(seen: Seen, signal: AbortSignal, read: () => Promise<void>): Promise<void> {
  while (!signal.aborted && seen.faults.length < MAX_FAULTS) {
    try {
      await read();
    } catch (error) {
      seen.faults.push(faultIn(error));
    }
    await sleep(seen.pauseMs);
  }
}

/** What `fetch` fails with says why only in its cause. */
function faultIn(error: unknown): string {
  const cause = error instanceof TypeError ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

async function get(url: string): Promise<{ readonly body: Buffer; readonly headers: Headers }> {
  const response = await fetchTwice(url);
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) {
    throw new Error(`${url} was answered with ${response.status}`);
  }
  return { body, headers: response.headers };
}

/** A connection that was kept may be closed while it is used again: whoever reads asks once more (RFC 9112, 9.3.1). */
async function fetchTwice(url: string): Promise<Response> {
  try {
    return await fetch(url);
  } catch (error) {
    const cause = error instanceof TypeError ? error.cause : undefined;
    if (!isErrno(cause, 'ECONNRESET')) {
      throw error;
    }
    return await fetch(url);
  }
}

function checkIndex(
  place: string,
  bytes: Buffer,
  newest: { timestamp: number },
  { texts }: Seen,
): { readonly timestamp: number; readonly paths: { path: string; size: number }[] } {
  const { header, entries } = parsePackagesIndex(bytes.toString('utf8'));
  const timestamp = Number(header.get('TIMESTAMP'));
  if (entries.length === 0 || header.get('PACKAGES') !== String(entries.length)) {
    throw new Error(`${place}: ${entries.length} entries, ${header.get('PACKAGES')} in the header`);
  }
  if (!(timestamp >= newest.timestamp)) {
    throw new Error(`${place}: TIMESTAMP ${timestamp} after ${newest.timestamp}`);
  }
  newest.timestamp = timestamp;
  const channel = place.slice(place.lastIndexOf('/') + 1);
  const [key, digest] = [`${channel} ${timestamp}`, digestOf('sha256', bytes)];
  if ((texts.get(key) ?? digest) !== digest) {
    throw new Error(`${place}: two indexes of TIMESTAMP ${timestamp}`);
  }
  texts.set(key, digest);
  const [oldest] = texts.keys();
  if (texts.size > KEPT_TEXTS && oldest !== undefined) {
    texts.delete(oldest);
  }
  const paths = entries.map((entry) => ({
    path: entry.get('PATH') ?? '',
    size: Number(entry.get('SIZE')),
  }));
  return { timestamp, paths };
}
