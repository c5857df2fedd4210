import { describe, expect, it } from '@jest/globals';
import type { BuildSettings } from '../../src/builds/builds-context.ts';
import { poll } from '../support/poll.ts';
import { cpvOf, type Farm, makePlan, makeProfile } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const HOUR = 3_600_000;
const NAMES = ['a/p1-1', 'a/p2-1', 'a/p3-1', 'a/p4-1', 'a/p5-1', 'a/p6-1', 'a/p7-1'];

async function start(
  agents: readonly string[],
  settings: Partial<BuildSettings> = {},
): Promise<Farm> {
  const farm = await newFarm([makeProfile()], settings);
  for (const agent of agents) {
    await farm.agent(agent);
  }
  await farm.plan(makePlan(NAMES));
  return farm;
}

async function failOn(farm: Farm, agent: string, code?: string): Promise<string> {
  const lease = await farm.take(agent);
  farm.clock.advance(1);
  await farm.fail(lease.key, `${cpvOf(lease)} does not build.`, code);
  return cpvOf(lease);
}

async function stateOf(farm: Farm, name: string) {
  const agents = await farm.builds.listAgents();
  const agent = agents.find((one) => one.name === name);
  return { state: agent?.state, reason: agent?.stateReason };
}

/** `one` fails three packages that nobody else has had. */
async function takeOut(farm: Farm): Promise<void> {
  for (let failure = 1; failure <= 3; failure += 1) {
    await failOn(farm, 'one');
  }
}

describe('an agent on which different packages fail in a row', () => {
  it('is taken out, says so, gets nothing and is told why', async () => {
    const farm = await start(['one', 'two']);
    await failOn(farm, 'one');
    await failOn(farm, 'one');
    expect(await stateOf(farm, 'one')).toEqual({ state: 'active', reason: null });
    await failOn(farm, 'one');

    const { state, reason } = await stateOf(farm, 'one');
    expect(state).toBe('taken-out');
    expect(reason).toContain(
      '3 different packages failed on it in a row: a/p3-1, a/p2-1, a/p1-1. The last: a/p3-1 does not build.',
    );
    const told = farm.events.filter(({ kind }) => kind === 'agent-taken-out');
    expect(told).toMatchObject([{ subject: 'agent:one', data: { reason } }]);
    expect(await farm.lease('one')).toBeUndefined();
    expect(await farm.builds.whyIdle('one')).toEqual({ state: 'taken-out', reason });
    expect(await farm.builds.whyIdle('two')).toBeUndefined();
    for (const name of NAMES) {
      expect(await farm.build(await farm.take('two'))).toBe(name);
    }
  });

  it('stays when one succeeds in between', async () => {
    const farm = await start(['one', 'two']);
    await failOn(farm, 'one');
    await failOn(farm, 'one');
    await farm.build(await farm.take('one'));
    farm.clock.advance(1);
    await failOn(farm, 'one');
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'active' });
  });

  it('stays when they fail elsewhere too', async () => {
    const farm = await start(['one', 'two', 'three']);
    const failed = await failOn(farm, 'one');
    await failOn(farm, 'one');
    expect(await failOn(farm, 'two')).toBe(failed);
    await failOn(farm, 'one');
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'active' });
    await failOn(farm, 'one');
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'taken-out' });
  });

  it('stays when it is alone and nothing shows that it is not the packages', async () => {
    const farm = await start(['one']);
    for (const name of NAMES) {
      expect(await failOn(farm, 'one')).toBe(name);
    }
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'active' });
  });

  it('is taken out though it is alone when the machine is at fault', async () => {
    const farm = await start(['one'], { retry: { initialMs: HOUR, maximumMs: HOUR } });
    for (let failure = 1; failure <= 3; failure += 1) {
      await failOn(farm, 'one', 'disk-full');
    }
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'taken-out' });
  });

  it('is not counted twice for the same package', async () => {
    const farm = await start(['one'], {
      maxAttempts: 100,
      breaker: { failures: 2, trialMs: HOUR },
    });
    for (let failure = 1; failure <= 4; failure += 1) {
      expect(await failOn(farm, 'one', 'disk-full')).toBe('a/p1-1');
    }
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'active' });
  });
});

describe('an agent that was taken out', () => {
  it('gets jobs again at once when it is restored, and starts counting anew', async () => {
    const farm = await start(['one', 'two']);
    await takeOut(farm);
    const waiting = farm.lease('one', 20_000);
    await poll('one to wait', async () => {
      farm.clock.advance(1);
      const agents = await farm.builds.listAgents();
      const seen = agents.find(({ name }) => name === 'one')?.lastSeenAt;
      return seen === farm.clock.now() ? true : undefined;
    });
    const restored = await farm.builds.restoreAgent('one', 'token:ops');
    expect(restored).toMatchObject({ state: 'active', stateReason: null });
    const lease = await waiting;
    expect(lease).toBeDefined();
    const key = { jobId: lease?.jobId ?? '', attempt: lease?.attempt ?? 0, agent: 'one' };
    await farm.fail(key);
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'active' });
    expect(farm.events.find(({ kind }) => kind === 'agent-restored')).toMatchObject({
      actor: 'token:ops',
      subject: 'agent:one',
    });
  });

  it('cannot be restored when it is not out, or not there', async () => {
    const farm = await start(['one']);
    await expect(farm.builds.restoreAgent('one', 't')).rejects.toMatchObject({
      code: 'agent-not-taken-out',
      message: 'The agent one cannot be restored: it is active, not taken out.',
    });
    await expect(farm.builds.restoreAgent('none', 't')).rejects.toMatchObject({
      code: 'unknown-agent',
    });
  });

  it('gets one job on trial after its time, and is back when that succeeds', async () => {
    const farm = await start(['one', 'two']);
    await takeOut(farm);
    farm.clock.advance(HOUR - 1);
    await farm.agent('two');
    expect(await farm.lease('one')).toBeUndefined();
    farm.clock.advance(1);
    const trial = await farm.take('one');
    expect(await farm.lease('one')).toBeUndefined();
    await farm.build(trial);
    expect(await stateOf(farm, 'one')).toEqual({ state: 'active', reason: null });
    await farm.take('one');
    await farm.take('one');
  });

  it('waits twice as long for the next trial when one fails, or is lost', async () => {
    const farm = await start(['one', 'two'], { maxAttempts: 100 });
    await takeOut(farm);
    farm.clock.advance(HOUR);
    await farm.agent('two');
    await failOn(farm, 'one');
    farm.clock.advance(2 * HOUR - 1);
    await farm.agent('two');
    expect(await farm.lease('one')).toBeUndefined();
    farm.clock.advance(1);
    const { key } = await farm.take('one');
    await farm.builds.heartbeat(key);
    farm.clock.advance(60_001);
    await farm.agent('two');
    expect(await farm.lease('one')).toBeUndefined();
    expect(await stateOf(farm, 'one')).toMatchObject({ state: 'taken-out' });
    farm.clock.advance(4 * HOUR);
    await farm.agent('two');
    await farm.take('one');
  });

  it('stays out when it registers again', async () => {
    const farm = await start(['one', 'two']);
    await takeOut(farm);
    await farm.agent('one');
    expect(await farm.lease('one')).toBeUndefined();
  });
});
