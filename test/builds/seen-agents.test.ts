import { describe, expect, it } from '@jest/globals';
import type { AgentRecord } from '../../src/builds/builds.ts';
import type { Farm } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const GIB = 2 ** 30;

async function ask(farm: Farm, diskFreeBytes: number): Promise<void> {
  await farm.builds.lease('one', 0, new AbortController().signal, diskFreeBytes);
}

async function shown(farm: Farm): Promise<Pick<AgentRecord, 'lastSeenAt' | 'diskFreeBytes'>> {
  const [agent] = await farm.builds.listAgents();
  return { lastSeenAt: agent?.lastSeenAt ?? 0, diskFreeBytes: agent?.diskFreeBytes ?? 0 };
}

async function written(farm: Farm): Promise<number | undefined> {
  const row = await farm.database
    .selectFrom('agents')
    .select('last_seen_at')
    .where('name', '=', 'one')
    .executeTakeFirst();
  return row?.last_seen_at;
}

describe('what agents that wait say of themselves', () => {
  it('counts at once, and is there after the server was stopped', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await ask(farm, 9 * GIB);
    farm.clock.advance(10_000);
    await ask(farm, 3 * GIB);
    const now = { lastSeenAt: farm.clock.now(), diskFreeBytes: 3 * GIB };
    expect(await shown(farm)).toEqual(now);
    await farm.stop();
    await farm.start();
    expect(await shown(farm)).toEqual(now);
  });

  it('is written at once after a long silence: other servers took the agent for gone', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await ask(farm, GIB);
    farm.clock.advance(60_000);
    await ask(farm, GIB);
    expect(await written(farm)).toBe(farm.clock.now());
  });

  it('is replaced when the agent registers anew', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await ask(farm, 9 * GIB);
    await ask(farm, 8 * GIB);
    // What is being written just then is of before.
    farm.clock.advance(1);
    await farm.agent('one', ['portage'], { diskFreeBytes: 5 * GIB });
    expect((await shown(farm)).diskFreeBytes).toBe(5 * GIB);
  });

  it('does not make an agent known that has not registered', async () => {
    const farm = await newFarm();
    const key = { jobId: 'job-none', attempt: 1, agent: 'two' };
    await expect(farm.builds.heartbeat(key)).rejects.toMatchObject({ code: 'stale-attempt' });
    await expect(farm.lease('two')).rejects.toMatchObject({ code: 'unknown-agent' });
    await expect(farm.lease('two')).rejects.toMatchObject({ code: 'unknown-agent' });
  });
});

describe('an agent that is drained', () => {
  it('is told so the next time that it asks, and no more once it is resumed', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await ask(farm, GIB);
    expect(await farm.builds.whyIdle('one')).toBeUndefined();
    await farm.builds.drainAgent('one', { actor: 'token:ops', reason: 'New disks.' });
    expect(await farm.builds.whyIdle('one')).toEqual({
      state: 'drained',
      reason: 'Drained by token:ops: New disks.',
    });
    await farm.builds.resumeAgent('one', 'token:ops');
    expect(await farm.builds.whyIdle('one')).toBeUndefined();
  });
});
