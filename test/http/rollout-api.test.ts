import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import type { z } from 'zod';
import { inventoryDigest } from '../../src/fleet/inventory/inventory-digest.ts';
import type { InventoryRevision } from '../../src/fleet/inventory/inventory-store.ts';
import { problemSchema } from '../../src/protocol/common.ts';
import { wholePlanSchema } from '../../src/protocol/rollout-plans.ts';
import {
  ansibleFilesSchema,
  heldListSchema,
  planProblemsSchema,
  type RolloutRequestBody,
  rolloutDetailSchema,
  rolloutListSchema,
  rolloutSummarySchema,
  whyListSchema,
} from '../../src/protocol/rollouts.ts';
import { bearer } from './api-fixture.ts';
import { sampleFleet } from './sample-plan.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const ASKED: RolloutRequestBody = {
  kind: 'os',
  targets: ['zen3/stable'],
  reason: 'openssl 3.5',
};

let farm: TestServer;
let admin: string;

beforeAll(async () => {
  farm = await startTestServer();
  admin = await farm.token('admin');
});

afterAll(async () => {
  await farm.close();
});

async function post(path: string, body: object, token = admin) {
  return await request(farm.url).post(path).set(bearer(token)).send(body);
}

async function done<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
  const answer = await post(path, body);
  expect([path, answer.status, answer.body.title]).toEqual([
    path,
    path === '/api/rollouts' || path.endsWith('rollback') ? 201 : 200,
    undefined,
  ]);
  return schema.parse(answer.body);
}

async function get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const answer = await request(farm.url).get(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return schema.parse(answer.body);
}

async function planned(changes: Partial<RolloutRequestBody> = {}): Promise<string> {
  return (await done('/api/rollouts', { ...ASKED, ...changes }, rolloutDetailSchema)).id;
}

async function imported(text: string): Promise<InventoryRevision> {
  const { revision } = await farm.context.inventories.import({
    format: 'toml',
    files: [{ name: 'fleet.toml', text }],
    author: 'test',
    reason: 'test',
    isDry: false,
  });
  return revision;
}

describe('planning a rollout', () => {
  it('gives a draft with stages, steps in words, remarks and what packages do', async () => {
    const rollout = await done('/api/rollouts', ASKED, rolloutDetailSchema);
    expect(rollout).toMatchObject({
      kind: 'os-disruptive',
      state: 'draft',
      createdBy: 'token:test-admin',
      targets: ['zen3/stable@17'],
      nodes: 8,
      farms: 3,
      missingApprovals: ['start'],
    });
    expect(rollout.plan.stages.map(({ units }) => units.length)).toEqual([1, 2, 3, 2]);
    expect(rollout.plan.procedures.map((steps) => steps.map(({ words }) => words))).toEqual([
      [
        'tells all balancers to send it no new visitors',
        'waits until no request is in flight',
        'merges publication 17 of zen3/stable',
        'runs the checks of the node, and sees that it has publication 17 of zen3/stable',
        'tells all balancers to use it',
      ],
    ]);
    expect(rollout.plan.procedures[0]?.[2]?.undo).toEqual(['merges publication 16 of zen3/stable']);
    expect(rollout.plan.remarks[1]).toContain('way back');
    const whole = await get(`/api/rollouts/${rollout.id.slice(0, 12)}/plan`, wholePlanSchema);
    expect([whole.id, whole.stages[0]?.['units']]).toEqual([rollout.id, [expect.anything()]]);
  });

  it('changes of the policy what is named, and leaves the rest', async () => {
    const policy = { budget: { total: 9 }, waves: [0.5, 1], gates: [] };
    const { plan } = await done('/api/rollouts', { ...ASKED, policy }, rolloutDetailSchema);
    expect(plan.policy).toMatchObject({
      budget: { perFarm: 0, perProfile: 1, total: 9 },
      waves: [0.5, 1],
      barrier: 'strict',
      gates: [],
    });
  });

  it('keeps nothing of a dry run', async () => {
    const policy = { soakSeconds: 7 };
    const answer = await post('/api/rollouts', { ...ASKED, policy, dryRun: true });
    expect(answer.status).toBe(200);
    const { id } = rolloutDetailSchema.parse(answer.body);
    expect((await request(farm.url).get(`/api/rollouts/${id}`)).status).toBe(404);
  });

  it('says every problem of a plan that cannot be made, and what a body has wrong', async () => {
    const refused = await post('/api/rollouts', { ...ASKED, targets: ['lost/stable'] });
    expect([refused.status, refused.body.code]).toEqual([422, 'rollout-refused']);
    const { details } = problemSchema.parse(refused.body);
    expect(planProblemsSchema.parse(details).problems.map(({ subject }) => subject)).toEqual([
      'lost',
      'web1-2',
    ]);
    const wrong = await post('/api/rollouts', { ...ASKED, policy: { budget: { totl: 1 } } });
    expect([wrong.status, wrong.body.title]).toEqual([
      400,
      expect.stringContaining('takes no "totl"'),
    ]);
    expect((await post('/api/rollouts', { ...ASKED, reason: '' })).status).toBe(400);
    const builder = await farm.token('builder');
    expect((await post('/api/rollouts', ASKED, builder)).status).toBe(403);
    expect((await request(farm.url).post('/api/rollouts').send(ASKED)).status).toBe(401);
  });
});

