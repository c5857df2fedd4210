/**
 * A program, started by interrupted.test.ts with a folder and names of use cases: runs each again and again, and stops it
 * dead before its first change on disk, then before its second, and so on, as `kill -9` would. After every stop it
 * opens the repository anew, recovers, and compares disk and database. Prints `{ stops, faults }` as JSON.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { argv } from 'node:process';
import type { CheckTask } from '../../src/repository/check/repository-check.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { runStopped } from '../support/stoppable-files.ts';

const { makePackage } = await import('./make-package.ts');
const { DEED, keeping, openInstallation, push } = await import('./open-installation.ts');
const { inspectTree } = await import('./inspect-tree.ts');
const { ManualClock } = await import('../support/manual-clock.ts');
const { finishedCheck } = await import('./finished-check.ts');
const { isAppError } = await import('../../src/support/errors.ts');
const { newId } = await import('../../src/support/ids.ts');

const folder = argv[2] ?? '';
const clock = new ManualClock();
const installation = await openInstallation(
  folder,
  clock,
  keeping({
    keepLast: 1,
    daily: 0,
    weekly: 0,
    monthly: 0,
    reportedWithinMs: 0,
    graceMs: 86_400_000,
    packagesMs: 86_400_000,
  }),
);
const incoming = join(installation.folders.mirrorRoot, 'incoming', 'web');
await mkdir(incoming, { recursive: true });
await mkdir(join(installation.folders.mirrorRoot, 'keys'));
await writeFile(
  join(installation.folders.mirrorRoot, 'keys', 'rookery.asc'),
  installation.publicKey,
);
const faults: string[] = [];
const stops: Record<string, number> = {};
let serial = 0;

interface Step {
  /** What is prepared without being stopped; returns the use case, which may be called again. */
  prepare(): Promise<(repository: Repository, check: CheckTask) => Promise<unknown>>;
  /** What is under way is itself a repair: the tree is whole again once it was repeated. */
  readonly isRepair?: boolean;
}

function newSerial(): number {
  serial += 1;
  return serial;
}

/** A promotion that was stopped behind its commit is done, and refused when it is asked for again. */
async function promoteOnce(repository: Repository): Promise<void> {
  try {
    await repository.promote(onStable);
  } catch (error) {
    if (!isAppError(error, 'nothing-to-promote')) {
      throw error;
    }
  }
}

const made = folder;
const DEEP = { deep: true, all: false, maxAgeMs: 86_400_000 };
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable', force: true };
const STEPS: Readonly<Record<string, Step>> = {
  import: {
    prepare: async () => {
      const file = await makePackage(made, `app-misc/stopped${newSerial()}x-1`);
      return async (repository) => (await push(repository, file)).package.id;
    },
  },
  share: {
    prepare: async () => {
      serial += 1;
      const cpv = `app-misc/shared${serial}x-1`;
      const { package: first } = await push(
        installation.repository,
        await makePackage(folder, cpv),
      );
      const binhost = join(installation.folders.mirrorRoot, 'binhost', 'web', 'packages');
      const copy = await copyFor(join(binhost, first.path));
      return async (repository) => (await push(repository, copy, { profile: 'v2' })).package.id;
    },
  },
  publish: {
    prepare: async () => {
      const requestId = newId('req');
      return async (repository) => (await repository.publish({ ...onTesting, requestId })).serial;
    },
  },
  promote: {
    prepare: async () => {
      await push(
        installation.repository,
        await makePackage(made, `app-misc/promoted-${newSerial()}`),
      );
      await installation.repository.publish(onTesting);
      return async (repository) => await promoteOnce(repository);
    },
  },
  rollback: {
    prepare: async () => async (repository) =>
      await repository.rollback({ ...onStable, serial: 1 }),
  },
  collect: {
    prepare: async () => {
      for (let count = 0; count < 3; count += 1) {
        const file = await makePackage(made, `app-misc/collected-${newSerial()}`);
        const { package: added } = await push(installation.repository, file);
        await installation.repository.publish({ ...onTesting, packageIds: [added.id] });
      }
      clock.advance(40 * 86_400_000);
      return async (repository) =>
        await repository.retention.collect({ profile: 'web', dryRun: false, actor: 'token:ops' });
    },
  },
  'check-and-restore': {
    isRepair: true,
    prepare: async () => {
      const { file, copy } = await spoiltPackage();
      await rename(copy, join(incoming, `${basename(file)}.gpkg.tar`));
      return async (_, check) => (await finishedCheck(check, DEEP)).state;
    },
  },
  'check-and-quarantine': {
    isRepair: true,
    prepare: async () => {
      const { copy } = await spoiltPackage();
      return async (repository, check) => {
        const found = (await finishedCheck(check, DEEP)).state;
        return await push(repository, await copyFor(copy)).then(() => found);
      };
    },
  },
  stage: {
    prepare: async () => {
      const ids = (await installation.repository.newestPackages('web')).map(({ id }) => id);
      return async (repository) => {
        await repository.stage(newId('req'), 'web', ids);
      };
    },
  },
};

