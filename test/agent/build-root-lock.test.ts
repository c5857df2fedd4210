import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runBuildProcess } from '../../src/agent/build-process.ts';
import { whileRootIsHeld } from '../../src/agent/executors/build-root-lock.ts';
import type { JobContext } from '../../src/agent/executors/executor.ts';
import { createPortageExecutor } from '../../src/agent/executors/portage-executor.ts';
import { type RootAccess, withRoot } from '../../src/agent/executors/root-access.ts';
import { JobLog } from '../../src/agent/job-log.ts';
import { JobTraces } from '../../src/agent/job-traces.ts';
import { LimitWatch } from '../../src/agent/limit-watch.ts';
import { ServerConnection } from '../../src/agent/server-connection.ts';
import { CcacheRelay } from '../../src/agent/sharing/ccache-relay.ts';
import { systemClock } from '../../src/support/clock.ts';
import { silentLog } from '../../src/support/log.ts';
import { killGroup, run, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { LIMITS, testProfile } from './jobs.ts';

const folder = temporaryFolder();
let count = 0;

async function freshRoot(): Promise<string> {
  count += 1;
  const root = join(folder, `root-${count}`);
  await mkdir(join(root, 'etc/portage'), { recursive: true });
  return root;
}

function lockOf(root: string): string {
  return join(root, 'var/lib/portage/rookery.lock');
}

async function jobIn(root: string, jobId: string, signal: AbortSignal): Promise<JobContext> {
  const place = join(folder, `${jobId}-${count}`);
  await mkdir(place);
  const log = new JobLog(join(place, 'log'));
  return {
    lease: {
      jobId,
      requestId: 'r',
      attempt: 1,
      expiresAt: 0,
      profile: testProfile({ buildRoot: { kind: 'prefix', path: root } }),
      limits: LIMITS,
      stagingPath: '/staging/j/',
      work: { kind: 'plan', atoms: ['a/b'], rebuild: false, resolve: [], anew: [], sync: false },
    },
    folder: place,
    log,
    limits: new LimitWatch({ limits: LIMITS, log, folder: place }),
    traces: new JobTraces(place),
    signal,
    sharing: {
      relay: new CcacheRelay({ server: 'http://127.0.0.1:1', token: 't', log: silentLog() }),
      folder: place,
      compiler: null,
    },
    connection: new ServerConnection({
      server: 'http://127.0.0.1:1',
      token: 't',
      agent: 'a',
      log: silentLog(),
    }),
    server: 'http://127.0.0.1:1',
    publicKey: '',
    environment: toolEnvironment(),
    cores: 1,
    clock: systemClock,
  };
}

async function rootOf(job: JobContext): Promise<RootAccess> {
  return await withRoot(job.lease.profile.buildRoot, job, async (root) => root);
}

async function isFree(root: string): Promise<boolean> {
  const command = ['flock', '-n', lockOf(root), 'true'];
  return (await run(command, { env: toolEnvironment() })).exitCode === 0;
}

async function waitsIn(job: JobContext): Promise<string> {
  return await poll('a note that the job waits', async () => {
    const log = await readFile(job.log.path, 'utf8');
    return log.includes('waits for the build root') ? log : undefined;
  });
}

const never = new AbortController().signal;

describe('a build root', () => {
  it('is held by one job, the next waits, says for whom, and goes on after it', async () => {
    const path = await freshRoot();
    const [one, two] = [await jobIn(path, 'one', never), await jobIn(path, 'two', never)];
    const root = await rootOf(one);
    const done: string[] = [];
    let second: Promise<void> | undefined;
    await whileRootIsHeld(root, one, async () => {
      second = whileRootIsHeld(root, two, async () => {
        done.push('two');
      });
      expect(await waitsIn(two)).toContain(
        `waits for the build root ${path}, held by the agent process ${process.pid} for one.`,
      );
      done.push('one');
    });
    await second;
    expect(done).toEqual(['one', 'two']);
    expect(await isFree(path)).toBe(true);
  });

  it('that another process holds makes a job wait, and lets it go when it has to end', async () => {
    const path = await freshRoot();
    await mkdir(join(path, 'var/lib/portage'), { recursive: true });
    const command = ['flock', '-x', lockOf(path), 'sleep', '60'];
    const holder = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
    try {
      await poll('the lock is taken', async () => ((await isFree(path)) ? undefined : true));
      const cancel = new AbortController();
      const job = await jobIn(path, 'waiting', cancel.signal);
      const waiting = createPortageExecutor().execute(job);
      expect(await waitsIn(job)).toContain('held by another process');
      cancel.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'job-stopped' });
      expect(await isFree(path)).toBe(false);
    } finally {
      killGroup(holder, 'SIGKILL');
    }
  });

  it('is held by the build too, and free again when the job is over, whatever that has left running', async () => {
    const path = await freshRoot();
    const job = await jobIn(path, 'daemon', never);
    const script = 'readlink /proc/$$/fd/3; cd / && setsid sleep 60 & echo "daemon $! ."';
    await whileRootIsHeld(await rootOf(job), job, async (lock) => {
      const env = toolEnvironment();
      const options = { ...job, cwd: job.folder, env, keptOpen: lock };
      await runBuildProcess(['sh', '-c', script], options);
    });
    const text = await readFile(job.log.path, 'utf8');
    expect(text).toContain(`${lockOf(path)}\n`);
    const daemon = Number(/daemon (\d+) \./.exec(text)?.[1]);
    expect(await isFree(path)).toBe(true);
    process.kill(daemon, 'SIGKILL');
  });
});
