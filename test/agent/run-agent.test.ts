import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { runAgent } from '../../src/agent/run-agent.ts';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { type VerifiedPackage, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { readMetadata } from '../../src/binpkg/metadata.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BuildServer, type ServedJob } from './build-server.ts';
import { packFolder, sampleRecipe, scriptRecipe, sourceLease } from './jobs.ts';
import { StagingBinhost } from './staging-binhost.ts';

jest.setTimeout(120_000);

const folder = temporaryFolder();
const emptySource = await packFolder(join(import.meta.dirname, '../../scripts/sample/recipes'));

interface RunningAgent {
  readonly workFolder: string;
  stop(): Promise<void>;
}

let count = 0;
let server: BuildServer;
let agents: RunningAgent[];

beforeEach(async () => {
  count += 1;
  agents = [];
  server = new BuildServer(join(folder, `server-${count}`));
  await server.start();
});

afterEach(async () => {
  for (const agent of agents) {
    await agent.stop();
  }
  await server.kill();
});

function startAgent(options: { slots?: number; passEnvironment?: string[] } = {}): RunningAgent {
  const workFolder = join(folder, `agent-${count}`);
  const stop = new AbortController();
  const life = runAgent({
    server: server.url,
    token: server.token,
    name: 'builder-1',
    workFolder,
    slots: options.slots ?? 1,
    log: silentLog(),
    signal: stop.signal,
    passEnvironment: options.passEnvironment ?? [],
  });
  life.catch(() => undefined);
  const agent = {
    workFolder,
    stop: async () => {
      stop.abort();
      await life;
    },
  };
  agents.push(agent);
  return agent;
}

function addScript(
  jobId: string,
  build: readonly string[],
  install?: readonly string[],
): ServedJob {
  return server.addJob(sourceLease(jobId, scriptRecipe(build, install), emptySource), emptySource);
}

async function resultOf(job: ServedJob): Promise<NonNullable<ServedJob['result']>> {
  return await poll(`the result of ${job.lease.jobId}`, () => job.result, 60_000);
}

async function verified(job: ServedJob): Promise<VerifiedPackage> {
  const source = await openByteSource(job.package ?? '');
  try {
    return await verifyGpkg(source, { listFiles: true });
  } finally {
    await source.close();
  }
}

async function jobFolders(agent: RunningAgent): Promise<string[]> {
  return await readdir(join(agent.workFolder, 'jobs'));
}

async function isGone(agent: RunningAgent): Promise<void> {
  await poll('the job folder is gone', async () =>
    (await jobFolders(agent)).length === 0 ? true : undefined,
  );
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}

async function logged(job: ServedJob, pattern: RegExp): Promise<string> {
  return await poll(`${String(pattern)} in the log`, () => pattern.exec(String(job.log))?.[1]);
}

describe('an agent with the source executor', () => {
  it('builds the sample library and hands in a complete package with its log', async () => {
    const { recipe, source } = await sampleRecipe('librookery-1.0');
    const job = server.addJob(sourceLease('lib', recipe, source), source);

    const agent = startAgent();
    const result = await resultOf(job);

    expect(`${result.outcome} ${result.reason ?? ''}`).toBe('succeeded ');
    const found = await verified(job);
    expect(found.image.files).toEqual(['usr/include/rookery.h', 'usr/lib/librookery.so.1.0']);
    const { text } = readMetadata(found.metadata);
    expect(text).toMatchObject({
      CATEGORY: 'dev-libs',
      PF: 'librookery-1.0',
      SLOT: '0/1',
      EAPI: '8',
      CHOST: 'x86_64-pc-linux-gnu',
      CFLAGS: '-O2 -pipe',
      CXXFLAGS: '-O2 -pipe -fno-plt',
      PROVIDES: 'x86_64: librookery.so.1',
      DEFINED_PHASES: '-',
      SIZE: String(found.image.installedBytes),
      repository: 'rookery',
    });
    expect([...found.metadata.keys()]).toEqual(
      expect.arrayContaining(['environment.bz2', 'librookery-1.0.ebuild', 'NEEDED.ELF.2', 'USE']),
    );
    expect(text).not.toHaveProperty('RDEPEND');
    expect(String(job.log)).toMatch(/-O2 -pipe -fPIC -shared[^]*Uploading the package/);
    await isGone(agent);
  });

  it('unpacks what the recipe depends on from the staging binhost, and binds its slot', async () => {
    const staging = await StagingBinhost.make(
      join(folder, `staging-${count}`),
      join(folder, `keys-${count}`),
    );
    server.stagingFolder = staging.folder;
    startAgent();
    const lib = await sampleRecipe('librookery-1.0');
    const library = server.addJob(sourceLease('lib', lib.recipe, lib.source), lib.source);
    expect((await resultOf(library)).outcome).toBe('succeeded');
    await staging.add(library.package ?? '');

    const hello = await sampleRecipe('rookery-hello-1.0');
    const job = server.addJob(sourceLease('hello', hello.recipe, hello.source), hello.source);
    const result = await resultOf(job);

    expect(`${result.outcome} ${result.reason ?? ''}`).toBe('succeeded ');
    const { text } = readMetadata((await verified(job)).metadata);
    expect(text).toMatchObject({
      DEPEND: 'dev-libs/librookery:0/1=',
      RDEPEND: 'dev-libs/librookery:0/1=',
      REQUIRES: 'x86_64: libc.so.6 librookery.so.1',
    });
  });

  it('describes the machine when it registers', async () => {
    startAgent();
    const [description] = await poll('a registration', () =>
      server.agents.length > 0 ? server.agents : undefined,
    );
    expect(description?.name).toBe('builder-1');
    expect(description?.executors).toContain('source');
    expect(description?.chost).toMatch(/^\w+-.*linux/);
    expect(description?.cores).toBeGreaterThan(0);
  });

  it('sees nothing of the environment of the agent but what was named', async () => {
    process.env['ROOKERY_TEST_SECRET'] = 'hunter2';
    process.env['ROOKERY_TEST_GIVEN'] = 'given-value';
    const job = addScript(
      'env',
      ['env > "$S/seen"'],
      ['mkdir -p "$D/usr"', 'cp "$S/seen" "$D/usr"'],
    );

    startAgent({ passEnvironment: ['ROOKERY_TEST_GIVEN'] });
    await resultOf(job);

    const image = join(folder, `image-${count}`);
    await unpackImage(job, image);
    const seen = readFileSync(join(image, 'usr/seen'), 'utf8');
    expect(seen).toContain('ROOKERY_TEST_GIVEN=given-value');
    expect(seen).toContain('CFLAGS=-O2 -pipe\n');
    expect(seen).not.toContain('hunter2');
    expect(seen).not.toContain('rky_test');
    const { metadata } = await verified(job);
    const saved = await runChecked(['bzip2', '-dc'], {
      env: toolEnvironment(),
      input: metadata.get('environment.bz2') ?? '',
    });
    expect(String(saved.stdout)).toContain('declare -x PF="script-1"');
    expect(String(saved.stdout)).not.toContain('hunter2');
    expect(String(saved.stdout)).not.toContain('given-value');
  });

  it('gives the reason of a build that fails, keeps its log, and goes on with the next job', async () => {
    const bad = addScript('bad', ['echo about to fail', 'false', 'echo not reached']);
    const agent = startAgent();
    const result = await resultOf(bad);
    expect(result).toMatchObject({ outcome: 'failed', code: 'build-failed' });
    expect(result.reason).toContain('about to fail');
    expect(String(bad.log)).not.toContain('not reached\n+');
    expect(bad.package).toBeUndefined();

    const good = addScript('good', []);
    expect((await resultOf(good)).outcome).toBe('succeeded');
    await isGone(agent);
  });

  it('refuses a source whose digest is not the one of the job', async () => {
    const job = server.addJob(
      sourceLease('forged', scriptRecipe([]), Buffer.from('something else')),
      emptySource,
    );
    startAgent();
    expect(await resultOf(job)).toMatchObject({ code: 'source-digest-mismatch' });
  });

  it('refuses an image with nothing in it', async () => {
    const job = addScript('nothing', [], ['true']);
    startAgent();
    expect(await resultOf(job)).toMatchObject({ outcome: 'failed', code: 'image-empty' });
  });
});

describe('a build that has ended', () => {
  it('leaves nothing running that it has started', async () => {
    const job = addScript('leftover', [
      '(cd /; trap "" TERM HUP; while :; do sleep 0.2; done) & echo "child $! ."',
    ]);
    startAgent();
    expect((await resultOf(job)).outcome).toBe('succeeded');
    const child = Number(await logged(job, /child (\d+) \./));
    await poll('the child is gone', () => (isAlive(child) ? undefined : true));
  });
});

describe('an agent whose job is taken away', () => {
  const LINGER = [
    // One child in the group, one that has left it.
    '(cd /; trap "" TERM; while :; do sleep 0.2; done) & echo "child $! ."',
    'setsid sh -c \'trap "" TERM; while :; do sleep 0.2; done\' & echo "stray $! ."',
    'wait',
  ];

  it('ends every process of a cancelled build and says so', async () => {
    const job = addScript('cancelled', LINGER);
    const agent = startAgent();
    const child = Number(await logged(job, /child (\d+) \./));
    const stray = Number(await logged(job, /stray (\d+) \./));
    expect([isAlive(child), isAlive(stray)]).toEqual([true, true]);

    job.command = 'cancel';
    expect((await resultOf(job)).outcome).toBe('cancelled');

    expect([isAlive(child), isAlive(stray)]).toEqual([false, false]);
    await isGone(agent);
  });

  it('drops the work when its lease is lost, and takes the next job', async () => {
    const job = addScript('lost', LINGER);
    const agent = startAgent();
    const child = Number(await logged(job, /child (\d+) \./));

    job.state = 'ended';
    await poll('the build is gone', () => (isAlive(child) ? undefined : true));
    const next = addScript('next', []);

    expect((await resultOf(next)).outcome).toBe('succeeded');
    expect(server.calls).toContain('result next');
    expect(server.calls).not.toContain('result lost');
    await isGone(agent);
  });

  it('gives its job back and leaves no process and no folder when it is stopped itself', async () => {
    const job = addScript('stopped', LINGER);
    const agent = startAgent();
    const child = Number(await logged(job, /child (\d+) \./));
    await agent.stop();
    expect(isAlive(child)).toBe(false);
    expect(await jobFolders(agent)).toEqual([]);
    expect(existsSync(join(agent.workFolder, 'agent.pid'))).toBe(false);
    expect(job.result).toEqual({ outcome: 'cancelled', reason: 'The agent was stopped.' });
  });
});

describe('an agent whose server is away for a while', () => {
  it('builds on, and delivers log and package when the server is back', async () => {
    const go = join(folder, `go-${count}`);
    const job = addScript('restart', [
      'echo before',
      `while ! [ -e ${go} ]; do sleep 0.05; done`,
      'i=0; while [ $i -lt 2000 ]; do echo "line $i of the log"; i=$((i+1)); done',
    ]);
    startAgent();
    await logged(job, /(before)/);

    await server.kill();
    await runChecked(['touch', go], { env: toolEnvironment() });
    const stopped = server.jobs.get('restart')?.log.length ?? 0;
    await server.start();

    expect((await resultOf(job)).outcome).toBe('succeeded');
    expect(job.attempt).toBe(1);
    expect(job.log.length).toBeGreaterThan(stopped);
    const lines = String(job.log).match(/^line \d+ of the log$/gm) ?? [];
    expect(lines).toEqual(Array.from({ length: 2000 }, (_, i) => `line ${i} of the log`));
    expect((await verified(job)).image.files).toEqual(['usr/x']);
  });

  it('repeats an upload that broke off in the middle', async () => {
    const job = addScript(
      'upload',
      [],
      ['mkdir -p "$D/usr"', 'head -c 8000000 /dev/urandom > "$D/usr/big"'],
    );
    let broken = 0;
    server.intercept = async (what, request) => {
      if (what !== 'package' || broken > 0) {
        return false;
      }
      broken += 1;
      let size = 0;
      for await (const piece of request) {
        size += Buffer.byteLength(piece);
        if (size > 1_000_000) {
          await server.kill();
          await server.start();
          return true;
        }
      }
      return true;
    };
    startAgent();

    expect((await resultOf(job)).outcome).toBe('succeeded');
    expect(broken).toBe(1);
    expect(job.uploads).toBe(1);
    expect((await verified(job)).image.files).toEqual(['usr/big']);
  });

  it('sends the log again from where the server has lost it', async () => {
    const go = join(folder, `go-${count}`);
    const job = addScript('gap', ['echo first', `while ! [ -e ${go} ]; do sleep 0.05; done`]);
    startAgent();
    await logged(job, /(first)\n\+/);
    job.log = job.log.subarray(0, 10);
    await runChecked(['touch', go], { env: toolEnvironment() });
    await resultOf(job);
    expect(String(job.log)).toMatch(/^>>> Building app-misc\/script-1[^]*first\n\+ [^]*Uploading/);
  });

  it('waits for a server that is not there yet', async () => {
    await server.kill();
    startAgent();
    const job = addScript('late', []);
    await server.start();
    expect((await resultOf(job)).outcome).toBe('succeeded');
  });
});

describe('an agent that is not wanted', () => {
  it('ends with a sentence when its token is refused', async () => {
    const life = runAgent({
      server: server.url,
      token: 'rky_wrong',
      name: 'builder-1',
      workFolder: join(folder, `agent-${count}`),
      slots: 2,
      log: silentLog(),
      signal: new AbortController().signal,
    });
    await expect(life).rejects.toMatchObject({
      code: 'agent-refused',
      message: expect.stringContaining('valid token'),
    });
  });

  it.each(['ftp://farm', 'farm:8700', 'farm', ''])(
    'does not start for the server "%s"',
    async (url) => {
      const life = runAgent({
        server: url,
        token: 'rky_test',
        name: 'builder-1',
        workFolder: join(folder, `agent-${count}`),
        slots: 1,
        log: silentLog(),
        signal: AbortSignal.timeout(5000),
      });
      await expect(life).rejects.toMatchObject({
        code: 'server-url-invalid',
        message: expect.stringContaining(`"${url}" is not the URL of a server`),
      });
    },
  );

  it('does not share its work folder', async () => {
    const agent = startAgent();
    await poll('a registration', () => (server.agents.length > 0 ? true : undefined));
    const mark = await readFile(join(agent.workFolder, 'agent.pid'), 'utf8');
    expect(mark).toMatch(new RegExp(`^${process.pid} \\d+$`));
  });
});

describe('an agent with two slots', () => {
  it('does two jobs at once', async () => {
    const meet = join(folder, `meet-${count}`);
    const lines = (mine: string, other: string): string[] => [
      `mkdir -p ${meet}`,
      `touch ${meet}/${mine}`,
      `while ! [ -e ${meet}/${other} ]; do sleep 0.05; done`,
    ];
    const one = addScript('one', lines('one', 'two'));
    const two = addScript('two', lines('two', 'one'));
    startAgent({ slots: 2 });
    expect((await resultOf(one)).outcome).toBe('succeeded');
    expect((await resultOf(two)).outcome).toBe('succeeded');
  });
});

async function unpackImage(job: ServedJob, into: string): Promise<void> {
  const found = await verified(job);
  const { name, offset, size } = found.imageMember;
  expect(name).toBe('image.tar.zst');
  const script = `mkdir -p "$2" && tail -c +${offset + 1} "$1" | head -c ${size} | zstd -dc | tar -x -C "$2" --strip-components=1`;
  await runChecked(['sh', '-c', script, 'sh', job.package ?? '', into], { env: toolEnvironment() });
}
