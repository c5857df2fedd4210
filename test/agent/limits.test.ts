import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { codeOf } from '../../src/agent/executors/failure-code.ts';
import { JobLog } from '../../src/agent/job-log.ts';
import { LimitWatch, spaceBelow } from '../../src/agent/limit-watch.ts';
import { isRunning, processMark } from '../../src/agent/process-marks.ts';
import { runAgent } from '../../src/agent/run-agent.ts';
import type { BuildLimits } from '../../src/gentoo/build-limits.ts';
import { sleep } from '../../src/support/clock.ts';
import type { Log } from '../../src/support/log.ts';
import { poll } from '../support/poll.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BuildServer, type ServedJob } from './build-server.ts';
import { LIMITS, packFolder, SAMPLE, scriptRecipe, sourceLease } from './jobs.ts';

jest.setTimeout(120_000);

const folder = temporaryFolder();
const source = await packFolder(join(SAMPLE, 'recipes'));
let count = 0;
let server: BuildServer;
let stop: AbortController;
let life: Promise<void>;

beforeEach(async () => {
  count += 1;
  stop = new AbortController();
  life = Promise.resolve();
  server = new BuildServer(join(folder, `server-${count}`));
  await server.start();
});

afterEach(async () => {
  stop.abort();
  await life;
  await server.kill();
});

function startAgent(log: Log = recordedLog().log): void {
  life = runAgent({
    server: server.url,
    token: server.token,
    name: 'builder-1',
    workFolder: join(folder, `agent-${count}`),
    slots: 1,
    log,
    signal: stop.signal,
  });
  life.catch(() => undefined);
}

function addJob(build: readonly string[], limits: Partial<BuildLimits> = {}): ServedJob {
  const lease = sourceLease('limited', scriptRecipe(build), source);
  return server.addJob({ ...lease, limits: { ...LIMITS, ...limits } }, source);
}

async function resultOf(job: ServedJob): Promise<NonNullable<ServedJob['result']>> {
  return await poll('the result', () => job.result, 60_000);
}

async function markOf(job: ServedJob): Promise<string> {
  const pid = await poll('the child', () => /child (\d+) \./.exec(String(job.log))?.[1]);
  return processMark(Number(pid)) ?? '';
}

const SLEEPER = 'sleep 300 & echo "child $! ."';

describe('a build that takes more than it may', () => {
  it.each<[string, Partial<BuildLimits>, string[], RegExp]>([
    ['silence', { silenceMs: 3000 }, [SLEEPER, 'wait'], /nothing to its log .* "silence" is 3s/],
    [
      'time',
      { runMs: 4000 },
      [SLEEPER, 'while :; do echo x; sleep 0.1; done'],
      /ran for [^ ]+: its limit "run" is 4s/,
    ],
    [
      'log',
      { logBytes: 100_000 },
      [SLEEPER, 'yes "a line of log"'],
      /wrote .* of log: its limit "log-mib" is 100000 bytes/,
    ],
    [
      'disk',
      { diskBytes: 3_000_000 },
      ['head -c 5000000 /dev/urandom > big', SLEEPER, 'wait'],
      /filled .* of the disk: its limit "disk-gib" is 2.9 MiB/,
    ],
  ])(
    '%s is ended with all its processes, and says which limit it was',
    async (_what, limits, lines, words) => {
      const job = addJob(lines, limits);
      startAgent();
      const child = await markOf(job);
      const result = await resultOf(job);
      expect(result).toMatchObject({ outcome: 'failed', code: 'limit-exceeded' });
      expect(result.reason).toMatch(words);
      expect(isRunning(child)).toBe(false);
      expect(String(job.log)).toMatch(words);
    },
  );

  it('is not what a build is that waits for its root', async () => {
    const log = new JobLog(join(folder, `paused-${count}`));
    const limits = new LimitWatch({
      limits: { ...LIMITS, silenceMs: 2000, runMs: 2000 },
      log,
      folder: join(folder, 'none'),
    });
    const over = new AbortController();
    const watched = limits.follow(over.signal);
    await limits.paused(async () => {
      await sleep(2500);
    });
    over.abort();
    await watched;
    expect(limits.measured.silenceMs).toBeLessThan(2000);
    log.close();
  });
});

