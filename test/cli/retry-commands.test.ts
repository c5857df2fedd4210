import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { NOON } from './noon.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import { agentView, requestDetail } from './sample-views.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();
const BLOCKED = {
  profile: 'web-v3',
  cpv: 'a/b-1',
  jobId: 'job-1',
  reason: 'gcc said no.',
  blockedAt: NOON - 120_000,
};

async function runAt(server: FarmServer, ...words: readonly string[]): Promise<ProgramResult> {
  return await runProgram(words, { env: { ROOKERY_SERVER: server.url }, cwd: folder });
}

function jsonBody(server: FarmServer): unknown {
  return JSON.parse(server.seen.at(-1)?.body.toString() ?? '');
}

describe('build blocked, build unblock', () => {
  it('list what is blocked and why', async () => {
    const server = await startFarmServer();
    server.answer('GET /api/blocked', { blocked: [BLOCKED] });
    const { stdout } = await runAt(server, 'build', 'blocked', '--profile', 'web-v3');
    expect(server.seen[0]?.query.toString()).toBe('profile=web-v3');
    expect(stdout).toBe(
      [
        'PROFILE  PACKAGE  SINCE      JOB    WHY',
        'web-v3   a/b-1    2 min ago  job-1  gcc said no.',
        '',
      ].join('\n'),
    );
    server.answer('GET /api/blocked', { blocked: [] });
    expect((await runAt(server, 'build', 'blocked')).stdout).toBe('Nothing is blocked.\n');
  });

  it('unblock by name, or all', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/blocked/unblock', { blocked: [BLOCKED] });
    const { stdout } = await runAt(server, 'build', 'unblock', 'web-v3', 'a/b');
    expect(jsonBody(server)).toEqual({ profile: 'web-v3', packages: ['a/b'] });
    expect(stdout).toBe('a/b-1 is built again by the next request for it.\n');
    await runAt(server, 'build', 'unblock', 'web-v3', '--all');
    expect(jsonBody(server)).toEqual({ profile: 'web-v3', packages: [] });
  });

  it.each([[[]], [['a/b', '--all']]])('refuse %j', async (words) => {
    const server = await startFarmServer();
    const { code, stderr } = await runAt(server, 'build', 'unblock', 'web-v3', ...words);
    expect(code).toBe(1);
    expect(stderr).toContain('[nothing-to-unblock]');
    expect(server.seen).toEqual([]);
  });

  it('retry with the request', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/requests', requestDetail(), 201);
    await runAt(server, 'build', 'request', 'web-v3', 'a/b', '--retry');
    expect(jsonBody(server)).toMatchObject({ retry: true });
  });
});

describe('agent restore', () => {
  it('brings an agent back', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/agents/pre3/restore', agentView({ name: 'pre3' }));
    const { stdout } = await runAt(server, 'agent', 'restore', 'pre3');
    expect(stdout).toBe('pre3 is active; it gets jobs again.\n');
  });
});

describe('agents', () => {
  it('show which of them gets no jobs, and why', async () => {
    const server = await startFarmServer();
    const stateReason = '3 packages failed on it.';
    const out = { state: 'taken-out', stateReason, stateSince: 1 } as const;
    server.answer('GET /api/agents', { agents: [agentView({ name: 'pre3', ...out })] });
    const { stdout, stderr } = await runAt(server, 'agents');
    expect(stdout).toMatch(/^pre3 +taken-out /m);
    expect(stderr).toContain('pre3 is taken-out: 3 packages failed on it.');
  });
});
