import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseServerEvents } from '../../src/cli/event-stream.ts';
import { DEFAULT_POLICY } from '../../src/fleet/plan/policy.ts';
import { eventViewSchema } from '../../src/protocol/journal.ts';
import { progressSchema, type RolloutProgress } from '../../src/protocol/rollouts.ts';
import { poll } from '../support/poll.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
});

afterAll(async () => {
  await farm.close();
});

async function begun(drainSeconds: number): Promise<string> {
  const { id } = await farm.rollouts.plan(
    {
      kind: 'os',
      targets: ['zen3/stable'],
      scope: { sites: [], farms: [], nodes: [] },
      policy: { ...DEFAULT_POLICY, drainSeconds },
      reason: 'openssl 3.5',
    },
    'token:ops',
  );
  await farm.rollouts.approve(id, 'start', 'token:ops');
  await farm.rollouts.start(id, 'token:ops');
  return id;
}

interface Reading {
  readonly progress: RolloutProgress[];
  readonly log: { readonly seq: number; readonly kind: string }[];
  readonly ended: () => boolean;
  readonly leave: () => void;
}

async function read(id: string, headers: Record<string, string> = {}): Promise<Reading> {
  const leave = new AbortController();
  const response = await fetch(`${farm.url}/api/rollouts/${id}/events`, {
    headers,
    signal: leave.signal,
  });
  const progress: RolloutProgress[] = [];
  const log: { seq: number; kind: string }[] = [];
  let isOver = false;
  const collect = async (): Promise<void> => {
    if (response.body === null) {
      return;
    }
    for await (const { event, data } of parseServerEvents(response.body)) {
      if (event === 'progress') {
        progress.push(progressSchema.parse(JSON.parse(data)));
      } else if (event === 'log') {
        log.push(eventViewSchema.parse(JSON.parse(data)));
      } else {
        isOver = true;
      }
    }
  };
  void collect().catch(() => undefined);
  return {
    progress,
    log,
    ended: () => isOver,
    leave: () => {
      leave.abort();
    },
  };
}

describe('the events of a rollout', () => {
  it('tell every unit once and then what changes, the log, and the end', async () => {
    const id = await begun(11);
    const reading = await read(id);
    await poll('the whole', () => reading.progress.length === 1 || undefined);
    expect(reading.progress[0]).toMatchObject({ isWhole: true, state: 'running', stage: 'canary' });
    expect(reading.progress[0]?.changed).toHaveLength(8);

    await farm.rollouts.advance(id);
    await poll('the first step', () => reading.progress.length === 2 || undefined);
    expect(reading.progress[1]).toMatchObject({
      isWhole: false,
      changed: [{ unit: 'canary/web1-1', state: 'running', step: 'drain' }],
      why: [{ unit: 'canary/web1-1' }],
    });

    await farm.rollouts.abort(id, 'Wrong release.', 'token:ops');
    await poll('the end', () => reading.ended() || undefined);
    expect(reading.progress.at(-1)?.state).toBe('aborted');
    expect(reading.log.map(({ kind }) => kind)).toEqual(['rollout-aborted']);
  });

  it('go on behind the last event that a client has', async () => {
    const id = await begun(12);
    const first = await read(id);
    await poll('the whole', () => first.progress.length === 1 || undefined);
    await farm.rollouts.pause(id, 'Lunch.', 'token:ops');
    await poll('the pause', () => first.log.length === 1 || undefined);
    first.leave();
    await farm.rollouts.resume(id, 'token:ops');
    await farm.rollouts.pause(id, 'Tea.', 'token:ops');

    const seq = String(first.log[0]?.seq);
    const second = await read(id, { 'Last-Event-ID': seq });
    await poll('what was missed', () => second.log.length === 2 || undefined);
    expect(second.log.map(({ kind }) => kind)).toEqual(['rollout-resumed', 'rollout-paused']);
    expect(second.progress[0]).toMatchObject({ isWhole: true, because: 'Tea.' });
    second.leave();
  });

  it('tell what the monitor sees when something speaks against an invariant', async () => {
    const id = await begun(13);
    const reading = await read(id);
    await poll('the whole', () => reading.progress.length === 1 || undefined);
    farm.rollouts.reading = {
      at: 5,
      invariants: [{ name: 'I1', sentence: 'Few are out.', violations: ['Two of web1 are out.'] }],
      farms: [{ farm: 'web1', serving: 1, out: 2, maxOut: 1 }],
    };
    await poll('the reading', () => reading.progress.at(-1)?.monitor ?? undefined);
    expect(reading.progress.at(-1)?.monitor?.invariants[0]?.violations).toEqual([
      'Two of web1 are out.',
    ]);
    reading.leave();
    farm.rollouts.reading = null;
  });
});
