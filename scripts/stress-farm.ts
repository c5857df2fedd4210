/**
 * Has agents build while they, the server and PostgreSQL are killed: see `--help` and docs/performance.md. It runs what
 * `npm run build` made.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stderr, stdout } from 'node:process';
import { giveUp, optionsOf } from './command-line.ts';
import { judgeFarm } from './stress/judged-farm.ts';
import { missingForPortage } from './stress/judged-world.ts';
import { stressFarmTool } from './tools.ts';

const tool = stressFarmTool();
const { keep, timed, ...options } = optionsOf(tool);
const { executor, engine, agents, seed } = options;
const missing = executor === 'portage' ? await missingForPortage() : undefined;
if (missing !== undefined) {
  giveUp(tool, `Real Portage cannot be used: ${missing}; try --executor source.`);
}
const folder = await mkdtemp(join(tmpdir(), 'rookery-judged-'));
const start = performance.now();
const end = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    end.abort();
  });
}
try {
  stdout.write(`${executor} on ${engine}, seed ${seed}, in ${folder}\n`);
  const report = await judgeFarm(folder, {
    ...options,
    isTimed: timed,
    signal: end.signal,
    say: (line) => stderr.write(`${line}\n`),
  });
  const { rounds, killed, attempts, lostAttempts, looks, looksAtOne, reasons, wall, faults } =
    report;
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  const given = Object.entries(reasons).map(([code, count]) => `${code} ${count}`);
  stdout.write(
    [
      `${rounds} rounds in ${minutes} minutes; killed: server ${killed.server}, agents ${killed.agents}, postmaster ${killed.postmaster}`,
      `${attempts} attempts, of which ${lostAttempts} were lost; ${looks} looks at requests, ${looksAtOne} at jobs`,
      `reasons given and found true: ${given.join(', ')}`,
      ...(wall === undefined
        ? []
        : [
            `wall time undisturbed: ${wall.all.toFixed(1)} s with ${agents} agents, ${wall.one.toFixed(1)} s with one`,
          ]),
      `${faults.length} faults`,
      ...faults,
      '',
    ].join('\n'),
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  if (!keep) {
    await rm(folder, { recursive: true, force: true });
  }
}
