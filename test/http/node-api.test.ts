import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import {
  type NodeReportMessage,
  nodeDetailSchema,
  nodeListSchema,
  proofViewSchema,
  reportReplySchema,
} from '../../src/protocol/nodes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer } from './api-fixture.ts';
import { type ProofServer, startProofServer } from './proof-server.ts';

const EVIL = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;
const folder = temporaryFolder();
const tokens: Record<string, string> = {};
let farm: ProofServer;
let message: NodeReportMessage;

beforeAll(async () => {
  farm = await startProofServer(await mkdtemp(join(folder, 'farm-')));
  for (const [name, role] of [
    ['pre1', 'node'],
    ['build1', 'builder'],
    ['ops', 'admin'],
  ] as const) {
    tokens[name] = await farm.tokens.create(name, role, 'test');
  }
  const record = await farm.add('app-misc/a-1');
  const { timestampSeconds } = await farm.publish();
  const { cpv, slot, buildId, buildTimeSeconds } = record;
  const rest = { repository: 'lab', use: '', provides: '' };
  message = {
    profile: 'web',
    channel: 'testing',
    timestamp: timestampSeconds,
    installed: [{ cpv, slot, buildId, buildTime: buildTimeSeconds, ...rest }],
    checks: [{ name: 'http', passed: true, output: EVIL }],
    php: { trees: [tree('8.4.1-web-r1', 'active'), tree('8.4.2-web-r1', 'resident', null)] },
    system: {
      release: '2026.48',
      releases: [{ release: '2026.47', digest: 'x' }],
      kernel: { running: '6.12.1-gentoo', installed: ['6.12.1-gentoo', '6.12.2-gentoo'] },
      bootId: 'b',
      cpuinfo: 'flags : sse2',
      services: [
        {
          name: 'php-fpm',
          tree: '8.4.1-web-r1',
          files: [
            { path: '/usr/lib64/libz.so.1', cpv: 'sys-libs/zlib-1.3', isDeleted: true },
            { path: '/opt/<b>.so', cpv: null, isDeleted: false },
          ],
        },
        { name: 'sshd', tree: null, files: [] },
      ],
      isPartial: false,
    },
  };
});

function tree(id: string, state: 'active' | 'resident', verifiedAt: number | null = 1_760_000_000) {
  const manifest = 'a'.repeat(64);
  return { id, profile: 'web', manifest, state, verifiedAt, requires: 'x86_64: libz.so.1' };
}

afterAll(async () => {
  await farm.close();
});

async function report(
  node: string,
  token: string | undefined,
  changes: object = {},
): Promise<request.Response> {
  return await request(farm.url)
    .post(`/api/nodes/${encodeURIComponent(node)}/report`)
    .set(token === undefined ? {} : bearer(token))
    .send({ ...message, ...changes });
}

async function promote(body: object): Promise<request.Response> {
  return await request(farm.url)
    .post('/api/profiles/web/channels/stable/promote')
    .set(bearer(tokens['ops'] ?? ''))
    .send(body);
}

async function page(path: string): Promise<string> {
  const { status, text } = await request(farm.url).get(path);
  expect([path, status]).toEqual([path, 200]);
  expect(text).not.toContain('<script>alert');
  expect(text).not.toContain('<img src=x');
  return text;
}

describe('a report over HTTP', () => {
  it('needs a token of the node itself, or of an administrator', async () => {
    const answers = [
      await report('pre1', undefined),
      await report('pre1', 'rky_wrong'),
      await report('pre1', tokens['build1']),
      await report('pre2', tokens['pre1']),
      await report('../x', tokens['ops']),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [401, 'authentication-required'],
      [401, 'token-invalid'],
      [403, 'role-too-low'],
      [403, 'node-not-yours'],
      [400, 'node-name-invalid'],
    ]);
    expect((await request(farm.url).get('/api/nodes')).body).toEqual({ nodes: [] });
  });

  it.each([
    ['a key that nobody knows', { kernel: '6.12' }],
    ['a package that is none', { installed: [{ cpv: 'bash' }] }],
    ['a check of a strange name', { checks: [{ name: '../x', passed: true, output: '' }] }],
    [
      'the same check twice',
      {
        checks: [
          { name: 'a', passed: false, output: '' },
          { name: 'a', passed: true, output: '' },
        ],
      },
    ],
    ['endless output', { checks: [{ name: 'a', passed: true, output: 'x'.repeat(8001) }] }],
    [
      'an escape in what a check said',
      { checks: [{ name: 'a', passed: true, output: '\u001b[2J' }] },
    ],
    ['a TIMESTAMP in words', { timestamp: 'today' }],
    ['a PHP tree of a strange name', { php: { trees: [tree('../x', 'active')] } }],
    [
      'a PHP tree in a strange state',
      { php: { trees: [{ ...tree('1-web-r1', 'active'), state: 'x' }] } },
    ],
  ])('is refused with %s', async (_, changes) => {
    const { status, body } = await report('pre1', tokens['pre1'], changes);
    expect([status, body.code]).toEqual([400, 'invalid-body']);
  });

  it('is refused when it is too large, or about what is not there', async () => {
    const long = { ...message.installed[0], provides: 'x'.repeat(199_999) };
    const large = await report('pre1', tokens['pre1'], {
      installed: Array.from({ length: 200 }, () => long),
    });
    const profile = await report('pre1', tokens['pre1'], { profile: 'nope' });
    const channel = await report('pre1', tokens['pre1'], { channel: 'nope' });
    expect([large, profile, channel].map(({ status, body }) => [status, body.code])).toEqual([
      [413, 'body-too-large'],
      [404, 'unknown-profile'],
      [404, 'unknown-channel'],
    ]);
  });
});

