/**
 * `node --import tsx scripts/stress-farm.ts [--kills N] [--agents N] [--executor portage|source]
 * [--engine sqlite|postgresql] [--postmaster-kills N] [--timed] [--seed N]`: see docs/performance.md. It runs what
 * `npm run build` made. Ends with 1 when something was lost, built twice or explained wrongly.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { judgeFarm } from './stress/judged-farm.ts';
import { missingForPortage } from './stress/judged-world.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    agents: { type: 'string', default: '4' },
    executor: { type: 'string', default: 'portage' },
    engine: { type: 'string', default: 'sqlite' },
    'postmaster-kills': { type: 'string' },
    'kill-every-ms': { type: 'string', default: '4000' },
    'build-seconds': { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    timed: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const executor = values.executor === 'source' ? 'source' : 'portage';
const engine = values.engine === 'postgresql' ? 'postgresql' : 'sqlite';
const missing = executor === 'portage' ? await missingForPortage() : undefined;
if (missing !== undefined) {
  throw new Error(`real Portage cannot be used: ${missing}; try --executor source`);
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
  stdout.write(`${executor} on ${engine}, seed ${values.seed}, in ${folder}\n`);
  const report = await judgeFarm(folder, {
    executor,
    engine,
    agents: Number(values.agents),
    kills: Number(values.kills),
    postmasterKills: Number(values['postmaster-kills'] ?? (engine === 'postgresql' ? 5 : 0)),
    killEveryMs: Number(values['kill-every-ms']),
    buildSeconds: Number(values['build-seconds']),
    seed: Number(values.seed),
    isTimed: values.timed,
    signal: end.signal,
    say: (line) => stderr.write(`${line}\n`),
  });
  const { rounds, killed, attempts, lostAttempts, looks, reasons, wall, faults } = report;
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  const given = Object.entries(reasons).map(([code, count]) => `${code} ${count}`);
  stdout.write(
    [
      `${rounds} rounds in ${minutes} minutes; killed: server ${killed.server}, agents ${killed.agents}, postmaster ${killed.postmaster}`,
      `${attempts} attempts, of which ${lostAttempts} were lost; ${looks} looks at requests`,
      `reasons given and found true: ${given.join(', ')}`,
      ...(wall === undefined
        ? []
        : [
            `wall time undisturbed: ${wall.all.toFixed(1)} s with ${values.agents} agents, ${wall.one.toFixed(1)} s with one`,
          ]),
      `${faults.length} faults`,
      ...faults,
      '',
    ].join('\n'),
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  if (!values.keep) {
    await rm(folder, { recursive: true, force: true });
  }
}
