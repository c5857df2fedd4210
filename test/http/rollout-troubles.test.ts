import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { problemSchema } from '../../src/protocol/common.ts';
import { heldListSchema, whyListSchema } from '../../src/protocol/rollouts.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer } from './api-fixture.ts';
import { hanging, quickStep, type RolloutServer, startRolloutServer } from './rollout-server.ts';

const folder = temporaryFolder();
const SCOPE = { sites: [], farms: ['web1'], nodes: [] };
const CANARY = 'canary/web1-1';

let farm: RolloutServer;

async function open(windows = ''): Promise<void> {
  farm = await startRolloutServer(await mkdtemp(join(folder, 'farm-')), windows);
}

afterEach(async () => {
  await farm.close();
});

async function post(path: string, body: object) {
  return await request(farm.url).post(path).set(bearer(farm.admin)).send(body);
}

async function why(id: string) {
  const { body } = await request(farm.url).get(`/api/rollouts/${id}/why`);
  return whyListSchema.parse(body).reasons;
}

async function held() {
  return heldListSchema.parse((await request(farm.url).get('/api/fleet/held')).body).held;
}

/** Of the first merge on web1-1 only. */
function merging(fate: Partial<ReturnType<typeof quickStep>>): void {
  let isFirst = true;
  farm.fates.step = (node, command) => {
    const isIt = node === 'web1-1' && command.name === 'merge' && isFirst;
    isFirst &&= !isIt;
    return { ...quickStep(node, command), ...(isIt ? fate : {}) };
  };
}

describe('a rollout that cannot begin', () => {
  it('says until when it waits outside of the windows of its site, and goes on then', async () => {
    await open(windowOfLater());
    const { id } = await farm.started({ scope: SCOPE });
    const reason = await farm.waitsFor(id, 'window');
    expect(reason).toMatchObject({ unit: CANARY, sentence: 'No window of berlin is open.' });
    expect(reason.until).toBeGreaterThan(farm.time.now());
    expect(await why(id)).toContainEqual(reason);
    await farm.pass((reason.until ?? 0) - farm.time.now() - 60_000);
    expect(await why(id)).toContainEqual(reason);
    const { units } = await farm.ends(id);
    const began = units.find(({ unit }) => unit === CANARY)?.startedAt ?? 0;
    expect(began).toBeGreaterThanOrEqual(reason.until ?? Number.POSITIVE_INFINITY);
  });

  it('is told who has the lock, since when, and where that is', async () => {
    await open();
    const first = await farm.started({ scope: SCOPE });
    await farm.reaches(first.id, CANARY, 'merge');
    const second = await farm.planned({ scope: SCOPE, policy: { drainSeconds: 33 } });
    await post(`/api/rollouts/${second.id}/approve`, {});
    const refused = await post(`/api/rollouts/${second.id}/start`, {});
    expect([refused.status, refused.body.code]).toEqual([409, 'rollout-locked']);
    expect(refused.body.title).toMatch(
      /^node:web1-1 is in the rollout [0-9a-f]{12} that token:ops started \d+ minutes ago, which is at canary\/web1-1, merge\.$/,
    );
    expect(problemSchema.parse(refused.body).details).toMatchObject({
      lock: 'node:web1-1',
      rollout: first.id,
      owner: 'token:ops',
      unit: CANARY,
      step: 'merge',
    });
    await farm.ends(first.id);
    // What it was planned with is no longer so.
    const stale = await post(`/api/rollouts/${second.id}/start`, {});
    expect([stale.status, stale.body.code]).toEqual([409, 'rollout-stale']);
  });
});

describe('a step', () => {
  beforeEach(async () => {
    await open();
  });

  it('that its node has begun and not ended is not done again: what is there decides', async () => {
    merging({ isInterrupted: true });
    const { id } = await farm.started({ scope: SCOPE });
    await farm.until(id, ({ state }) => state === 'paused');
    const { units, because } = await farm.engine.rollouts.get(id);
    expect(units.find(({ unit }) => unit === CANARY)).toMatchObject({
      state: 'undone',
      because: expect.stringContaining('merge on web1-1 was interrupted'),
    });
    expect(because).toContain(`the canary ${CANARY} failed`);
    expect(await why(id)).toMatchObject([{ kind: 'paused', sentence: because }]);
    const node = farm.fleet.node({ node: 'web1-1' });
    expect([...node.effects.values()].every((times) => times === 1)).toBe(true);
    // It was taken back: it has what it had, and serves.
    expect([node.isUp, await held()]).toEqual([true, []]);
  });

  it('of which nobody knows what it has done holds its node, until somebody gives it free', async () => {
    farm.fates.step = hanging('web1-1', 'stop-web');
    const { id } = await farm.started({ scope: SCOPE });
    await farm.reaches(id, CANARY, 'held');
    expect(await held()).toMatchObject([
      { node: 'web1-1', rollout: id, because: expect.stringContaining('web1-1 is still at it') },
    ]);
    const other = await farm
      .planned({ scope: SCOPE, policy: { drainSeconds: 33 } })
      .catch((error: unknown) => error);
    expect(other).toMatchObject({ code: 'rollout-refused' });
    const path = '/api/fleet/nodes/web1-1/release';
    expect((await post(path, {})).status).toBe(400);
    expect((await farm.during(post(path, { reason: 'New disk.' }))).status).toBe(204);
    expect(await held()).toEqual([]);
    expect((await post(path, { reason: 'New disk.' })).body.code).toBe('node-not-held');
  });
});

describe('a restart of a node', () => {
  const KERNEL = { scope: SCOPE, targets: ['web/testing@3'] };

  beforeEach(async () => {
    await open();
  });

  it('has happened when the boot is another one', async () => {
    const before = farm.fleet.node({ node: 'web1-2' }).look().bootId;
    const { id, plan } = await farm.started(KERNEL);
    const steps = plan.stages
      .flatMap(({ units }) => units)
      .find((unit) => unit.id === CANARY)?.steps;
    expect(steps?.map((step) => step.id)).toContain('reboot');
    expect((await farm.ends(id)).state).toBe('done');
    const node = farm.fleet.node({ node: 'web1-2' });
    expect([node.isUp, node.look().bootId]).toEqual([true, expect.not.stringContaining(before)]);
  });

  it('that has not happened in time is told, and the node held', async () => {
    farm.fates.step = hanging('web1-1', 'reboot');
    const { id } = await farm.started(KERNEL);
    const { units } = await farm.reaches(id, CANARY, 'held');
    expect(units.find(({ unit }) => unit === CANARY)?.because).toBe(
      'reboot: web1-1 was not restarted.',
    );
    expect((await farm.engine.rollouts.get(id)).state).toBe('paused');
  });
});

/** One that opens in ten minutes. */
function windowOfLater(): string {
  const later = new Date(Date.now() + 600_000);
  const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  const [from, to] = [later, new Date(later.getTime() + 4 * 3_600_000)].map((one) =>
    one.toISOString().slice(11, 16),
  );
  return `[[site.SITE.window]]\ndays = "${days[later.getUTCDay()]}"\nfrom = "${from}"\nto = "${to}"\n`;
}
