import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { isRunning, pidOf, processMark } from '../../src/agent/process-marks.ts';
import { agentListSchema } from '../../src/protocol/agents.ts';
import { blockedListSchema } from '../../src/protocol/blocked.ts';
import {
  jobDetailSchema,
  requestDetailSchema,
  requestViewSchema,
} from '../../src/protocol/builds.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { MAIN, type Program, TestServer } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PROFILE = 'web';
/** What is promised to whoever cancels. */
const REACHED_MS = 5000;
const folder = temporaryFolder();

const PROFILE_TOML = `
description = "Web servers of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
`;

/**
 * A tree as a compiler makes it: make, its shell, the driver, the compiler itself; one that has left group, session and
 * folder; and all of them deaf to SIGTERM.
 */
const COMPILERS = [
  'trap "" TERM',
  'sh -c \'sh -c "sleep 300 & echo cc1plus \\$! .; wait" & wait\' &',
  '(cd /; setsid sh -c "exec > /dev/null 2>&1 < /dev/null; sleep 300" & echo "daemon $! ."; sleep 300) &',
  'wait',
];

async function addRecipe(name: string, build: readonly string[]): Promise<void> {
  const lines = build.map((line) => JSON.stringify(line)).join(', ');
  await writeFile(
    join(folder, 'profiles', PROFILE, 'recipes', `${name}.toml`),
    [
      `cpv = "app-test/${name}-1.0"`,
      'description = "for this test"',
      `build = [${lines}]`,
      'install = ["mkdir -p \\"$D/usr/share\\"", "echo x > \\"$D/usr/share/x\\""]',
      '[source]',
      `folder = "${join(folder, 'source')}"`,
      '',
    ].join('\n'),
  );
}

let server: TestServer;
let agents: Program[] = [];
const marks: string[] = [];

beforeAll(async () => {
  await mkdir(join(folder, 'profiles', PROFILE, 'recipes'), { recursive: true });
  await mkdir(join(folder, 'source'));
  await writeFile(join(folder, 'profiles', PROFILE, 'profile.toml'), PROFILE_TOML);
  await writeFile(join(folder, 'source/README'), 'nothing\n');
  await addRecipe('slow', COMPILERS);
  await addRecipe('broken', ['echo "x.c:1: error: this is broken"', 'false']);
  await addRecipe('patient', [
    'echo "begun $$ ."',
    `while ! [ -e ${folder}/go ]; do sleep 0.1; done`,
  ]);
  const settings = ['[builds]', 'lease-seconds = 4', 'heartbeat-seconds = 2', 'retry-seconds = 1'];
  server = await TestServer.create(folder, settings.join('\n'));
  await server.start();
}, 60_000);

afterEach(async () => {
  for (const agent of agents) {
    await agent.kill();
  }
  agents = [];
  for (const mark of marks.splice(0).filter(isRunning)) {
    process.kill(pidOf(mark), 'SIGKILL');
  }
});

afterAll(async () => {
  await server.program.kill();
});

async function startAgents(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const agent = server.agent(name);
    agents.push(agent);
    agent.start();
  }
  await poll('the agents to be there', async () => {
    const { body } = await server.call('GET', '/api/agents');
    const live = agentListSchema.parse(body).agents.filter(({ isLive }) => isLive);
    return names.every((name) => live.some((one) => one.name === name)) ? true : undefined;
  });
}

async function request(name: string): Promise<string> {
  const wanted = { profile: PROFILE, atoms: [`app-test/${name}`] };
  return requestViewSchema.parse((await server.call('POST', '/api/requests', wanted)).body).id;
}

async function detail(id: string): Promise<z.infer<typeof requestDetailSchema>> {
  return requestDetailSchema.parse((await server.call('GET', `/api/requests/${id}`)).body);
}

async function finished(id: string): Promise<z.infer<typeof requestDetailSchema>> {
  return await poll(
    `the end of ${id}`,
    async () => {
      const found = await detail(id);
      return found.finishedAt === null ? undefined : found;
    },
    60_000,
  );
}

async function textOf(path: string): Promise<string> {
  return await (await fetch(`${server.url}${path}`)).text();
}

/**
 * The processes that the log of the request's only job names. Not always at the start of a line: the shell writes the
 * trace of its commands in pieces, and others write between them.
 */
