import { describe, expect, it } from '@jest/globals';
import { poll } from '../support/poll.ts';
import { makePlan, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
/** Before its wait is over. Promised are five seconds to whoever cancels; a machine that does other things needs more. */
const REACHED_MS = 20_000;
const HELD_MS = 25_000;

function held(signal = new AbortController().signal) {
  return { waitMs: HELD_MS, signal };
}

describe('a heartbeat that is held open', () => {
  it('tells of a cancellation as soon as there is one', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    const patience = AbortSignal.timeout(REACHED_MS);
    const beat = farm.builds.heartbeat(key, held(patience));
    await farm.builds.cancelRequest(request.id, 'token:ops');
    expect(await beat).toBe('cancel');
  });

  it('tells of one that was written by another process', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    const patience = AbortSignal.timeout(REACHED_MS);
    const beat = farm.builds.heartbeat(key, held(patience));
    await farm.database
      .updateTable('requests')
      .set({ cancelled_by: 'token:ops' })
      .where('id', '=', request.id)
      .execute();
    expect(await beat).toBe('cancel');
  });

  it('is refused as soon as the lease is lost', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.agent('two');
    await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    const beat = farm.builds.heartbeat(key, held(AbortSignal.timeout(REACHED_MS)));
    const refused = expect(beat).rejects.toMatchObject({ code: 'stale-attempt' });
    await poll('the heartbeat to be heard', async () => {
      const [attempt] = await farm.database
        .selectFrom('attempts')
        .select('heard_at')
        .where('job_id', '=', key.jobId)
        .execute();
      return attempt?.heard_at ?? undefined;
    });
    farm.clock.advance(SETTINGS.leaseMs + 1);
    await farm.take('two');
    await refused;
  });

  it('goes on after its wait, when the agent hangs up, and keeps the lease meanwhile', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    farm.clock.advance(SETTINGS.leaseMs);
    const hungUp = new AbortController();
    const beat = farm.builds.heartbeat(key, held(hungUp.signal));
    hungUp.abort();
    expect(await beat).toBe('go-on');
    const short = { waitMs: 20, signal: new AbortController().signal };
    expect(await farm.builds.heartbeat(key, short)).toBe('go-on');
    farm.clock.advance(SETTINGS.leaseMs);
    await farm.agent('two');
    expect(await farm.lease('two')).toBeUndefined();
  });
});

describe('a clock that is set', () => {
  it.each([
    ['forward', 7_200_000],
    ['back', -7_200_000],
  ])('%s takes no lease away, and prolongs none', async (_way, jumpMs) => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.agent('two');
    await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    farm.clock.advance(SETTINGS.leaseMs / 2);
    expect(await farm.lease('two')).toBeUndefined();
    farm.clock.jump(jumpMs);
    expect(await farm.lease('two')).toBeUndefined();
    farm.clock.advance(SETTINGS.leaseMs / 2 + 1);
    expect(await farm.lease('two')).toMatchObject({ attempt: 2 });
    await expect(farm.builds.heartbeat(key)).rejects.toMatchObject({ code: 'stale-attempt' });
  });

  it('leaves a back-off as long as it was', async () => {
    const farm = await newFarm(undefined, { retry: { initialMs: 50_000, maximumMs: 50_000 } });
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key, 'No network.', 'fetch-failed');
    farm.clock.jump(7_200_000);
    expect(await farm.lease('one')).toBeUndefined();
    farm.clock.jump(-14_400_000);
    expect(await farm.lease('one')).toBeUndefined();
    farm.clock.advance(50_000);
    await farm.take('one');
  });
});
