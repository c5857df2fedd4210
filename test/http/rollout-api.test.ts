import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import type { z } from 'zod';
import { problemSchema } from '../../src/protocol/common.ts';
import { wholePlanSchema } from '../../src/protocol/rollout-plans.ts';
import {
  ansibleFilesSchema,
  planProblemsSchema,
  type RolloutRequestBody,
  rolloutDetailSchema,
  rolloutListSchema,
  rolloutSummarySchema,
  whyListSchema,
} from '../../src/protocol/rollouts.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer } from './api-fixture.ts';
import {
  QUICK_POLICY,
  type RolloutServer,
  sampleFleet,
  startRolloutServer,
} from './rollout-server.ts';

const ASKED: RolloutRequestBody = {
  kind: 'os',
  targets: ['web/testing@2'],
  reason: 'openssl 3.5',
};

const folder = temporaryFolder();
let farm: RolloutServer;

beforeAll(async () => {
  farm = await startRolloutServer(join(folder, 'farm'));
});

afterAll(async () => {
  await farm.close();
});

async function post(path: string, body: object, token = farm.admin) {
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
  await farm.report();
  return (
    await done(
      '/api/rollouts',
      { ...ASKED, ...changes, policy: { ...QUICK_POLICY, ...changes.policy } },
      rolloutDetailSchema,
    )
  ).id;
}

describe('planning a rollout', () => {
  it('gives a draft with stages, steps in words, remarks and what packages do', async () => {
    await farm.report();
    const rollout = await done('/api/rollouts', ASKED, rolloutDetailSchema);
    expect(rollout).toMatchObject({
      kind: 'os-disruptive',
      state: 'draft',
      createdBy: 'token:test-admin',
      targets: ['web/testing@2'],
      nodes: 8,
      farms: 3,
      missingApprovals: ['start'],
    });
    expect(rollout.plan.stages.map(({ id, units }) => `${id} ${units.length}`)).toEqual([
      'prefetch 8',
      'canary 1',
      'wave-1 2',
      'wave-2 3',
      'wave-3 2',
    ]);
    const [, upgrade = []] = rollout.plan.procedures;
    expect(upgrade.map(({ words }) => words)).toContain(
      'tells all balancers to send it no new visitors',
    );
    expect(upgrade.map(({ words }) => words)).toContain('merges publication 2 of web/testing');
    expect(upgrade.find(({ id }) => id === 'merge')?.undo).toEqual([
      'merges publication 1 of web/testing',
    ]);
    expect(rollout.plan.impact).toContainEqual(
      expect.objectContaining({
        name: 'dev-libs/openssl',
        effect: 'disruptive',
        reasons: expect.arrayContaining(['libssl.so.3 is mapped by php-fpm on 8 nodes']),
      }),
    );
    const whole = await get(`/api/rollouts/${rollout.id.slice(0, 12)}/plan`, wholePlanSchema);
    expect([whole.id, whole.stages[0]?.['units']]).toEqual([rollout.id, expect.anything()]);
  });

  it('changes of the policy what is named, and leaves the rest', async () => {
    await farm.report();
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
    await farm.report();
    const policy = { soakSeconds: 7 };
    const answer = await post('/api/rollouts', { ...ASKED, policy, dryRun: true });
    expect(answer.status).toBe(200);
    const { id } = rolloutDetailSchema.parse(answer.body);
    expect((await request(farm.url).get(`/api/rollouts/${id}`)).status).toBe(404);
  });

  it('says every problem of a plan that cannot be made, and what a body has wrong', async () => {
    await farm.report();
    const scope = { sites: ['rome'], farms: [], nodes: ['web1-9'] };
    const refused = await post('/api/rollouts', { ...ASKED, scope });
    expect([refused.status, refused.body.code]).toEqual([422, 'rollout-refused']);
    const { details } = problemSchema.parse(refused.body);
    expect(planProblemsSchema.parse(details).problems).toEqual([
      { code: 'scope-unknown', subject: 'rome', sentence: 'The inventory has no site "rome".' },
      { code: 'scope-unknown', subject: 'web1-9', sentence: 'The inventory has no node "web1-9".' },
    ]);
    const wrong = await post('/api/rollouts', { ...ASKED, policy: { budget: { totl: 1 } } });
    expect([wrong.status, wrong.body.title]).toEqual([
      400,
      expect.stringContaining('takes no "totl"'),
    ]);
    expect((await post('/api/rollouts', { ...ASKED, reason: '' })).status).toBe(400);
    const builder = await farm.tokens.create('builder', 'builder', 'test');
    expect((await post('/api/rollouts', ASKED, builder)).status).toBe(403);
    expect((await request(farm.url).post('/api/rollouts').send(ASKED)).status).toBe(401);
  });

  it.each([
    ['web/testing@9', 404, 'unknown-publication', 'publication 9'],
    ['wbe/testing', 422, 'rollout-target', 'Did you mean "web"?'],
    ['web/prod', 404, 'unknown-channel', 'prod'],
    ['web', 422, 'rollout-target', '"web"'],
    ['web/testing web/testing@1', 422, 'rollout-target', '"web/testing@1" names another'],
  ])('refuses %s with %d %s', async (target, status, code, value) => {
    await farm.report();
    const { body, status: got } = await post('/api/rollouts', {
      ...ASKED,
      targets: target.split(' '),
    });
    expect([got, body.code, body.title]).toEqual([status, code, expect.stringContaining(value)]);
  });
});

