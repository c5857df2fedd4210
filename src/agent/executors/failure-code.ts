import { statfs } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { openByteSource } from '../../binpkg/byte-source.ts';
import { AppError } from '../../support/errors.ts';
import { explainFailure } from './explain-failure.ts';

const TAIL_BYTES = 64 * 1024;
/** With less than this nothing can be built. */
const LEAST_FREE_BYTES = 16 * 1024 * 1024;
const KILLED = 128 + 9;

/**
 * What the end of a log says when it was the machine that failed, and not the package. The sentences are those of
 * strerror(3), GCC (`gcc/gcc.cc`, `libiberty/xmalloc.c`), Clang, ld, and Portage (`lib/portage/package/ebuild/fetch.py`,
 * `lib/_emerge/EbuildFetcher.py`).
 */
const SIGNS: readonly (readonly [code: string, sign: RegExp])[] = [
  ['disk-full', /No space left on device|Disk quota exceeded/],
  [
    'out-of-memory',
    /fatal error: Killed signal terminated program|internal compiler error: Killed|virtual memory exhausted|out of memory allocating \d+ bytes|Cannot allocate memory|LLVM ERROR: out of memory|\(signal: 9, SIGKILL: kill\)/,
  ],
  ['fetch-failed', /^!!! Couldn't download |^\W*Fetch failed for /m],
  // A binary package that Portage gave up before it verified it: the server was away, or went.
  [
    'fetch-failed',
    /^>>> Emerging binary \(\d+ of \d+\) (\S+?)(?:::\S+)?$(?:\n(?!>>> (?:Emerging|Installing|Extracting)|!!!).*)*\n>>> Failed to emerge \1[, ]/m,
  ],
];
/** `die` of Portage names the phase in which it was called. */
const PHASE = /^ ?\* ERROR: \S+ failed \((?<phase>[a-z]+) phase\)/m;

/**
 * The failure of a build program: `disk-full`, `out-of-memory` and `fetch-failed` are the machine's, `build-failed` is
 * the package's. `details` have the exit code, and the phase when Portage names one.
 */
export async function buildFailure(
  what: string,
  exitCode: number,
  place: { readonly logPath: string; readonly folder: string; readonly phase?: string },
): Promise<AppError> {
  const tail = await readTail(place.logPath);
  const phase = place.phase ?? PHASE.exec(tail)?.groups?.['phase'];
  const code = (await isFull(place.folder)) ? 'disk-full' : codeOf(tail, exitCode);
  return new AppError(
    code,
    `${what} ended with ${exitCode}: ${await explainFailure(place.logPath)}`,
    {
      details: { exitCode, ...(phase === undefined ? {} : { phase }) },
    },
  );
}

/** What a log's end and an exit code say. */
export function codeOf(tail: string, exitCode: number): string {
  const found = SIGNS.find(([, sign]) => sign.test(tail))?.[0];
  return found ?? (exitCode === KILLED ? 'out-of-memory' : 'build-failed');
}

async function readTail(path: string): Promise<string> {
  const file = await openByteSource(path);
  try {
    const bytes = await file.read(Math.max(0, file.size - TAIL_BYTES), TAIL_BYTES);
    return stripVTControlCharacters(bytes.toString('utf8'));
  } finally {
    await file.close();
  }
}

async function isFull(folder: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize < LEAST_FREE_BYTES;
}
