import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseServerEvents } from '../../src/cli/event-stream.ts';
import { eventViewSchema } from '../../src/protocol/journal.ts';
import { progressSchema, type RolloutProgress } from '../../src/protocol/rollouts.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type RolloutServer, startRolloutServer } from './rollout-server.ts';

const folder = temporaryFolder();
let farm: RolloutServer;

beforeAll(async () => {
  farm = await startRolloutServer(join(folder, 'farm'));
});

afterAll(async () => {
  await farm.close();
});

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

function isPaused({ kind }: { readonly kind: string }): boolean {
  return kind === 'rollout-paused';
}

describe('the events of a rollout', () => {
  it('tell every unit once and then what changes, the log, what the monitor sees, and the end', async () => {
    const { rollouts } = farm.engine;
    const { id } = await farm.started();
    await farm.reaches(id, 'canary/web1-1', 'idle');
    const reading = await read(id);
    await poll('the whole', () => reading.progress.length === 1 || undefined);
    expect(reading.progress[0]).toMatchObject({ isWhole: true, state: 'running', stage: 'canary' });
    expect(reading.progress[0]?.changed).toHaveLength(16);

    await farm.reaches(id, 'canary/web1-1', 'merge');
    await poll(
      'the merge',
      () => reading.progress.some(({ changed }) => changed[0]?.step === 'merge') || undefined,
    );
    const merging = reading.progress.find(({ changed }) => changed[0]?.step === 'merge');
    expect(merging).toMatchObject({
      isWhole: false,
      changed: [{ unit: 'canary/web1-1', state: 'running', step: 'merge' }],
      cells: { 'web1-1': { state: 'upgrading', letter: 'U' } },
    });
    await poll(
      'the wait',
      () =>
        reading.progress.some(({ why }) => why.some(({ unit }) => unit === 'canary/web1-1')) ||
        undefined,
    );

    farm.fleet
      .balancer({ name: 'berlin' }, 'lb1')
      .set([{ server: { kind: 'member', node: 'web1-2' }, to: 'drain' }]);
    await farm.until(id, ({ state }) => state === 'paused');
    const broken = () =>
      reading.progress
        .at(-1)
        ?.monitor?.invariants.filter(({ violations }) => violations.length > 0)
        .map(({ name }) => name);
    await poll('the violation', () => (broken()?.includes('I1') ?? false) || undefined);

    await rollouts.abort(id, 'Wrong release.', 'token:ops');
    await farm.ends(id);
    await poll('the end', () => reading.ended() || undefined);
    expect(reading.progress.at(-1)?.state).toBe('aborted');
    const kinds = reading.log.map(({ kind }) => kind);
    expect([kinds[0], kinds.at(-1)]).toEqual(['rollout-paused', 'rollout-aborted']);
    farm.fleet
      .balancer({ name: 'berlin' }, 'lb1')
      .set([{ server: { kind: 'member', node: 'web1-2' }, to: 'ready' }]);
  });

  it('go on behind the last event that a client has', async () => {
    const { rollouts } = farm.engine;
    const { id } = await farm.started({ policy: { drainSeconds: 12 } });
    const first = await read(id);
    await poll('the whole', () => first.progress.length >= 1 || undefined);
    await rollouts.pause(id, 'Lunch.', 'token:ops');
    await poll('the pause', () => first.log.some(isPaused) || undefined);
    first.leave();
    await rollouts.resume(id, 'token:ops');
    await rollouts.pause(id, 'Tea.', 'token:ops');

    const seq = String(first.log.find(isPaused)?.seq);
    const second = await read(id, { 'Last-Event-ID': seq });
    await poll('what was missed', () => second.log.some(isPaused) || undefined);
    expect(second.log.map(({ kind }) => kind)).toEqual(['rollout-resumed', 'rollout-paused']);
    expect(second.progress[0]).toMatchObject({ isWhole: true, because: 'Tea.' });
    second.leave();
  });
});