describe('proof over HTTP', () => {
  it('is asked for, given by a node, and then enough', async () => {
    const refused = await promote({});
    expect([refused.status, refused.body.code, refused.body.details]).toEqual([
      409,
      'promotion-not-proven',
      {
        profile: 'web',
        channel: 'stable',
        from: 'testing',
        serial: 1,
        policy: { nodes: 1, checks: [], soakMs: 0, withinMs: null },
        nodes: [],
        missing: ['Publication 1 of testing needs 1 node that passed it, and has none.'],
      },
    ]);
    const reasonless = await promote({ force: true });
    expect([reasonless.status, reasonless.body.code]).toEqual([400, 'reason-required']);
    const before = await request(farm.url).get('/api/profiles/web/channels/stable/proof');
    expect(proofViewSchema.parse(before.body)).toMatchObject({ isProven: false, nodes: [] });
    expect(await page('/profiles/web/stable')).toContain('No node of testing has reported yet');

    const reply = await report('pre1', tokens['pre1']);

    expect([reply.status, reportReplySchema.parse(reply.body)]).toEqual([
      200,
      {
        counts: true,
        serial: 1,
        differs: 0,
        answer:
          'pre1 has publication 1 of web/testing: 1 package as published, the check http passed.',
      },
    ]);
    const after = await request(farm.url).get('/api/profiles/web/channels/stable/proof');
    expect(proofViewSchema.parse(after.body)).toMatchObject({
      isProven: true,
      nodes: [{ node: 'pre1', state: 'passed' }],
    });
    const made = await promote({});
    expect([made.status, made.body.forced]).toEqual([201, null]);
  });

  it('shows nodes and what they said, on pages too, whatever it is', async () => {
    const list = nodeListSchema.parse((await request(farm.url).get('/api/nodes')).body);
    expect(list.nodes).toMatchObject([{ node: 'pre1', serial: 1, installedCount: 1 }]);
    const detail = nodeDetailSchema.parse((await request(farm.url).get('/api/nodes/pre1')).body);
    expect(detail.reports[0]?.checks).toEqual(message.checks);
    expect(detail.reports[0]?.php).toEqual(message.php?.trees);
    expect(await page('/nodes')).toContain(
      '<td>8.4.1-web-r1, 1 more <span class="pill bad">8.4.2-web-r1 is spoilt</span></td>',
    );
    const pre1 = await page('/nodes/pre1');
    expect(pre1).toContain('not as its MANIFEST says');
    expect(pre1).toContain('<dd>6.12.1-gentoo, 6.12.2-gentoo</dd>');
    expect(pre1).toContain('<dt>Other releases on it</dt><dd>2026.47</dd>');
    expect(pre1).toContain(
      '<th scope="row">php-fpm <span class="muted">of 8.4.1-web-r1</span></th>',
    );
    expect(pre1).toContain(
      '<details><summary>2 files <span class="pill warn">1 replaced since</span></summary>',
    );
    expect(pre1).toContain(
      '<li><code>/usr/lib64/libz.so.1</code> sys-libs/zlib-1.3 <span class="pill warn">replaced</span></li>',
    );
    expect(pre1).toContain('<code>/opt/&lt;b&gt;.so</code> <span class="muted">of no package');
    expect(pre1).toContain('<details><summary>0 files</summary>');
    const unknown = await request(farm.url).get('/api/nodes/nobody');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'unknown-node']);
    expect(await page('/nodes')).toMatch(/<a href="\/nodes\/pre1">pre1<\/a>/);
    expect(await page('/nodes/pre1')).toContain('&lt;script&gt;alert(1)');
    expect(await page('/journal')).toContain('<a href="/nodes/pre1">node:pre1</a>');
    const channel = await page('/profiles/web/stable');
    expect(channel).toContain('<span class="pill good">proven</span>');
    expect(channel).toContain('pre1 has passed it since');
    expect(channel).not.toContain('>forced</span>');
    expect(await page('/profiles/web/testing')).not.toContain('id="proof"');
  });

  it('goes with a node that is forgotten, by an administrator', async () => {
    const forget = async (token: string | undefined) =>
      await request(farm.url)
        .delete('/api/nodes/pre1')
        .set(bearer(token ?? ''))
        .send({ reason: 'replaced' });
    expect((await forget(tokens['pre1'])).body.code).toBe('role-too-low');

    expect((await forget(tokens['ops'])).status).toBe(204);

    expect((await forget(tokens['ops'])).body.code).toBe('unknown-node');
    const proof = await request(farm.url).get('/api/profiles/web/channels/stable/proof');
    expect(proofViewSchema.parse(proof.body)).toMatchObject({ isProven: false, nodes: [] });
    expect((await farm.installation.journal.latest(1))[0]).toMatchObject({
      kind: 'node-forgotten',
      subject: 'node:pre1',
      actor: 'token:ops',
      data: { reports: 1, proofs: 1, reason: 'replaced' },
    });
    expect((await report('pre1', tokens['pre1'])).body.counts).toBe(true);
  });

  it('that was missing stays visible after a promotion by force', async () => {
    await farm.add('app-misc/b-1');
    await farm.publish();

    const made = await promote({ force: true, reason: EVIL });

    const missing =
      'Publication 2 of testing needs 1 node that passed it, and has none. pre1 reported publication 1.';
    expect([made.status, made.body.forced]).toEqual([201, { missing: [missing] }]);
    const channel = await page('/profiles/web/stable');
    expect(channel).toContain(`title="${missing}">forced</span>`);
    expect(channel).toContain('<span class="pill idle">elsewhere</span>');
  });
});
