/**
 * A program, started by interrupted.test.ts with a folder and names of use cases: runs each once and writes down its
 * steps (`test/support/steps.ts`), then again and again, stopped dead before its first step, before its second, and so
 * on, as `kill -9` would. After every stop it closes the database as it is, opens everything anew, recovers, and
 * compares disk and database. Prints `{ steps, faults }` as JSON.
 *
 * `--every NUMBER` before the names: only before each so manieth step, and the last ones.
 * `--kill USE-CASE NUMBER` instead of names: prepares, says what it has acknowledged as JSON, and kills itself there.
 */

import { writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { argv } from 'node:process';
import { runSteps } from '../support/steps.ts';

const { readAcknowledged, recoverAndCompare } = await import('./after-a-stop.ts');
const { openStopped, prepareFirst, USE_CASES } = await import('./stopped-use-cases.ts');
const { runChecked, toolEnvironment } = await import('../../src/support/processes.ts');

const MOST_STEPS = 1000;
const folder = argv[2] ?? '';
/** Where all is done, and what is there before a use case: it is put back after every stop. */
const work = join(folder, 'work');
const kept = join(folder, 'kept');
const faults: string[] = [];
const steps: Record<string, readonly string[]> = {};

async function copyTree(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await runChecked(['cp', '-a', from, to], { env: toolEnvironment(), timeoutMs: 60_000 });
}

async function prepare(name: string) {
  const found = USE_CASES[name];
  if (found === undefined) {
    throw new Error(`no use case ${name}`);
  }
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  await prepareFirst(work);
  const opened = await openStopped(work);
  const useCase = await found.prepare(opened);
  const acknowledged = await readAcknowledged(opened.installation.database);
  return { ...found, name, opened, useCase, acknowledged };
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

async function stopEverywhere(name: string, every: number): Promise<void> {
  const prepared = await prepare(name);
  await prepared.opened.installation.close();
  await copyTree(work, kept);
  const whole = await once(prepared, Number.POSITIVE_INFINITY);
  steps[name] = whole.steps;
  for (let at = 0; at < MOST_STEPS; at += at + every < whole.steps.length ? every : 1) {
    const { finished, steps: made } = await once(prepared, at);
    if (finished !== undefined) {
      // Work that is done at once may come in another order, and a tail may be saved: not more.
      if (made.length < whole.steps.length * 0.9) {
        faults.push(`${name}: ${made.length} steps, ${whole.steps.length} the first time`);
      }
      return;
    }
  }
  faults.push(`${name} never came to its end`);
}

async function once(prepared: Prepared, at: number) {
  const { name, useCase, acknowledged } = prepared;
  const { isRepair = false, removes = false, repeats = false } = prepared;
  await copyTree(kept, work);
  const before = await openStopped(work);
  const outcome = await runSteps(async () => await useCase(before.installation), at);
  await before.installation.close();

  const { installation } = await openStopped(work);
  const where = `${name} ${at} (behind ${outcome.steps.at(-1) ?? 'nothing'})`;
  const repeat = async (): Promise<unknown> => await useCase(installation);
  const found = await recoverAndCompare(installation, {
    acknowledged: removes ? [] : acknowledged,
    ...(isRepair ? { repair: repeat } : {}),
  });
  faults.push(...found.map((fault) => `${where}: ${fault}`));
  const again = isRepair ? undefined : await repeat();
  if (repeats && outcome.finished !== undefined && outcome.finished.result !== again) {
    faults.push(`${where}: ${String(again)} when repeated`);
  }
  await installation.close();
  return outcome;
}

async function killAt(name: string, at: number): Promise<void> {
  const { opened, useCase, acknowledged } = await prepare(name);
  writeSync(1, `${JSON.stringify(acknowledged)}\n`);
  await runSteps(
    async () => await useCase(opened.installation),
    at,
    () => {
      process.kill(process.pid, 'SIGKILL');
    },
  );
  throw new Error(`${name} has no step ${at}`);
}

await mkdir(folder, { recursive: true });
if (argv[3] === '--kill') {
  await killAt(argv[4] ?? '', Number(argv[5]));
}
const isSparse = argv[3] === '--every';
const every = isSparse ? Number(argv[4]) : 1;
for (const name of argv.slice(isSparse ? 5 : 3)) {
  await stopEverywhere(name, every);
}
process.stdout.write(JSON.stringify({ steps, faults }), () => {
  process.exit(0);
});
