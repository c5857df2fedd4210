import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { sleep, systemClock } from '../../src/support/clock.ts';
import { isErrno } from '../../src/support/errors.ts';
import {
  ended,
  killGroup,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { bundledProgram } from '../support/bundled-program.ts';
import { often } from '../support/long-tests.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { recoverAndCompare } from './after-a-stop.ts';
import { inspectTree } from './inspect-tree.ts';
import { openInstallation } from './open-installation.ts';
import { openStopped } from './stopped-use-cases.ts';

const folder = temporaryFolder();
const env = toolEnvironment();

const stopAtEachStep = await bundledProgram(resolve(import.meta.dirname, 'stop-at-each-step.ts'));
const workUntilKilled = await bundledProgram(resolve(import.meta.dirname, 'work-until-killed.ts'));

const stoppedSchema = z.object({
  steps: z.record(z.string(), z.array(z.string())),
  faults: z.array(z.string()),
});

/** Some of the steps of each use case: without them, they are not found any more. */
const WRITES = ['open', 'handle.sync', 'rename', 'sql begin', 'sql commit', 'rm'];
const RELEASE = [...WRITES, 'sql insert into "publications"', 'symlink', 'handle.writeFile'];
const KINDS: Readonly<Record<string, readonly string[]>> = {
  import: [...WRITES, 'link', 'sql insert into "packages"', 'handle.write, half done'],
  'drop-folder': [...WRITES, 'link', 'sql insert into "packages"'],
  share: [...WRITES, 'link', 'sql insert into "packages"'],
  publish: [...RELEASE, 'sql insert into "snapshots"'],
  promote: RELEASE,
  rollback: RELEASE,
  stage: ['open', 'handle.writeFile', 'handle.sync', 'symlink', 'rename', 'rm'],
  collect: [...WRITES, 'sql delete from "packages"', 'rm, half done'],
  'check-and-restore': [...WRITES, 'link', 'copyFile', 'sql insert into "file_checks"'],
  'check-and-quarantine': [...WRITES, 'link', 'copyFile', 'sql insert into "file_checks"'],
};
const counted = new Map<string, number>();
/** A long run stops at every step, another one at each third. */
const EVERY = String(often(1, 3));
/** How much of its steps a use case has done when it is really killed: one after the other, as each costs a start. */
const SHARES = [0.2, 0.5, 0.8];

describe('a process that ends in the middle', () => {
  it.each([
    [['import', 'drop-folder', 'share']],
    [['publish', 'promote', 'rollback', 'stage']],
    [['collect']],
    [['check-and-restore', 'check-and-quarantine']],
  ])(
    'leaves nothing half-done where it is stopped, and loses nothing it has acknowledged: %j',
    async (names) => {
      const own = join(folder, names[0] ?? '');
      const { stdout } = await runChecked([...stopAtEachStep, own, '--every', EVERY, ...names], {
        env,
        timeoutMs: 290_000,
      });
      const { steps, faults } = stoppedSchema.parse(JSON.parse(stdout.toString()));
      expect(faults).toEqual([]);
      expect(Object.keys(steps)).toEqual(names);
      for (const name of names) {
        expect(new Set(steps[name])).toEqual(
          new Set([...(steps[name] ?? []), ...(KINDS[name] ?? [])]),
        );
        counted.set(name, steps[name]?.length ?? 0);
      }
    },
    300_000,
  );

  it.each(
    Object.keys(KINDS)
      .filter((name) => !name.startsWith('check-'))
      .map((name, at) => [name, SHARES[at % SHARES.length] ?? 0] as const),
  )(
    'is the same when it was really killed there: %s',
    async (name, share) => {
      const at = Math.floor((counted.get(name) ?? 20) * share);
      await killAndCompare(join(folder, `killed-${name}-${at}`), name, at);
    },
    120_000,
  );

  it('may be killed at any moment, again and again, while clients read', async () => {
    const own = join(folder, 'killed');
    const acknowledged: string[] = [];
    const end = new AbortController();
    const reading = readUntil(join(own, 'mirror-root', 'binhost', 'web'), end.signal);
    for (const deeds of [0, 3, 7, 1, 5, 12, 2, 4]) {
      acknowledged.push(...(await workAndKill(own, deeds)));
    }
    end.abort();
    expect(await reading).toEqual([]);

    const installation = await openInstallation(own, systemClock);
    try {
      await installation.repository.recover();
      expect(await inspectTree(installation)).toEqual([]);
      expect(acknowledged.length).toBeGreaterThan(30);
      for (const line of acknowledged) {
        const [kind, name = '', serial = ''] = line.split(' ');
        const found =
          kind === 'package'
            ? await installation.repository.findPackage(name)
            : (await installation.repository.publications('web', name, 100_000)).find(
                (one) => String(one.serial) === serial,
              );
        expect({ line, found }).toEqual({ line, found: expect.anything() });
      }
    } finally {
      await installation.close();
    }
  }, 180_000);
});

/** Lets a process kill itself before a step, and looks at what it leaves as its next start does. */
async function killAndCompare(own: string, name: string, at: number): Promise<void> {
  const command = [...stopAtEachStep, own, '--kill', name, String(at)];
  const child = spawnGroup(command, { env }, ['ignore', 'pipe', 'inherit']);
  const exit = ended(child, command);
  let said = '';
  child.stdout?.on('data', (data: Buffer) => {
    said += data.toString();
  });
  expect(await exit).toBe(137);
  const acknowledged = name === 'collect' ? [] : z.array(z.string()).parse(JSON.parse(said));
  const { installation } = await openStopped(join(own, 'work'));
  try {
    expect(await recoverAndCompare(installation, { acknowledged })).toEqual([]);
  } finally {
    await installation.close();
  }
}

/** Kills the process some time after that many deeds, and returns what it had said was done. */
async function workAndKill(own: string, deeds: number): Promise<string[]> {
  const command = [...workUntilKilled, own];
  const child = spawnGroup(command, { env }, ['ignore', 'pipe', 'inherit']);
  const exit = ended(child, command);
  let said = '';
  child.stdout?.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const linesSaid = (): string[] => said.split('\n').slice(0, -1);
  try {
    await poll(`${deeds} deeds`, () => (linesSaid().length > deeds ? true : undefined), 60_000);
    await sleep(Math.random() * 60);
  } finally {
    killGroup(child, 'SIGKILL');
  }
  expect(await exit).toBe(137);
  return linesSaid().filter((line) => line !== 'ready');
}

/** Reads both channels, once they are there, and returns what a client would have tripped over. */
async function readUntil(binhost: string, signal: AbortSignal): Promise<string[]> {
  const faults: string[] = [];
  const newest = new Map<string, number>();
  while (!signal.aborted) {
    for (const channel of ['testing', 'stable']) {
      const fault = await readOnce(join(binhost, channel), newest);
      faults.push(...(fault === undefined ? [] : [fault]));
    }
    await sleep(1);
  }
  return faults;
}

async function readOnce(path: string, newest: Map<string, number>): Promise<string | undefined> {
  const before = newest.get(path);
  try {
    const text = gunzipSync(await readFile(join(path, 'Packages.gz'))).toString('utf8');
    const { header, entries } = parsePackagesIndex(text);
    const timestamp = Number(header.get('TIMESTAMP'));
    newest.set(path, timestamp);
    const last = entries.at(-1);
    const { size } = await stat(join(path, last?.get('PATH') ?? ''));
    const isFine =
      timestamp >= (before ?? 0) &&
      header.get('PACKAGES') === String(entries.length) &&
      String(size) === last?.get('SIZE');
    return isFine ? undefined : `${path}: ${timestamp} after ${before}, ${entries.length} entries`;
  } catch (error) {
    if (before === undefined && isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}