describe('a build that keeps to its limits', () => {
  it('tells what it took', async () => {
    const job = addJob(['head -c 2000000 /dev/urandom > big', 'sleep 1.2']);
    startAgent();
    const { outcome, measured } = await resultOf(job);
    expect(outcome).toBe('succeeded');
    expect(measured?.silenceMs).toBeGreaterThanOrEqual(500);
    expect(measured?.logBytes).toBeGreaterThan(50);
    expect(measured?.diskBytes).toBeGreaterThanOrEqual(2_000_000);
  });

  it('is measured by the blocks of its files, each once', async () => {
    const place = join(folder, 'space');
    await mkdir(join(place, 'a/b'), { recursive: true });
    await writeFile(join(place, 'a/b/file'), Buffer.alloc(1_000_000, 'x'));
    const bytes = await spaceBelow(place);
    expect(bytes).toBeGreaterThanOrEqual(1_000_000);
    expect(bytes).toBeLessThan(1_100_000);
    expect(await spaceBelow(join(place, 'none'))).toBe(0);
  });
});

/** What emerge says of a binary package, with what comes between. */
function binary(...lines: readonly string[]): string {
  const begin = '>>> Emerging binary (1 of 2) dev-libs/lib-1.0::overlay';
  const end = '>>> Failed to emerge dev-libs/lib-1.0, Log file:';
  return `${[begin, ' * Fetching in the background:', ...lines, '', '', end].join('\n')}\n`;
}

describe('what a failed build says', () => {
  it.each([
    [binary('HTTP request sent, awaiting response... No data received.'), 1, 'fetch-failed'],
    [binary('Connecting to farm:8700... failed: Connection refused.'), 1, 'fetch-failed'],
    [binary('!!! Invalid binary package: the signature is not valid'), 1, 'build-failed'],
    [binary('>>> Extracting info', 'tar: broken'), 1, 'build-failed'],
    ['ld: final link failed: No space left on device\n', 1, 'disk-full'],
    ['c++: fatal error: Killed signal terminated program cc1plus\n', 1, 'out-of-memory'],
    [
      "  process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)\n",
      1,
      'out-of-memory',
    ],
    ['make: *** [x.o] Error 1\n', 137, 'out-of-memory'],
    ["!!! Couldn't download 'x-1.tar.xz'. Aborting.\n", 1, 'fetch-failed'],
    [' * Fetch failed for app-misc/x-1, Log file:\n', 1, 'fetch-failed'],
    ["x.c:1:1: error: expected ';'\nmake: *** [x.o] Error 1\n", 2, 'build-failed'],
  ])('%j with %i is %s', (tail, exitCode, code) => {
    expect(codeOf(tail, exitCode)).toBe(code);
  });

  it('comes with the code of the machine when it is the machine', async () => {
    const job = addJob(['echo "ld: final link failed: No space left on device"', 'exit 1']);
    startAgent();
    expect(await resultOf(job)).toMatchObject({ outcome: 'failed', code: 'disk-full' });
  });
});

describe('an agent that cannot make a folder for a job', () => {
  it('says so, and what is wrong with the machine', async () => {
    startAgent();
    await poll('a registration', () => (server.agents.length > 0 ? true : undefined));
    const jobs = join(folder, `agent-${count}`, 'jobs');
    await rm(jobs, { recursive: true });
    await writeFile(jobs, '');
    const job = addJob([]);
    const result = await resultOf(job);
    expect(result).toMatchObject({ outcome: 'failed', code: 'agent-error' });
    expect(result.reason).toContain('ENOTDIR');
  });
});

describe('an agent that gets no jobs', () => {
  it('says why once, and that it gets some again', async () => {
    const { log, lines } = recordedLog();
    server.idle = { state: 'taken-out', reason: '3 packages failed on it.' };
    startAgent(log);
    await poll('two questions', () =>
      server.calls.filter((call) => call.startsWith('lease')).length > 2 ? true : undefined,
    );
    server.idle = undefined;
    const job = addJob([]);
    expect((await resultOf(job)).outcome).toBe('succeeded');
    const said = lines().filter(({ msg }) => msg.startsWith('this agent gets'));
    expect(said).toMatchObject([
      { msg: 'this agent gets no jobs, it is taken-out', reason: '3 packages failed on it.' },
      { msg: 'this agent gets jobs again' },
    ]);
  });
});
