/**
 * Measures what Rookery says of its speed, and prints a line for each claim: the medians of several runs of both
 * sides, and the ratio. See docs/performance.md.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { giveUp, optionsOf } from '../command-line.ts';
import { benchTool, CLAIMS, type Claim } from '../tools.ts';
import { type Bench, indexAgainstPortage, largeIndex, verifyAndSign } from './claims.ts';
import { farmTraffic } from './farm-claims.ts';
import { gateOnce } from './gate-claims.ts';
import { phpOnNodes } from './php-claims.ts';
import { planFleet } from './plan-claims.ts';
import { publishWhatChanged } from './publish-claims.ts';
import { carryOut } from './rollout-claims.ts';
import { buildInOrder, decideNext } from './schedule-claims.ts';
import { serveAgainstNginx } from './serve-claims.ts';

const MEASURED: Readonly<Record<Claim, (bench: Bench) => Promise<void>>> = {
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
};

const tool = benchTool();
const { only, small, large, megabytes } = optionsOf(tool);
const program = join(import.meta.dirname, '../../dist/main.js');
if (!existsSync(program)) {
  giveUp(tool, 'There is no dist/main.js: run "npm run build" first.');
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
    sizes: { small, large, packageMegabytes: megabytes },
    print,
  };
  print(`${availableParallelism()} processors, Node ${process.version}`);
  for (const claim of CLAIMS.filter((name) => only.includes(name))) {
    await MEASURED[claim](bench);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
