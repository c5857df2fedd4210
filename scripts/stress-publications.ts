/**
 * `node --import tsx scripts/stress-publications.ts [publications]`: see docs/performance.md. Needs some 30 KiB of
 * disk for each publication while it runs. Ends with 1 when a reader tripped over something.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit, stderr, stdout } from 'node:process';
import { stressPublications } from './stress/publications.ts';

const SHOWN_EVERY_MS = 1000;

const wanted = Number(argv[2] ?? '100000');
if (!Number.isSafeInteger(wanted) || wanted < 1) {
  stderr.write('usage: stress-publications.ts [publications, from 1 on]\n');
  exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'rookery-stress-'));
const start = performance.now();
let shown = start;
try {
  const result = await stressPublications(folder, wanted, (done) => {
    if (performance.now() - shown > SHOWN_EVERY_MS) {
      shown = performance.now();
      stderr.write(`${done} of ${wanted}, ${rate(done)} a second\n`);
    }
  });
  const { publications, diskReads, httpReads, faults } = result;
  stdout.write(
    `${publications} publications, ${rate(publications)} a second; ${diskReads} reads on disk, ${httpReads} over HTTP: ${faults.length} faults\n`,
  );
  stdout.write(faults.map((fault) => `${fault}\n`).join(''));
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

function rate(done: number): string {
  return ((1000 * done) / (performance.now() - start)).toFixed(0);
}
