import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { importIncoming } from '../../src/repository/incoming/import-incoming.ts';
import { isAppError } from '../../src/support/errors.ts';
import { namesIn } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { finishedCheck } from './finished-check.ts';
import { makePackage } from './make-package.ts';
import {
  DEED,
  type Installation,
  keeping,
  keepingLittle,
  openInstallation,
  push,
} from './open-installation.ts';

const DAY_MS = 86_400_000;
const DEEP = { deep: true, all: false, maxAgeMs: DAY_MS };
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable', force: true };

/** One for all openings: time goes on. */
const clock = new ManualClock();

export interface Opened {
  readonly folder: string;
  readonly installation: Installation;
}

interface UseCase {
  /** What is done without being stopped; returns the use case, which may be called again. */
  prepare(opened: Opened): Promise<(installation: Installation) => Promise<unknown>>;
  readonly isRepair?: boolean;
  /** It takes away what was acknowledged. */
  readonly removes?: boolean;
  /** Repeated, it says the same once more. */
  readonly repeats?: boolean;
}

export async function openStopped(folder: string): Promise<Opened> {
  return {
    folder,
    installation: await openInstallation(folder, clock, keeping(keepingLittle(DAY_MS))),
  };
}

/** What both channels show before any use case. */
export async function prepareFirst(folder: string): Promise<void> {
  const { installation } = await openStopped(folder);
  const { repository, folders, publicKey } = installation;
  await mkdir(join(folders.mirrorRoot, 'incoming', 'web'), { recursive: true });
  await mkdir(join(folders.mirrorRoot, 'keys'), { recursive: true });
  await writeFile(join(folders.mirrorRoot, 'keys', 'rookery.asc'), publicKey);
  for (const name of ['first', 'second']) {
    await push(repository, await makePackage(folder, newCpv(name)));
    await repository.publish(onTesting);
    await repository.promote(onStable);
  }
  await installation.close();
}

export const USE_CASES: Readonly<Record<string, UseCase>> = {
  import: {
    repeats: true,
    prepare: async ({ folder }) => {
      const file = await makePackage(folder, newCpv('imported'));
      return async ({ repository }) => (await push(repository, file)).package.id;
    },
  },
  'drop-folder': {
    prepare: async (opened) => {
      const cpv = newCpv('dropped');
      const path = join(incomingOf(opened), `${basename(cpv)}.gpkg.tar`);
      await copyFile(await makePackage(opened.folder, cpv), path);
      return async ({ repository }) => {
        if ((await namesIn(incomingOf(opened))).includes(basename(path))) {
          await importIncoming(repository, 'web', path);
        }
      };
    },
  },
  share: {
    repeats: true,
    prepare: async (opened) => {
      const { repository, folders } = opened.installation;
      const file = await makePackage(opened.folder, newCpv('shared'));
      const { package: first } = await push(repository, file);
      const copy = await copyFor(
        opened,
        join(folders.mirrorRoot, 'binhost', 'web', 'packages', first.path),
      );
      return async ({ repository: other }) =>
        (await push(other, copy, { profile: 'v2' })).package.id;
    },
  },
  publish: {
    repeats: true,
    prepare: async ({ folder, installation }) => {
      await push(installation.repository, await makePackage(folder, newCpv('published')));
      const requestId = newId('req');
      return async ({ repository }) =>
        (await repository.publish({ ...onTesting, requestId })).serial;
    },
  },
  promote: {
    prepare: async ({ folder, installation }) => {
      await push(installation.repository, await makePackage(folder, newCpv('promoted')));
      await installation.repository.publish(onTesting);
      return async ({ repository }) => await promoteOnce(repository);
    },
  },
  rollback: {
    prepare:
      async () =>
      async ({ repository }) =>
        await repository.rollback({ ...onStable, serial: 1 }),
  },
  collect: {
    removes: true,
    prepare: async (opened) => {
      const { repository } = opened.installation;
      for (let version = 1; version <= 3; version += 1) {
        const file = await makePackage(opened.folder, `app-misc/collected-${version}`);
        const { package: added } = await push(repository, file);
        await repository.publish({ ...onTesting, packageIds: [added.id] });
      }
      clock.advance(40 * DAY_MS);
      return async ({ repository: other }) =>
        await other.retention.collect({ profile: 'web', dryRun: false, actor: 'token:ops' });
    },
  },
  'check-and-restore': {
    isRepair: true,
    prepare: async (opened) => {
      const { file, copy } = await spoiltPackage(opened);
      await rename(copy, join(incomingOf(opened), `${basename(file)}.gpkg.tar`));
      return async ({ check }) => (await finishedCheck(check, DEEP)).state;
    },
  },
  'check-and-quarantine': {
    isRepair: true,
    prepare: async (opened) => {
      const { copy } = await spoiltPackage(opened);
      return async ({ repository, check }) => {
        await finishedCheck(check, DEEP);
        await push(repository, copy);
      };
    },
  },
  stage: {
    prepare: async ({ installation }) => {
      const ids = (await installation.repository.newestPackages('web')).map(({ id }) => id);
      return async ({ repository }) => {
        await repository.stage(newId('req'), 'web', ids);
      };
    },
  },
};

/** A promotion that was stopped behind its commit is done, and refused when it is asked for again. */
async function promoteOnce(repository: Installation['repository']): Promise<void> {
  try {
    await repository.promote(onStable);
  } catch (error) {
    if (!isAppError(error, 'nothing-to-promote')) {
      throw error;
    }
  }
}

/** A package whose bytes are wrong behind every name, and a copy of what it was. */
async function spoiltPackage(
  opened: Opened,
): Promise<{ readonly file: string; readonly copy: string }> {
  const { repository, folders } = opened.installation;
  const { package: whole } = await push(
    repository,
    await makePackage(opened.folder, newCpv('spoilt')),
  );
  const file = join(folders.state, 'pool', whole.sha512.slice(0, 2), whole.sha512);
  const copy = await copyFor(opened, file);
  const bytes = await readFile(file);
  bytes[2000] = (bytes[2000] ?? 0) ^ 0xff;
  await writeFile(file, bytes, { flag: 'r+' });
  return { file, copy };
}

async function copyFor({ folder }: Opened, file: string): Promise<string> {
  const copy = join(folder, newId('copy'));
  await copyFile(file, copy);
  return copy;
}

function incomingOf({ installation }: Opened): string {
  return join(installation.folders.mirrorRoot, 'incoming', 'web');
}

let made = 0;

function newCpv(name: string): string {
  made += 1;
  return `app-misc/${name}${made}x-1`;
}
