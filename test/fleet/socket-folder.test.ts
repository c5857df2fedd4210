import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeSocketFolder } from '../../src/fleet/drivers/socket-folder.ts';
import { ended, killGroup, run, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const made: string[] = [];

beforeEach(() => {
  made.length = 0;
});

afterEach(async () => {
  for (const one of made) {
    await rm(one, { recursive: true, force: true });
  }
});

/** The pid of a process that has ended. */
async function endedPid(): Promise<number> {
  const { stdout } = await run(['sh', '-c', 'echo $$'], { env: toolEnvironment() });
  return Number(stdout.toString());
}

/** A folder as the process `pid` makes it, with something in it. */
async function leave(place: string, pid: number): Promise<string> {
  const left = join(place, `rookery-ssh-${pid}-aB3xYz`);
  await mkdir(left);
  made.push(left);
  await writeFile(join(left, 'socket'), '');
  return left;
}

async function makeOwn(): Promise<{ readonly own: string; readonly place: string }> {
  const own = await makeSocketFolder();
  made.push(own);
  return { own, place: join(own, '..') };
}

describe('the folder for sockets of ssh', () => {
  it('is short enough for the longest name that ssh gives a socket', async () => {
    const { own } = await makeOwn();
    expect(own.length + 59).toBeLessThanOrEqual(107);
    expect(own).toContain(`rookery-ssh-${process.pid}-`);
  });

  it('takes away what a killed server has left, its connections too, and nothing of one that runs', async () => {
    const { own, place } = await makeOwn();
    const left = await leave(place, await endedPid());
    const running = await leave(place, process.ppid);
    const words = ['sh', '-c', 'while :; do sleep 0.1; done', join(left, 'socket'), folder];
    const connection = spawnGroup(words, { env: toolEnvironment() }, [
      'ignore',
      'ignore',
      'ignore',
    ]);
    const isOver = ended(connection, words);
    try {
      const { own: next } = await makeOwn();
      const names = await readdir(place);
      expect(names.filter((name) => left.endsWith(`/${name}`))).toEqual([]);
      for (const kept of [own, running, next]) {
        expect(names.filter((name) => kept.endsWith(`/${name}`))).toHaveLength(1);
      }
      expect(await isOver).not.toBe(0);
    } finally {
      killGroup(connection, 'SIGKILL');
    }
  });
});