describe('a rollout', () => {
  it('is approved, started, paused with a reason, resumed, and ends', async () => {
    const id = await planned({ policy: { approvals: ['start', 'after-canary'] } });
    const path = `/api/rollouts/${id.slice(0, 10)}`;
    expect((await post(`${path}/start`, {})).body.code).toBe('rollout-not-approved');
    const approved = await done(`${path}/approve`, {}, rolloutSummarySchema);
    expect(approved.approvals.map(({ of }) => of)).toEqual(['start']);
    expect(approved.missingApprovals).toEqual(['wave-1']);
    await done(`${path}/approve`, { of: 'wave-1' }, rolloutSummarySchema);
    expect((await post(`${path}/approve`, {})).body.code).toBe('rollout-approved');

    await done(`${path}/start`, {}, rolloutSummarySchema);
    await farm.rollouts.advance(id);
    const { reasons } = await get(`${path}/why`, whyListSchema);
    expect(reasons).toMatchObject([{ kind: 'node-step', unit: 'canary/web1-1', until: null }]);
    const paused = await done(`${path}/pause`, { reason: 'Errors.' }, rolloutSummarySchema);
    expect([paused.state, paused.because]).toEqual(['paused', 'Errors.']);
    expect((await post(`${path}/pause`, { reason: 'Again.' })).status).toBe(409);
    await done(`${path}/resume`, {}, rolloutSummarySchema);
    for (let turn = 0; turn < 60 && (await farm.rollouts.get(id)).state === 'running'; turn += 1) {
      await farm.rollouts.advance(id);
    }
    const ended = await get(path, rolloutDetailSchema);
    expect([ended.state, ended.units.done]).toEqual(['done', 8]);

    const back = await done(`${path}/rollback`, { reason: '502s' }, rolloutDetailSchema);
    expect([back.reverses, back.state]).toEqual([id, 'draft']);
    const gone = await done(
      `/api/rollouts/${back.id}/abort`,
      { reason: 'No.' },
      rolloutSummarySchema,
    );
    expect(gone.state).toBe('discarded');
    const { rollouts } = await get('/api/rollouts?state=done&limit=5', rolloutListSchema);
    expect(rollouts.map((one) => one.id)).toEqual([id]);
    expect(JSON.stringify(rollouts)).not.toContain('procedures');
  });

  it('leaves nodes on the list of those that are held, until somebody gives them free', async () => {
    const id = await planned({ policy: { drainSeconds: 5 } });
    await farm.rollouts.hold(id, 'wave-2/web2-2', 'It does not boot.');
    const { held } = await get('/api/fleet/held', heldListSchema);
    expect(held).toMatchObject([{ node: 'web2-2', rollout: id, because: 'It does not boot.' }]);
    const path = '/api/fleet/nodes/web2-2/release';
    expect((await post(path, {})).status).toBe(400);
    expect((await post(path, { reason: 'New disk.' })).status).toBe(204);
    expect((await get('/api/fleet/held', heldListSchema)).held).toEqual([]);
    expect((await post(path, { reason: 'New disk.' })).body.code).toBe('node-not-held');
  });

  it('is told as files for Ansible, made of the revision of the inventory that it was planned with', async () => {
    const old = await imported(sampleFleet());
    expect(old.digest).toBe(inventoryDigest(old.inventory));
    await imported(sampleFleet().replaceAll('127.0.0.1:9', '127.0.0.2:9'));
    farm.rollouts.inventory = old.digest;
    const id = await planned({ policy: { drainSeconds: 6 } });
    const path = `/api/rollouts/${id.slice(0, 12)}/export/ansible`;
    const told = await get(path, ansibleFilesSchema);
    expect(JSON.parse(told['playbook.yml'])).toMatchObject([
      { hosts: 'stage_1' },
      { hosts: 'stage_2' },
      { hosts: 'stage_3' },
      { hosts: 'stage_4' },
    ]);
    expect(told['inventory.json']).toContain('"TCP:127.0.0.1:9"');
    expect(told['inventory.json']).not.toContain('127.0.0.2');
  });

  it('of an inventory that is not there, or of another balancer, is refused for Ansible', async () => {
    farm.rollouts.inventory = 'e'.repeat(64);
    const lost = await planned({ policy: { drainSeconds: 7 } });
    const gone = await request(farm.url).get(`/api/rollouts/${lost}/export/ansible`);
    expect([gone.status, gone.body.code, gone.body.title]).toEqual([
      404,
      'unknown-inventory',
      `The inventory has no revision with the digest ${'e'.repeat(64)}.`,
    ]);
    const text = sampleFleet().replaceAll('tcp://127.0.0.1:9', 'ssh://lb1/run/haproxy.sock');
    farm.rollouts.inventory = (await imported(text)).digest;
    const id = await planned({ policy: { drainSeconds: 8 } });
    const refused = await request(farm.url).get(`/api/rollouts/${id}/export/ansible`);
    expect([refused.status, refused.body.code]).toEqual([422, 'export-not-possible']);
  });

  it('that is not there is 404 in every path', async () => {
    for (const path of ['', '/plan', '/why', '/events', '/export/ansible']) {
      const { status, body } = await request(farm.url).get(`/api/rollouts/nothing${path}`);
      expect([path, status, body.code]).toEqual([path, 404, 'rollout-unknown']);
    }
  });
});
