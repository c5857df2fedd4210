import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NodeRunner, NodeStep, NodeStepState } from '../../../src/fleet/drivers/ports.ts';
import type { Member } from '../../../src/fleet/inventory/inventory.ts';
import type { NodeCommand } from '../../../src/fleet/plan/plan.ts';
import { poll } from '../../support/poll.ts';

export interface NodeRunnerHarness {
  readonly runner: NodeRunner;
  /** Its web server does not run at first. */
  readonly member: Member;
  /** A node that nobody reaches. */
  readonly nobody: Member;
  /** Ends a step that runs, and its runner, without a result: as a loss of power does. */
  interrupt(stepId: string): Promise<void>;
  /** A command that goes on for a long time. */
  readonly long: NodeCommand;
  /** A command that ends badly. */
  readonly bad: NodeCommand;
  close(): Promise<void>;
}

/** What every way to run steps on nodes has to hold. */
export function nodeRunnerContract(name: string, open: () => Promise<NodeRunnerHarness>): void {
  describe(`${name} runs steps on nodes`, () => {
    let harness: NodeRunnerHarness;

    beforeAll(async () => {
      harness = await open();
    });

    afterAll(async () => {
      await harness?.close();
    });

    const start = async (id: string, command: NodeCommand, more: Partial<NodeStep> = {}) => {
      const step = { id, command, timeoutSeconds: 60, rollout: 'test', ...more };
      await harness.runner.start(harness.member, step);
    };
    const end = async (id: string): Promise<NodeStepState> =>
      await poll(`the end of ${id}`, async () => {
        const state = await harness.runner.state(harness.member, id);
        return state.state === 'running' ? undefined : state;
      });
    const isRunning = async () => (await harness.runner.look(harness.member)).isWebRunning;

    it('knows nothing of a step that was never started', async () => {
      expect(await harness.runner.state(harness.member, 'never')).toEqual({ state: 'absent' });
    });

    it('runs a step, and says how it ended', async () => {
      expect(await isRunning()).toBe(false);
      await start('first', { name: 'start-web' });
      expect(await end('first')).toMatchObject({ state: 'done', exitCode: 0 });
      expect(await isRunning()).toBe(true);
    });

    it('runs a step once, however often it is started', async () => {
      await start('on', { name: 'start-web' });
      await end('on');
      await start('off', { name: 'stop-web' });
      await end('off');
      await Promise.all([
        start('on', { name: 'start-web' }),
        start('on', { name: 'start-web' }),
        start('on', { name: 'start-web' }),
      ]);
      expect(await end('on')).toMatchObject({ state: 'done', exitCode: 0 });
      expect(await isRunning()).toBe(false);
    });

    it('says that a step has failed, and keeps what it said', async () => {
      await start('bad', harness.bad);
      const state = await end('bad');
      expect(state).toMatchObject({ state: 'done' });
      expect(state).not.toMatchObject({ exitCode: 0 });
      expect(state).toHaveProperty('output', expect.stringMatching(/./));
    });

    it('does not know what became of a step that was cut off', async () => {
      await start('cut', harness.long);
      expect(await harness.runner.state(harness.member, 'cut')).toMatchObject({ state: 'running' });
      await harness.interrupt('cut');
      expect(await end('cut')).toEqual({ state: 'interrupted' });
      await start('cut', { name: 'start-web' });
      expect(await end('cut')).toEqual({ state: 'interrupted' });
      expect(await isRunning()).toBe(false);
    });

    it('tells a new boot by its id', async () => {
      const before = await harness.runner.look(harness.member);
      await start('anew', { name: 'reboot' });
      await poll('another boot', async () => {
        const { bootId } = await harness.runner.look(harness.member);
        return bootId === before.bootId ? undefined : bootId;
      });
      expect(['done', 'interrupted']).toContain((await end('anew')).state);
    });

    it('takes nothing for an answer where there is none', async () => {
      const { runner, nobody } = harness;
      const step = {
        id: 'x',
        command: { name: 'stop-web' },
        timeoutSeconds: 9,
        rollout: 'r',
      } as const;
      for (const call of [
        async () => await runner.state(nobody, 'x'),
        async () => await runner.look(nobody),
        async () => {
          await runner.start(nobody, step);
        },
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'node-unreachable' });
      }
    });
  });
}
