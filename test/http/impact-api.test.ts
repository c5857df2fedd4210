import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { impactListSchema } from '../../src/protocol/impact.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { newId } from '../../src/support/ids.ts';
import { running, systemOf } from '../fleet/impact/made-impact.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ProofServer, startProofServer } from './proof-server.ts';

const folder = temporaryFolder();
let farm: ProofServer;

beforeEach(async () => {
  farm = await startProofServer(join(folder, newId('farm')));
});

afterEach(async () => {
  await farm.close();
});

const LIBRARY = { metadata: { PROVIDES: 'x86_64: liba.so.1' } };

/** A node of a profile that has this package, and runs this program with a library of it. */
async function addNode(
  name: string,
  { cpv, slot, buildId, buildTimeSeconds }: PackageRecord,
  { program = 'nginx', profile = 'web' } = {},
): Promise<void> {
  const none = { repository: 'lab', use: '', provides: '' };
  const about = { node: name, profile, channel: 'stable', timestampSeconds: null };
  await farm.installation.proofs.report(
    {
      ...about,
      installed: [{ cpv, slot, buildId, buildTime: buildTimeSeconds, ...none }],
      checks: [],
      php: null,
      system: {
        ...systemOf([running(program, { '/usr/lib64/liba.so.1': cpv })]),
        isPartial: false,
      },
    },
    `token:${name}`,
  );
}

async function ask(body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${farm.url}/api/fleet/impact`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function impactsOf(body: unknown) {
  const answer = await ask(body);
  expect([answer.status, answer.body]).toEqual([200, expect.anything()]);
  return impactListSchema.parse(answer.body).impacts;
}

describe('POST /api/fleet/impact', () => {
  it('says what publications would do to the nodes of their profile, or to some', async () => {
    const old = await farm.add('dev-libs/a-1', LIBRARY);
    await farm.publish();
    await farm.add('dev-libs/a-2', LIBRARY);
    await farm.publish();
    await addNode('web-1', old);
    await addNode('web-2', old, { program: 'crond' });
    await addNode('old-1', old, { profile: 'old' });

    expect(await impactsOf({ targets: ['web/testing'] })).toMatchObject([
      {
        nodes: ['web-1', 'web-2'],
        to: { serial: 2, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
        effect: 'disruptive',
        packages: [
          {
            name: 'dev-libs/a',
            from: 'dev-libs/a-1',
            to: 'dev-libs/a-2',
            reasons: [
              'liba.so.1 is mapped by nginx on 1 node',
              'liba.so.1 is mapped by crond on 1 node',
            ],
          },
        ],
        restarts: ['crond'],
      },
    ]);
    const some = await impactsOf({ targets: ['web/testing'], nodes: ['web-2'] });
    expect(some).toMatchObject([{ nodes: ['web-2'], effect: 'service-restart' }]);
    const before = await impactsOf({ targets: ['web/testing@1'], nodes: ['web-1'] });
    expect(before).toMatchObject([{ effect: 'none', packages: [] }]);
    const others = await impactsOf({ targets: ['web/testing'], nodes: ['old-1'] });
    expect(others).toMatchObject([{ profile: 'old', effect: 'blocked' }]);
  });

  it.each([
    [['web'], 400, 'invalid-body'],
    [[], 400, 'invalid-body'],
    [['nope/testing'], 404, 'unknown-profile'],
    [['web/nope'], 404, 'unknown-channel'],
    [['web/testing@9'], 404, 'unknown-publication'],
    [['web/stable'], 409, 'nothing-published'],
  ])('refuses %j with %d %s', async (targets, status, code) => {
    await farm.add('dev-libs/a-1', LIBRARY);
    await farm.publish();
    expect(await ask({ targets })).toMatchObject({ status, body: { code } });
  });

  it('refuses a node that nobody has heard of', async () => {
    await farm.add('dev-libs/a-1', LIBRARY);
    await farm.publish();
    expect(await ask({ targets: ['web/testing'], nodes: ['web-9'] })).toMatchObject({
      status: 404,
      body: { code: 'unknown-node' },
    });
  });
});

describe('the page of impacts', () => {
  it('shows effects with their reasons, and what is safe apart', async () => {
    const old = await farm.add('dev-libs/a-1', LIBRARY);
    await farm.add('dev-libs/a-2', LIBRARY);
    await farm.publish();
    await addNode('web-1', old);
    const page = await (await fetch(`${farm.url}/fleet/impact?target=web/testing`)).text();
    expect(page).toContain('<span class="pill warn">disruptive</span>');
    expect(page).toContain('liba.so.1 is mapped by nginx on 1 node');
    const empty = await (await fetch(`${farm.url}/fleet/impact`)).text();
    expect(empty).toContain('<option>web/testing</option>');
    const headers = { Accept: 'text/html' };
    const wrong = await fetch(`${farm.url}/fleet/impact?target=%3Cq%3E`, { headers });
    expect([wrong.status, (await wrong.text()).includes('<q>')]).toEqual([400, false]);
  });
});