/** A package whose bytes are wrong behind every name, and a copy of what it was. */
async function spoiltPackage(): Promise<{ readonly file: string; readonly copy: string }> {
  serial += 1;
  const { package: whole } = await push(
    installation.repository,
    await makePackage(folder, `app-misc/spoilt${serial}x-1`),
  );
  const file = join(installation.folders.state, 'pool', whole.sha512.slice(0, 2), whole.sha512);
  const copy = await copyFor(file);
  const bytes = await readFile(file);
  bytes[2000] = (bytes[2000] ?? 0) ^ 0xff;
  await writeFile(file, bytes, { flag: 'r+' });
  return { file, copy };
}

async function copyFor(file: string): Promise<string> {
  const copy = join(folder, newId('copy'));
  await writeFile(copy, await readFile(file));
  return copy;
}

async function stopEverywhere(name: string, step: Step): Promise<void> {
  for (let calls = 0; calls < 200; calls += 1) {
    const useCase = await step.prepare();
    const before = await readAcknowledged();
    const first = installation.reopened();
    const finished = await runStopped(
      async () => await useCase(first.repository, first.check),
      calls,
    );
    const reopened = installation.reopened();
    const second = reopened.repository;
    await second.recover();
    const again = step.isRepair ? await useCase(second, reopened.check) : undefined;
    faults.push(...(await inspectTree(installation)).map((fault) => `${name} ${calls}: ${fault}`));
    const after = name === 'collect' ? before : await readAcknowledged();
    faults.push(
      ...before.filter((one) => !after.includes(one)).map((one) => `${name} ${calls}: lost ${one}`),
    );
    const repeated = step.isRepair ? again : await useCase(second, reopened.check);
    const isRepeatable = ['import', 'share', 'publish'].includes(name);
    if (finished !== undefined) {
      if (isRepeatable && finished.result !== repeated) {
        faults.push(
          `${name}: ${String(repeated)} instead of ${String(finished.result)} when repeated`,
        );
      }
      stops[name] = calls;
      return;
    }
  }
  faults.push(`${name} never came to its end`);
}

async function readAcknowledged(): Promise<string[]> {
  const packages = await installation.database.selectFrom('packages').select('id').execute();
  const publications = await installation.database
    .selectFrom('publications')
    .select(['channel', 'serial', 'timestamp_seconds'])
    .execute();
  return [
    ...packages.map(({ id }) => id),
    ...publications.map((row) => `${row.channel}-${row.serial} at ${row.timestamp_seconds}`),
  ];
}

await push(installation.repository, await makePackage(made, 'app-misc/first-1'));
await installation.repository.publish(onTesting);
await installation.repository.promote(onStable);
const chosen = argv.slice(3);
for (const [name, step] of Object.entries(STEPS).filter(([one]) => chosen.includes(one))) {
  await stopEverywhere(name, step);
}
const tables = ['collected_publications', 'collected_packages'] as const;
for (const table of chosen.includes('collect') ? tables : []) {
  const rows = await installation.database.selectFrom(table).selectAll().execute();
  faults.push(...(rows.length < 10 ? [`only ${rows.length} rows in ${table}`] : []));
}
faults.push(...(await inspectTree(installation)));
await installation.close();
process.stdout.write(JSON.stringify({ stops, faults }));
process.exit(0);
