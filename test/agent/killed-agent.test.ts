import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { withRoot } from '../../src/agent/executors/root-access.ts';
import { JobTraces } from '../../src/agent/job-traces.ts';
import { isRunning, pidOf, processMark } from '../../src/agent/process-marks.ts';
import { runAgent } from '../../src/agent/run-agent.ts';
import { openWorkFolder } from '../../src/agent/work-folder.ts';
import { silentLog } from '../../src/support/log.ts';
import { spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BuildServer, type ServedJob } from './build-server.ts';
import { packFolder, SAMPLE, scriptRecipe, sourceLease } from './jobs.ts';

jest.setTimeout(120_000);

const PROJECT = join(import.meta.dirname, '../..');
const LINGER = [
  // In the group but not in the folder, in the folder but not in the group.
  '(cd /; trap "" TERM; while :; do sleep 0.2; done) & echo "child $! ."',
  'setsid sh -c \'trap "" TERM; while :; do sleep 0.2; done\' & echo "stray $! ."',
  'wait',
];

const folder = temporaryFolder();
let count = 0;
let workFolder: string;
let server: BuildServer;
const children: ReturnType<typeof spawnGroup>[] = [];
const marks: string[] = [];

beforeEach(async () => {
  count += 1;
  workFolder = join(folder, `work-${count}`);
  server = new BuildServer(join(folder, `server-${count}`));
  await server.start();
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
  }
  for (const mark of marks.splice(0).filter(isRunning)) {
    process.kill(pidOf(mark), 'SIGKILL');
  }
  await server.kill();
});

async function startAgentProcess(): Promise<ReturnType<typeof spawnGroup>> {
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, server.token);
  const words = ['agent', '--server', server.url, '--token-file', tokenFile, '--work', workFolder];
  const child = spawnGroup(
    [process.execPath, '--import', 'tsx', 'src/main.ts', ...words],
    { cwd: PROJECT, env: toolEnvironment() },
    'ignore',
  );
  children.push(child);
  return child;
}

async function marked(job: ServedJob, word: string): Promise<string> {
  const mark = await poll(`${word} in the log`, () => {
    const pid = new RegExp(`${word} (\\d+) \\.`).exec(String(job.log))?.[1];
    return pid === undefined ? undefined : (processMark(Number(pid)) ?? '');
  });
  marks.push(mark);
  return mark;
}

describe('an agent that starts after one that was killed', () => {
  it('ends the build that went on without it, before anything else', async () => {
    const source = await packFolder(join(SAMPLE, 'recipes'));
    const job = server.addJob(sourceLease('left', scriptRecipe(LINGER), source), source);
    const killed = await startAgentProcess();
    const child = await marked(job, 'child');
    const stray = await marked(job, 'stray');
    killed.kill('SIGKILL');
    await once(killed, 'close');
    expect([isRunning(child), isRunning(stray)]).toEqual([true, true]);

    job.state = 'ended';
    const registered = server.agents.length;
    const stop = new AbortController();
    const life = runAgent({
      server: server.url,
      token: server.token,
      name: 'builder-1',
      workFolder,
      slots: 1,
      log: silentLog(),
      signal: stop.signal,
    });
    life.catch(() => undefined);
    try {
      await poll('a registration', () => (server.agents.length > registered ? true : undefined));
      expect([isRunning(child), isRunning(stray)]).toEqual([false, false]);
      expect(await readdir(join(workFolder, 'jobs'))).toEqual([]);
    } finally {
      stop.abort();
      await life;
    }
  });

  it('clears the folders that it had in a chroot and in the caches of a root', async () => {
    const root = join(folder, `root-${count}`);
    await mkdir(join(root, 'etc/portage'), { recursive: true });
    const job = join(workFolder, 'jobs/job-1');
    const traces = new JobTraces(job);
    await mkdir(job, { recursive: true });
    const index = join(root, 'var/cache/edb/binhost/farm/staging/x');
    traces.addFolder(index);
    await mkdir(index, { recursive: true });
    await writeFile(join(index, 'Packages'), '');
    await new Promise<void>((resolve) => {
      void withRoot(
        { kind: 'chroot', path: root },
        { folder: job, environment: {}, traces },
        async (access) => {
          await mkdir(join(access.folder, 'half'));
          resolve();
          await new Promise(() => undefined);
        },
      );
    });
    expect(await readdir(join(root, 'var/tmp'))).toHaveLength(1);

    await (await openWorkFolder(workFolder)).release();

    expect(await readdir(join(root, 'var/tmp'))).toEqual([]);
    expect(existsSync(index)).toBe(false);
    expect(existsSync(job)).toBe(false);
  });

  it('finds processes of a work folder that is named by a link', async () => {
    await mkdir(join(workFolder, 'jobs/job-1'), { recursive: true });
    await symlink(workFolder, `${workFolder}-link`);
    const cwd = join(workFolder, 'jobs/job-1');
    const child = spawnGroup(['sleep', '60'], { cwd, env: toolEnvironment() }, 'ignore');
    children.push(child);
    const over = once(child, 'exit');
    await (await openWorkFolder(`${workFolder}-link`)).release();
    expect(await over).toEqual([null, 'SIGKILL']);
  });

  it('leaves a process alone whose number has been used again', async () => {
    const job = join(workFolder, 'jobs/job-1');
    await mkdir(job, { recursive: true });
    const child = spawnGroup(['sleep', '60'], { cwd: '/', env: toolEnvironment() }, 'ignore');
    children.push(child);
    const mark = processMark(child.pid ?? 0) ?? '';
    await writeFile(
      join(job, 'traces'),
      `${JSON.stringify(['group', `${child.pid} 1`])}\n["group","${mark}`,
    );
    await (await openWorkFolder(workFolder)).release();
    expect(isRunning(mark)).toBe(true);
    expect(existsSync(job)).toBe(false);
  });
});