describe('a rollout', () => {
  it('is approved, started, paused with a reason, resumed, ends, and is taken back', async () => {
    const id = await planned({ policy: { approvals: ['start', 'after-canary'] } });
    const path = `/api/rollouts/${id.slice(0, 10)}`;
    expect((await post(`${path}/start`, {})).body.code).toBe('rollout-not-approved');
    const wrong = `/api/rollouts/${id.startsWith('0') ? 'f' : '0'}${id.slice(1)}/approve`;
    expect((await post(wrong, {})).body.code).toBe('rollout-unknown');
    const short = (await request(farm.url).get(`/api/rollouts/${id.slice(0, 3)}`)).body;
    expect([short.code, short.title]).toEqual([
      'rollout-unknown',
      expect.stringContaining('at least the first 4 characters'),
    ]);
    expect((await post(`${path}/approve`, { of: 'wave-9' })).body.code).toBe('stage-unknown');
    const approved = await done(`${path}/approve`, {}, rolloutSummarySchema);
    expect(approved.approvals.map(({ of }) => of)).toEqual(['start']);
    expect(approved.missingApprovals).toEqual(['wave-1']);

    await done(`${path}/start`, {}, rolloutSummarySchema);
    await farm.reaches(id, 'canary/web1-1', 'merge');
    await farm.pass(6000);
    const { reasons } = await get(`${path}/why`, whyListSchema);
    expect(reasons).toContainEqual({
      kind: 'node-step',
      unit: 'canary/web1-1',
      sentence: 'canary/web1-1 is at merge.',
      until: null,
    });
    const paused = await done(`${path}/pause`, { reason: 'Errors.' }, rolloutSummarySchema);
    expect([paused.state, paused.because, paused.stage]).toEqual(['paused', 'Errors.', 'canary']);
    expect((await post(`${path}/pause`, { reason: 'Again.' })).status).toBe(409);
    await done(`${path}/resume`, {}, rolloutSummarySchema);
    await farm.waitsFor(id, 'approval');
    await done(`${path}/approve`, { of: 'wave-1' }, rolloutSummarySchema);
    expect((await post(`${path}/approve`, {})).body.code).toBe('rollout-approved');
    await farm.ends(id);
    const ended = await get(path, rolloutDetailSchema);
    expect([ended.state, ended.units.done]).toEqual(['done', 16]);
    expect([...farm.fleet.nodes.values()].map(({ effects }) => [...effects.values()])).toEqual(
      Array.from({ length: 8 }, () => expect.not.arrayContaining([2])),
    );

    const early = await post(`${path}/rollback`, { reason: '502s' });
    expect([early.status, early.body.title]).toEqual([
      422,
      expect.stringContaining(`has not reported since the rollout ${id.slice(0, 12)} changed it`),
    ]);
    await farm.report();
    const back = await done(`${path}/rollback`, { reason: '502s' }, rolloutDetailSchema);
    expect([back.reverses, back.state, back.targets]).toEqual([id, 'draft', ['web/testing@1']]);
    expect((await post(`${path}/rollback`, {})).status).toBe(400);
    await done(`/api/rollouts/${back.id}/approve`, {}, rolloutSummarySchema);
    await done(`/api/rollouts/${back.id}/start`, {}, rolloutSummarySchema);
    expect((await farm.ends(back.id)).state).toBe('done');
    const merged = [...farm.fleet.nodes.values()].map(({ mergedTimestamp }) => mergedTimestamp);
    const first = await farm.installation.proofs.nodes();
    await farm.report();
    expect((await farm.installation.proofs.nodes()).map(({ serial }) => serial)).toEqual(
      first.map(() => 1),
    );
    expect(new Set(merged).size).toBe(1);
    const { rollouts } = await get('/api/rollouts?state=done&limit=5', rolloutListSchema);
    expect(rollouts.map((one) => one.id)).toEqual([back.id, id]);
    expect(JSON.stringify(rollouts)).not.toContain('procedures');
  });

  it('that has changed nothing cannot be taken back, and a draft is discarded', async () => {
    const id = await planned({ policy: { drainSeconds: 12 } });
    const path = `/api/rollouts/${id}`;
    const back = await post(`${path}/rollback`, { reason: '502s' });
    expect([back.status, back.body.code]).toEqual([409, 'rollout-nothing-to-take-back']);
    const gone = await done(`${path}/abort`, { reason: 'No.' }, rolloutSummarySchema);
    expect(gone.state).toBe('discarded');
    for (const verb of ['start', 'resume']) {
      expect((await post(`${path}/${verb}`, {})).body.code).toBe('rollout-state');
    }
  });

  it('needs two persons where its policy says so', async () => {
    const id = await planned({ policy: { approvals: ['start', 'second'] } });
    const path = `/api/rollouts/${id}`;
    await done(`${path}/approve`, { of: 'start' }, rolloutSummarySchema);
    const same = await post(`${path}/approve`, { of: 'second' });
    expect([same.status, same.body.code]).toEqual([409, 'approval-same-person']);
    expect((await post(`${path}/start`, {})).body.code).toBe('rollout-not-approved');
    const other = await farm.tokens.create('eve', 'admin', 'test');
    expect((await post(`${path}/approve`, { of: 'second' }, other)).status).toBe(200);
  });

  it('is told as files for Ansible, made of the revision of the inventory that it was planned with', async () => {
    const id = await planned({ policy: { drainSeconds: 6 } });
    await farm.importInventory(sampleFleet().replaceAll('127.0.0.1:9', '127.0.0.2:9'));
    const path = `/api/rollouts/${id.slice(0, 12)}/export/ansible`;
    const told = await get(path, ansibleFilesSchema);
    expect(JSON.parse(told['playbook.yml'])).toMatchObject(
      [1, 2, 3, 4, 5].map((stage) => ({ hosts: `stage_${stage}` })),
    );
    expect(told['inventory.json']).toContain('"TCP:127.0.0.1:9"');
    expect(told['inventory.json']).not.toContain('127.0.0.2');
    // And it cannot begin any more.
    await done(`/api/rollouts/${id}/approve`, {}, rolloutSummarySchema);
    const stale = await post(`/api/rollouts/${id}/start`, {});
    expect([stale.status, stale.body.code]).toEqual([409, 'rollout-stale']);

    const text = sampleFleet().replaceAll('tcp://127.0.0.1:9', 'ssh://lb1/run/haproxy.sock');
    await farm.importInventory(text);
    const other = await planned({ policy: { drainSeconds: 8 } });
    const refused = await request(farm.url).get(`/api/rollouts/${other}/export/ansible`);
    expect([refused.status, refused.body.code]).toEqual([422, 'export-not-possible']);
    await farm.importInventory(sampleFleet());
  });

  it('that is not there is 404 in every path', async () => {
    for (const path of ['', '/plan', '/why', '/events', '/export/ansible']) {
      const { status, body } = await request(farm.url).get(`/api/rollouts/nothing${path}`);
      expect([path, status, body.code]).toEqual([path, 404, 'rollout-unknown']);
    }
  });
});
