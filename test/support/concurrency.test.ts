import { describe, expect, it } from '@jest/globals';
import { backoffDelay, retry } from '../../src/support/backoff.ts';
import { sleep } from '../../src/support/clock.ts';
import { DigestSet, digestOf } from '../../src/support/digests.ts';
import { type Service, startAll, stopAll } from '../../src/support/lifecycle.ts';
import { Locks } from '../../src/support/locks.ts';
import { repeating } from '../../src/support/schedule.ts';
import { poll } from './poll.ts';

describe('Locks', () => {
  it('runs work under one name in order, and under two names side by side', async () => {
    const locks = new Locks();
    const seen: string[] = [];
    const gate = new AbortController();
    const first = locks.run('a', async () => {
      await sleep(20_000, gate.signal);
      seen.push('a1');
    });
    const second = locks.run('a', async () => {
      seen.push('a2');
    });
    await locks.run('b', async () => {
      seen.push('b');
    });
    gate.abort();
    await Promise.all([first, second]);
    expect(seen).toEqual(['b', 'a1', 'a2']);
  });

  it('goes on after a failure, which reaches only its own caller', async () => {
    const locks = new Locks();
    const failing = locks.run('a', async () => {
      throw new Error('mine');
    });
    const next = locks.run('a', async () => 'fine');
    await expect(failing).rejects.toThrow('mine');
    expect(await next).toBe('fine');
  });
});

describe('retry', () => {
  const options = { backoff: { initialMs: 1, maximumMs: 4 }, signal: new AbortController().signal };

  it('tries again while the failure is transient', async () => {
    let tries = 0;
    const result = await retry(
      async () => {
        tries += 1;
        if (tries < 4) {
          throw new Error('busy');
        }
        return tries;
      },
      { ...options, isTransient: () => true },
    );
    expect(result).toBe(4);
  });

  it('throws on what is not transient', async () => {
    const work = retry(
      async () => {
        throw new Error('for good');
      },
      { ...options, isTransient: () => false },
    );
    await expect(work).rejects.toThrow('for good');
  });

  it('doubles its waits up to the cap', () => {
    const waits = [0, 1, 2, 3, 9].map((attempt) =>
      backoffDelay({ initialMs: 100, maximumMs: 1000 }, attempt, () => 1),
    );
    expect(waits).toEqual([100, 200, 400, 800, 1000]);
    expect(backoffDelay({ initialMs: 100, maximumMs: 1000 }, 0, () => 0)).toBe(80);
  });
});

describe('DigestSet', () => {
  it('computes several digests in one pass and can fork a running one', () => {
    const set = new DigestSet(['md5', 'sha512']);
    set.update(Buffer.from('abc'));
    const fork = set.copyState('sha512');
    set.update(Buffer.from('def'));
    expect(fork.digest('hex')).toBe(digestOf('sha512', 'abc'));
    const digests = set.finish();
    expect(set.size).toBe(6);
    expect(digests.of('md5')).toBe(digestOf('md5', 'abcdef'));
    expect(digests.of('sha512')).toBe(digestOf('sha512', 'abcdef'));
    expect(() => digests.of('sha1')).toThrow('without sha1');
  });
});

function service(name: string, seen: string[], fails = false): Service {
  return {
    name,
    start: async () => {
      if (fails) {
        throw new Error(`${name} does not start`);
      }
      seen.push(`start ${name}`);
    },
    stop: async () => {
      seen.push(`stop ${name}`);
    },
  };
}

describe('lifecycle', () => {
  it('stops what was started when a later one fails', async () => {
    const seen: string[] = [];
    const services = [service('a', seen), service('b', seen), service('c', seen, true)];
    await expect(startAll(services)).rejects.toThrow('c does not start');
    expect(seen).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stops all even if one fails to', async () => {
    const seen: string[] = [];
    const broken = {
      ...service('b', seen),
      stop: async () => {
        throw new Error('stuck');
      },
    };
    await expect(stopAll([service('a', seen), broken])).rejects.toThrow('stuck');
    expect(seen).toEqual(['stop a']);
  });
});

describe('repeating', () => {
  it('goes on after a failure and is quiet after stop', async () => {
    let runs = 0;
    const errors: unknown[] = [];
    const task = repeating({
      name: 'test',
      everyMs: 1,
      work: async () => {
        runs += 1;
        throw new Error('each time');
      },
      onError: (error) => errors.push(error),
    });
    await task.start();
    await poll('three runs', () => (runs >= 3 ? true : undefined));
    await task.stop();
    const after = runs;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(runs).toBe(after);
    expect(errors).toHaveLength(runs);
  });
});
