import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
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
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectTree } from './inspect-tree.ts';
import { openInstallation } from './open-installation.ts';

const folder = temporaryFolder();
const env = toolEnvironment();

function program(name: string, ...args: readonly string[]): string[] {
  return [process.execPath, '--import', 'tsx', resolve(import.meta.dirname, name), ...args];
}

describe('a process that ends in the middle', () => {
  it.each([
    [['import', 'publish', 'promote', 'rollback', 'stage']],
    [['collect']],
    [['share', 'check-and-restore', 'check-and-quarantine']],
  ])(
    'leaves nothing half-done at any step, and loses nothing it has acknowledged: %j',
    async (names) => {
      const own = join(folder, names[0] ?? '');
      const { stdout } = await runChecked(program('stop-at-each-step.ts', own, ...names), {
        env,
        timeoutMs: 290_000,
      });
      const { stops, faults } = z
        .object({ stops: z.record(z.string(), z.number()), faults: z.array(z.string()) })
        .parse(JSON.parse(stdout.toString()));
      expect(faults).toEqual([]);
      expect(Object.keys(stops)).toEqual(names);
      expect(Math.min(...Object.values(stops))).toBeGreaterThan(8);
    },
    300_000,
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

/** Kills the process some time after that many deeds, and returns what it had said was done. */
async function workAndKill(own: string, deeds: number): Promise<string[]> {
  const command = program('work-until-killed.ts', own);
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
