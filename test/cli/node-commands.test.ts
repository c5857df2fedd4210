import { describe, expect, it } from '@jest/globals';
import type { NodeView, ProofView } from '../../src/protocol/nodes.ts';
import { startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { NOON } from './noon.ts';
import { runProgram } from './run-program.ts';
import { publicationView } from './sample-views.ts';

stopFarmServersAfterEach();

const CHANNEL = '/api/profiles/web-v3/channels/stable';
const HOUR = 3_600_000;

function nodeView(values: Partial<NodeView> = {}): NodeView {
  return {
    node: 'pre1',
    profile: 'web-v3',
    channel: 'testing',
    timestamp: 1_767_000_000,
    serial: 12,
    reportedAt: NOON - HOUR,
    installedCount: 412,
    checks: [{ name: 'http', passed: true, output: '' }],
    differs: 0,
    differences: [],
    php: null,
    system: null,
    ...values,
  };
}

function proofView(values: Partial<ProofView> = {}): ProofView {
  return {
    profile: 'web-v3',
    channel: 'stable',
    from: 'testing',
    serial: 12,
    policy: { nodes: 2, checks: ['http', 'php'], soakMs: 24 * HOUR, withinMs: null },
    isProven: true,
    missing: [],
    nodes: [],
    provenAt: NOON,
    ...values,
  };
}

async function runWith(
  route: string,
  answer: unknown,
  ...words: readonly string[]
): Promise<{ readonly stdout: string; readonly body: string }> {
  const server = await startFarmServer();
  server.answer(route, answer);
  const { code, stdout, stderr } = await runProgram([...words, '--server', server.url]);
  expect([code, stderr]).toEqual([0, '']);
  return { stdout, body: server.seen[0]?.body.toString() ?? '' };
}

describe('node', () => {
  it('list shows what each has and how its checks went', async () => {
    const nodes = [
      nodeView(),
      nodeView({
        node: 'pre2',
        serial: null,
        differs: 3,
        checks: [
          { name: 'http', passed: false, output: '' },
          { name: 'php', passed: true, output: '' },
        ],
      }),
    ];
    const { stdout } = await runWith('GET /api/nodes', { nodes }, 'node', 'list');
    expect(stdout).toBe(
      [
        'NODE  PROFILE  CHANNEL  PUBLICATION  DIFFERS  CHECKS        REPORTED',
        'pre1  web-v3   testing           12        0  http          1 h ago',
        'pre2  web-v3   testing            -        3  failed: http  1 h ago',
        '',
      ].join('\n'),
    );
    const none = await runWith('GET /api/nodes', { nodes: [] }, 'node', 'list');
    expect(none.stdout).toBe('No node has reported yet.\n');
    const json = await runWith('GET /api/nodes', { nodes }, 'node', 'list', '--json');
    expect(JSON.parse(json.stdout)).toEqual(nodes);
  });

  it('show tells what differs, and what each check said', async () => {
    const report = nodeView({
      system: {
        release: '2026.48',
        releases: ['2026.47', '2026.48'].map((release) => ({ release, digest: release })),
        kernel: { running: '6.12.1-gentoo', installed: ['6.12.1-gentoo', '6.12.2-gentoo'] },
        bootId: 'b',
        cpuFlags: [],
        isPartial: false,
      },
      differs: 1,
      differences: ['app-misc/a:0: installed is x, published is y'],
      checks: [
        { name: 'http', passed: true, output: '' },
        { name: 'php', passed: false, output: 'no opcache\nsee log\u001b[2J' },
      ],
    });
    const detail = { node: 'pre1', reports: [report] };
    const { stdout } = await runWith('GET /api/nodes/pre1', detail, 'node', 'show', 'pre1');
    expect(stdout).toBe(
      [
        'pre1  web-v3/testing, publication 12 (TIMESTAMP 1767000000)',
        'reported 2026-11-22 11:00:00 UTC, 1 h ago; 412 packages installed, 1 not as published',
        '  differs  app-misc/a:0: installed is x, published is y',
        '  kernel 6.12.1-gentoo, installed: 6.12.1-gentoo, 6.12.2-gentoo',
        '  release 2026.48, others on it: 2026.47',
        '  passed   http',
        '  failed   php',
        '           no opcache',
        '           see log',
        '',
      ].join('\n'),
    );
  });
});

describe('node forget', () => {
  it('sends the reason', async () => {
    const words = ['node', 'forget', 'pre1', '--reason', 'gone'];
    const { stdout, body } = await runWith('DELETE /api/nodes/pre1', {}, ...words);
    expect([stdout, JSON.parse(body)]).toEqual([
      'Node pre1 is forgotten. Its token is as it was.\n',
      { reason: 'gone' },
    ]);
  });
});

describe('channel proof', () => {
  it('says what is needed, what is missing, and who has what', async () => {
    const view = proofView({
      isProven: false,
      missing: ['Publication 12 of testing needs 2 nodes that passed it, and has 1: pre1.'],
      nodes: [
        {
          node: 'pre1',
          state: 'passed',
          passedSince: NOON - HOUR,
          lastReportedAt: NOON - HOUR,
          sentence: 'pre1 has passed it.',
        },
      ],
    });
    const { stdout } = await runWith(
      `GET ${CHANNEL}/proof`,
      view,
      'channel',
      'proof',
      'web-v3',
      'stable',
    );
    expect(stdout).toBe(
      [
        'web-v3/stable, from publication 12 of testing',
        'needs: 2 nodes, the checks http php, a soak of 1d',
        'not proven',
        '  Publication 12 of testing needs 2 nodes that passed it, and has 1: pre1.',
        '',
        'NODE  STATE   SINCE                    REPORTED',
        'pre1  passed  2026-11-22 11:00:00 UTC  1 h ago',
        '',
      ].join('\n'),
    );
  });

  it('says when it can be promoted, and when nothing is needed', async () => {
    const policy = { nodes: 0, checks: [], soakMs: 0, withinMs: null };
    const { stdout } = await runWith(
      `GET ${CHANNEL}/proof`,
      proofView({ policy }),
      'channel',
      'proof',
      'web-v3',
      'stable',
    );
    expect(stdout).toContain('needs: no proof\nproven: it can be promoted\n');
  });
});

describe('channel promote --force', () => {
  it('asks for it with the reason, and says what was missing', async () => {
    const forced = { missing: ['It needs 2 nodes.'] };
    const { stdout, body } = await runWith(
      `POST ${CHANNEL}/promote`,
      publicationView({ channel: 'stable', kind: 'promote', forced }),
      'channel',
      'promote',
      'web-v3',
      'stable',
      '--force',
      '--reason',
      'security',
    );
    expect(JSON.parse(body)).toEqual({ reason: 'security', force: true });
    expect(stdout).toBe(
      'web-v3/stable is now publication 4: 3 packages. Forced: It needs 2 nodes.\n',
    );
  });

  it('is marked where the channel is shown', async () => {
    const made = publicationView({ kind: 'promote', forced: { missing: ['x'] } });
    const uri = 'http://farm.example/binhost/web-v3/stable';
    const view = { profile: 'web-v3', channel: 'stable', uri, current: made, publications: [made] };
    const { stdout } = await runWith(`GET ${CHANNEL}`, view, 'channel', 'show', 'web-v3', 'stable');
    expect(stdout).toContain('promote (forced)');
  });
});
