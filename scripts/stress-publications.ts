/**
 * Publishes, promotes and rolls back while readers look: see `--help` and docs/performance.md. Without `--keep-last`
 * nothing is collected.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryUsage, stderr, stdout } from 'node:process';
import { optionsOf } from './command-line.ts';
import { stressPublications } from './stress/publications.ts';
import { stressPublicationsTool } from './tools.ts';

const SHOWN_EVERY_MS = 5000;
const MIB = 1024 * 1024;

const { publications: wanted, readEvery, keepLast } = optionsOf(stressPublicationsTool());
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
    readEveryMs: readEvery,
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
