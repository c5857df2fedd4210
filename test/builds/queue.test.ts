import { describe, expect, it } from '@jest/globals';
import { Queue } from '../../src/builds/queue.ts';

const NEVER = new AbortController().signal;
const LONG_MS = 60_000;

/** Jobs that anybody can do, and who was asked for whom. */
function openQueue(claimed: () => Promise<void> = async () => undefined) {
  const jobs: string[] = [];
  const asked: (readonly string[])[] = [];
  const queue = new Queue<string>({
    claim: async (agents) => {
      asked.push(agents);
      const claim = jobs.shift();
      await claimed();
      return claim === undefined ? undefined : { claim, place: 0 };
    },
    giveBack: async (claim) => {
      jobs.unshift(claim);
    },
  });
  /** Comes and waits. Resolves once it has been asked. */
  const come = async (agent: string): Promise<{ readonly job: Promise<string | undefined> }> => {
    const before = asked.length;
    const job = queue.next(agent, LONG_MS, NEVER);
    for (let turn = 0; asked.length === before && turn < 100; turn += 1) {
      await Promise.resolve();
    }
    await new Promise((resolve) => setImmediate(resolve));
    return { job };
  };
  return { queue, jobs, asked, come };
}

describe('the queue', () => {
  it('asks who comes alone, and all in their order when there is something new', async () => {
    const { queue, jobs, asked, come } = openQueue();
    const waiting = [await come('one'), await come('two'), await come('three')];
    expect(asked).toEqual([['one'], ['two'], ['three']]);
    jobs.push('a', 'b');
    queue.wake();
    expect(await waiting[0]?.job).toBe('a');
    expect(await waiting[1]?.job).toBe('b');
    expect(asked.slice(3)).toEqual([['one', 'two', 'three'], ['two', 'three'], ['three']]);
    await queue.stop();
    expect(await waiting[2]?.job).toBeUndefined();
  });

  it('misses nothing that comes while it asks', async () => {
    let whileAsking: (() => void) | undefined;
    const { queue, jobs, asked, come } = openQueue(async () => {
      whileAsking?.();
      whileAsking = undefined;
      await Promise.resolve();
    });
    const first = await come('one');
    whileAsking = () => {
      jobs.push('a');
      queue.wake();
    };
    const second = await come('two');
    expect(await first.job).toBe('a');
    expect(asked).toEqual([['one'], ['two'], ['one', 'two'], ['two']]);
    await queue.stop();
    expect(await second.job).toBeUndefined();
  });

  it('takes back what was taken for one who is gone, and gives it to the next', async () => {
    const gone = new AbortController();
    let isAsking = false;
    const { queue, jobs, come } = openQueue(async () => {
      if (isAsking) {
        gone.abort();
      }
    });
    const first = queue.next('one', LONG_MS, gone.signal);
    const second = await come('two');
    isAsking = true;
    jobs.push('a');
    queue.wake();
    expect(await first).toBeUndefined();
    expect(await second.job).toBe('a');
    await queue.stop();
  });
});
