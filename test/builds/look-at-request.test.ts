import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { KyselyPlugin } from 'kysely';
import { BuildLogs } from '../../src/builds/build-log.ts';
import { LogFindings } from '../../src/builds/log-findings.ts';
import { lookAtJob, lookAtRequest, type RequestLook } from '../../src/builds/look-at-request.ts';
import { SeenAgents } from '../../src/builds/seen-agents.ts';
import { sleep } from '../../src/support/clock.ts';
import { Locks } from '../../src/support/locks.ts';
import { IS_POSTGRESQL } from '../support/test-database.ts';
import { type Farm, makePlan } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
/** There, what is to come between has to wait for the end of the look. */
const SQLITE_WAIT_MS = 20;
const MOST_STATEMENTS = 40;
/** Not after each statement, for it takes time. */
const STEP = 3;
const CHAIN = makePlan(
  ['a/one-1', 'a/two-1', 'a/three-1'],
  [
    ['a/two-1', 'a/one-1', 'buildtime'],
    ['a/three-1', 'a/two-1', 'buildtime'],
  ],
);

/** Looks, and does that when so many statements have been answered, or afterwards when there are fewer. */
async function lookAndDo<T>(
  farm: Farm,
  after: number,
  look: (context: Parameters<typeof lookAtRequest>[0]) => Promise<T>,
  deed: () => Promise<unknown>,
): Promise<{ readonly look: T; readonly cameBetween: boolean }> {
  let statements = 0;
  let done: Promise<unknown> | undefined;
  const between: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      statements += 1;
      if (statements === after) {
        done = deed();
        await (IS_POSTGRESQL ? done : sleep(SQLITE_WAIT_MS));
      }
      return result;
    },
  };
  const locks = new Locks();
  const logs = new BuildLogs({ folder: join(farm.folder, 'logs'), maxBytes: 1e6, locks });
  const found = await look({
    database: farm.database.withPlugin(between),
    clock: farm.clock,
    findings: new LogFindings(logs, locks),
    seen: new SeenAgents(),
  });
  const cameBetween = done !== undefined;
  await (done ?? deed());
  return { look: found, cameBetween };
}

const LIVE = { waiting: () => new Set<string>() };

/** What each package job of a look is, and why. */
function standing(look: RequestLook | undefined): string {
  const words = look?.jobs
    .filter(({ kind }) => kind === 'package')
    .map(({ name, state, why }) => `${name} ${state} ${why.code}`);
  return [look?.request.state, look?.request.reason, ...(words ?? [])].join(', ');
}

describe('a look at a request', () => {
  it('shows it as it was before it was cancelled, or after, whenever that comes', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    let cameBetween = true;
    let rounds = 0;
    for (; cameBetween && rounds < MOST_STATEMENTS / STEP; rounds += 1) {
      const { id } = await farm.plan(CHAIN);
      const { key } = await farm.take('one');
      const seen = await lookAndDo(
        farm,
        1 + rounds * STEP,
        async (context) => await lookAtRequest(context, LIVE, id),
        async () => await farm.builds.cancelRequest(id, 'token:test'),
      );
      expect(standing(seen.look)).toBe(
        'building, , a/one-1 leased building, a/two-1 waiting needs-job, a/three-1 waiting needs-job',
      );
      expect(standing(await farm.builds.lookAt(id))).toMatch(
        /^building, Cancelled.*, a.one-1 leased stopping, a.two-1 cancelled.*, a.three-1 cancelled cancelled$/,
      );
      cameBetween = seen.cameBetween;
      await farm.builds.acceptResult(key, { outcome: 'cancelled' });
    }
    expect(rounds).toBeGreaterThan(3);
    expect(cameBetween).toBe(false);
  });

  it('shows the end of its last job together with its own', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    let cameBetween = true;
    for (let round = 1; cameBetween && round < MOST_STATEMENTS; round += STEP) {
      const { id } = await farm.plan(makePlan([`a/one-${round}`]));
      const lease = await farm.take('one');
      const { look, ...rest } = await lookAndDo(
        farm,
        round,
        async (context) => await lookAtRequest(context, LIVE, id),
        async () => await farm.build(lease),
      );
      expect(standing(look)).toBe(`building, , a/one-${round} leased building`);
      const open = look?.timeline?.attempts.filter(({ finishedAt }) => finishedAt === null);
      expect(open).toHaveLength(1);
      expect(standing(await farm.builds.lookAt(id))).toBe(
        `done, , a/one-${round} succeeded succeeded`,
      );
      cameBetween = rest.cameBetween;
    }
    expect(cameBetween).toBe(false);
  });

  it('shows one job with the attempts that it had then', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    let cameBetween = true;
    for (let round = 1; cameBetween && round < MOST_STATEMENTS; round += STEP) {
      const { id } = await farm.plan(makePlan([`a/one-${round}`]));
      const job = (await farm.jobs(id))[`a/one-${round}`]?.id ?? '';
      const { look, ...rest } = await lookAndDo(
        farm,
        round,
        async (context) => await lookAtJob(context, LIVE, job),
        async () => await farm.take('one'),
      );
      await farm.builds.cancelRequest(id, 'token:test');
      await farm.fail({ jobId: job, attempt: 1, agent: 'one' });
      expect([look?.job.state, look?.job.attempt, look?.attempts]).toEqual(['ready', 0, []]);
      cameBetween = rest.cameBetween;
    }
    expect(cameBetween).toBe(false);
  });

  it('is undefined when there is nothing to look at', async () => {
    const farm = await newFarm();
    expect(await farm.builds.lookAt('req-none')).toBeUndefined();
    expect(await farm.builds.lookAtJob('job-none')).toBeUndefined();
  });
});
