/**
 * Measures what Rookery says of its speed, and prints a line for each claim: the medians of several runs of both
 * sides, and the ratio. See docs/performance.md.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { type Bench, indexAgainstPortage, largeIndex, verifyAndSign } from './claims.ts';
import { farmTraffic } from './farm-claims.ts';
import { gateOnce } from './gate-claims.ts';
import { phpOnNodes } from './php-claims.ts';
import { planFleet } from './plan-claims.ts';
import { publishWhatChanged } from './publish-claims.ts';
import { carryOut } from './rollout-claims.ts';
import { buildInOrder, decideNext } from './schedule-claims.ts';
import { serveAgainstNginx } from './serve-claims.ts';

const CLAIMS = {
  small: indexAgainstPortage,
  large: largeIndex,
  sign: verifyAndSign,
  publish: publishWhatChanged,
  gate: gateOnce,
  serve: serveAgainstNginx,
  php: phpOnNodes,
  decide: decideNext,
  makespan: buildInOrder,
  farm: farmTraffic,
  plan: planFleet,
  engine: carryOut,
} as const;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    small: { type: 'string', default: '2000' },
    large: { type: 'string', default: '20000' },
    megabytes: { type: 'string', default: '300' },
  },
});
const program = join(import.meta.dirname, '../../dist/main.js');
if (!existsSync(program)) {
  throw new Error('run "npm run build" first');
}
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const folder = await mkdtemp(join(tmpdir(), 'rookery-bench-'));
try {
  const keyFolder = join(folder, 'signing');
  const bench: Bench = {
    folder,
    program,
    signer: await openSigner({
      folder: keyFolder,
      name: 'Measurement',
      email: 'bench@example.org',
      validDays: 30,
      clock: systemClock,
    }),
    publicKeyFile: join(keyFolder, 'public-key.asc'),
    sizes: {
      small: Number(values.small),
      large: Number(values.large),
      packageMegabytes: Number(values.megabytes),
    },
    print,
  };
  print(`${availableParallelism()} processors, Node ${process.version}`);
  for (const [name, claim] of Object.entries(CLAIMS)) {
    if (values.only === undefined || values.only.includes(name)) {
      await claim(bench);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