async function marked(id: string, words: readonly string[]): Promise<string[]> {
  const [job] = (await detail(id)).jobs;
  let text = '';
  const found = await poll(`${words.join(' and ')} in the log`, async () => {
    text = await textOf(`/api/jobs/${job?.id}/log`);
    const pids = words.map((word) => new RegExp(`${word} (\\d+) \\.`).exec(text)?.[1]);
    return pids.every((pid) => pid !== undefined) ? pids : undefined;
  }).catch((error: unknown) => {
    throw new Error(`no such processes in:\n${text}`, { cause: error });
  });
  const own = found.map((pid) => processMark(Number(pid)) ?? '');
  marks.push(...own);
  expect(own.map(isRunning)).toEqual(own.map(() => true));
  return own;
}

describe('a request that is cancelled', () => {
  it('reaches the compiler, and all that has run away from it, within 5 seconds', async () => {
    await startAgents(['pre1']);
    const id = await request('slow');
    const processes = await marked(id, ['cc1plus', 'daemon']);

    await server.call('POST', `/api/requests/${id}/cancel`, {});
    await poll(
      'the compiler to be gone',
      () => (processes.some(isRunning) ? undefined : true),
      REACHED_MS,
    );

    expect((await finished(id)).state).toBe('cancelled');
  }, 120_000);
});

describe('a package that fails on two agents', () => {
  it('is blocked with both logs, says so the next time, and is tried again when it is unblocked', async () => {
    await startAgents(['pre1', 'pre2']);
    const first = await finished(await request('broken'));
    const [job] = first.jobs;
    const { attempts } = jobDetailSchema.parse(
      (await server.call('GET', `/api/jobs/${job?.id}`)).body,
    );
    expect(attempts.map(({ agent }) => agent).toSorted()).toEqual(['pre1', 'pre2']);
    for (const { log } of attempts) {
      expect(await textOf(log)).toContain('x.c:1: error: this is broken');
    }
    const page = await textOf(`/jobs/${job?.id}`);
    expect(page).toContain(`/jobs/${job?.id}?attempt=1`);
    expect(page).toMatch(/Try 2<\/a> on pre[12]: /);

    const second = await finished(await request('broken'));
    expect(second.jobs).toMatchObject([{ state: 'failed', attempt: 0 }]);
    expect(second.reason).toContain(`failed before, in ${job?.id}`);
    expect(await textOf('/requests')).toContain('Blocked packages');
    const { blocked } = blockedListSchema.parse((await server.call('GET', '/api/blocked')).body);
    expect(blocked).toMatchObject([{ cpv: 'app-test/broken-1.0', jobId: job?.id }]);

    const unblock = ['build', 'unblock', PROFILE, 'app-test/broken', '--server', server.url];
    const token = ['--token-file', join(folder, 'state/tokens/admin.token')];
    const told = await run([process.execPath, MAIN, ...unblock, ...token], {
      env: toolEnvironment(),
      cwd: folder,
    });
    expect([told.exitCode, String(told.stdout)]).toEqual([
      0,
      'app-test/broken-1.0 is built again by the next request for it.\n',
    ]);
    const third = await finished(await request('broken'));
    expect(third.jobs).toMatchObject([{ state: 'failed', attempt: 2 }]);
  }, 120_000);
});

describe('an agent that is killed', () => {
  it('has its job built by another, and is refused when it comes back late', async () => {
    await startAgents(['pre1']);
    const id = await request('patient');
    await marked(id, ['begun']);
    const [killed] = agents;
    await killed?.kill();
    await startAgents(['pre2']);
    await poll(
      'the second attempt',
      async () => {
        const [job] = (await detail(id)).jobs;
        return job?.agent === 'pre2' ? true : undefined;
      },
      60_000,
    );
    const [job] = (await detail(id)).jobs;
    const late = await server.call(
      'POST',
      `/api/agent/jobs/${job?.id}/result?agent=pre1&attempt=1`,
      { outcome: 'succeeded' },
      'builder',
    );
    expect([late.status, late.body]).toMatchObject([409, { code: 'stale-attempt' }]);
    await marked(id, ['begun']);
    await server.program.kill();
    await server.start();
    await writeFile(join(folder, 'go'), '');
    const done = await finished(id);
    expect(done).toMatchObject({ state: 'done', jobs: [{ agent: 'pre2', attempt: 2 }] });
  }, 120_000);
});
