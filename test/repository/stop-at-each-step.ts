/**
 * A program, started by interrupted.test.ts: runs each use case of the repository again and again, and stops it
 * dead before its first change on disk, then before its second, and so on, as `kill -9` would. After every stop it
 * opens the repository anew, recovers, and compares disk and database. Prints `{ stops, faults }` as JSON.
 *
 * Stopping is done by calls into `node:fs/promises` that never come back.
 */
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { argv } from 'node:process';
import type { Repository } from '../../src/repository/repository.ts';

type Call = (...args: unknown[]) => Promise<unknown>;

/** Calls that may still be made. */
let allowed = Number.POSITIVE_INFINITY;
let onStop: () => void = () => undefined;

function stopBefore(name: string): void {
  const original: unknown = Reflect.get(promises, name);
  if (typeof original !== 'function') {
    throw new Error(`no ${name}`);
  }
  const stoppable: Call = async (...args) => {
    if (allowed <= 0) {
      onStop();
      return await new Promise(() => undefined);
    }
    allowed -= 1;
    const result: unknown = Reflect.apply(original, promises, args);
    return await result;
  };
  Reflect.set(promises, name, stoppable);
}

for (const name of ['open', 'rename', 'link', 'symlink', 'mkdir', 'rm', 'copyFile', 'readlink']) {
  stopBefore(name);
}
syncBuiltinESMExports();

const { makePackage } = await import('./make-package.ts');
const { DEED, openInstallation, push } = await import('./open-installation.ts');
const { inspectTree } = await import('./inspect-tree.ts');
const { ManualClock } = await import('../support/manual-clock.ts');
const { isAppError } = await import('../../src/support/errors.ts');
const { newId } = await import('../../src/support/ids.ts');

const folder = argv[2] ?? '';
const clock = new ManualClock();
const installation = await openInstallation(folder, clock, {
  keepLast: 1,
  daily: 0,
  weekly: 0,
  monthly: 0,
  reportedWithinMs: 0,
  graceMs: 86_400_000,
  packagesMs: 86_400_000,
});
const faults: string[] = [];
const stops: Record<string, number> = {};
let serial = 0;

interface Step {
  /** What is prepared without being stopped; returns the use case, which may be called again. */
  prepare(): Promise<(repository: Repository) => Promise<unknown>>;
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
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable', force: true };
const STEPS: Readonly<Record<string, Step>> = {
  import: {
    prepare: async () => {
      const file = await makePackage(made, `app-misc/stopped${newSerial()}x-1`);
      return async (repository) => (await push(repository, file)).package.id;
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
      const file = await makePackage(made, `app-misc/collected-${newSerial()}`);
      const { package: added } = await push(installation.repository, file);
      await installation.repository.publish({ ...onTesting, packageIds: [added.id] });
      clock.advance(40 * 86_400_000);
      return async (repository) =>
        await repository.retention.collect({ profile: 'web', dryRun: false, actor: 'token:ops' });
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

/** Runs the use case; returns what it resolved with, or undefined when it was stopped. */
async function runStopped(
  work: () => Promise<unknown>,
  calls: number,
): Promise<{ readonly result: unknown } | undefined> {
  const stopped = new Promise<undefined>((resolve) => {
    onStop = () => {
      resolve(undefined);
    };
  });
  allowed = calls;
  try {
    return await Promise.race([work().then((result) => ({ result })), stopped]);
  } finally {
    allowed = Number.POSITIVE_INFINITY;
  }
}

async function stopEverywhere(name: string, step: Step): Promise<void> {
  for (let calls = 0; calls < 200; calls += 1) {
    const useCase = await step.prepare();
    const before = await readAcknowledged();
    const first = installation.restarted();
    const finished = await runStopped(async () => await useCase(first), calls);
    const second = installation.restarted();
    await second.recover();
    faults.push(...(await inspectTree(installation)).map((fault) => `${name} ${calls}: ${fault}`));
    const after = name === 'collect' ? before : await readAcknowledged();
    faults.push(
      ...before.filter((one) => !after.includes(one)).map((one) => `${name} ${calls}: lost ${one}`),
    );
    const again = await useCase(second);
    const isRepeatable = name === 'import' || name === 'publish';
    if (finished !== undefined) {
      if (isRepeatable && finished.result !== again) {
        faults.push(
          `${name}: ${String(again)} instead of ${String(finished.result)} when repeated`,
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
for (const [name, step] of Object.entries(STEPS)) {
  await stopEverywhere(name, step);
}
for (const table of ['collected_publications', 'collected_packages'] as const) {
  const rows = await installation.database.selectFrom(table).selectAll().execute();
  faults.push(...(rows.length < 10 ? [`only ${rows.length} rows in ${table}`] : []));
}
faults.push(...(await inspectTree(installation)));
await installation.close();
process.stdout.write(JSON.stringify({ stops, faults }));
process.exit(0);
