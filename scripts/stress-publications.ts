/**
 * `node --import tsx scripts/stress-publications.ts [--keep-last N] [--read-every MS] [publications]`: see docs/performance.md. Without
 * `--keep-last` nothing is collected, and each publication needs some 20 KiB of disk and 8 inodes, twice, with the copy.
 * SIGINT ends it early, with its report. Ends with 1 when a reader tripped over something.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exit, memoryUsage, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { stressPublications } from './stress/publications.ts';

const SHOWN_EVERY_MS = 5000;
const MIB = 1024 * 1024;

const { values, positionals } = parseArgs({
  options: { 'keep-last': { type: 'string' }, 'read-every': { type: 'string', default: '1' } },
  allowPositionals: true,
});
const wanted = Number(positionals[0] ?? '100000');
const keepLast = values['keep-last'] === undefined ? undefined : Number(values['keep-last']);
const readEveryMs = Number(values['read-every']);
if (![wanted, readEveryMs, keepLast ?? 1].every((one) => Number.isSafeInteger(one) && one >= 1)) {
  stderr.write(
    'usage: stress-publications.ts [--keep-last N] [--read-every MS] [publications]; all from 1 on\n',
  );
  exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'rookery-stress-'));
const start = performance.now();
const end = new AbortController();
process.once('SIGINT', () => {
  end.abort();
});
let shown = { at: start, publications: 0 };
try {
  const result = await stressPublications(folder, {
    publications: wanted,
    readEveryMs,
    signal: end.signal,
    ...(keepLast === undefined ? {} : { keepLast }),
    onProgress: ({ publications, collected, pulls, reads, faults }) => {
      const at = performance.now();
      if (at - shown.at > SHOWN_EVERY_MS) {
        const pace = ((at - shown.at) / (publications - shown.publications)).toFixed(0);
        shown = { at, publications };
        const memory = Math.round(memoryUsage().rss / MIB);
        stderr.write(
          `${publications} of ${wanted}, ${pace} ms each; ${collected} collected; reads ${told(reads)}; ${pulls} pulls; ${memory} MiB; ${faults} faults\n`,
        );
      }
    },
  });
  const { publications, collected, reads, pulls, faults } = result;
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  stdout.write(
    `${publications} publications in ${minutes} minutes, ${collected} collected; reads ${told(reads)}; ${pulls} pulls: ${faults.length} faults\n`,
  );
  stdout.write(faults.map((fault) => `${fault}\n`).join(''));
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

function told(reads: Readonly<Record<string, number>>): string {
  return Object.entries(reads)
    .map(([who, count]) => `${who} ${count}`)
    .join(', ');
}
