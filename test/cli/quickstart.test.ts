import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parse } from 'smol-toml';
import {
  type ChildProgram,
  lastLines,
  startChild,
} from '../../src/cli/quickstart/child-program.ts';
import { binrepoSection } from '../../src/cli/quickstart/farewell.ts';
import {
  connectToServer,
  type Launch,
  runningServer,
  startServerChild,
} from '../../src/cli/quickstart/running-farm.ts';
import { createSteps } from '../../src/cli/quickstart/steps.ts';
import {
  chooseExecutor,
  prepareWorkFolder,
  workFolderAt,
} from '../../src/cli/quickstart/work-folder.ts';
import { renderClientScript } from '../../src/http/client-script.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { AppError } from '../../src/support/errors.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { recordedOutput } from './recorded-output.ts';
import { runProgram } from './run-program.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();
const children: ChildProgram[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    await child.stop();
  }
});

const nothing = new AbortController().signal;

describe('the steps', () => {
  it('are numbered, and end with their outcome and duration', async () => {
    const { output, stderr } = recordedOutput();
    const clock = new ManualClock();
    const steps = createSteps({ output, clock }, nothing, 2);
    const result = await steps.run(
      'start the server',
      async () => {
        clock.advance(1234);
        return 7;
      },
      (value) => `port ${value}`,
    );
    expect(result).toBe(7);
    expect(stderr()).toBe('[1/2] start the server\n      ok port 7 (1.2 s)\n');
  });

  it('name themselves when they fail', async () => {
    const steps = createSteps({ output: recordedOutput().output, clock: systemClock }, nothing, 2);
    const failing = steps.run(
      'build',
      async () => {
        throw new AppError('request-failed', 'make ended with 2.');
      },
      () => '',
    );
    await expect(failing).rejects.toMatchObject({
      code: 'quickstart-step-failed',
      message: 'Step 1 of 2, "build", failed: make ended with 2.',
    });
  });

  it('fail with the reason why everything is stopped, not with what that did to them', async () => {
    const stop = new AbortController();
    const { output } = recordedOutput();
    const steps = createSteps({ output, clock: systemClock }, stop.signal, 2);
    const broken = steps.run(
      'build',
      async () => {
        stop.abort(new AppError('program-ended', 'The agent ended with exit code 1.'));
        throw new Error('socket hang up');
      },
      () => '',
    );
    await expect(broken).rejects.toMatchObject({
      message: 'Step 1 of 2, "build", failed: The agent ended with exit code 1.',
    });
  });
});

describe('the work folder', () => {
  it('holds the profiles of the project with the executor of this machine, and the recipes', async () => {
    const root = await project();
    const work = workFolderAt(join(root, '.quickstart'));
    await prepareWorkFolder(work, root, 'portage');
    expect(readToml(join(work.profiles, 'base/profile.toml'))).toEqual({
      abstract: true,
      executor: 'portage',
      'build-root': { kind: 'prefix', path: join(work.roots, '{profile}') },
    });
    expect(readToml(join(work.profiles, 'web/profile.toml'))).toEqual({
      extends: 'base',
      cflags: '-O3',
    });
    expect(readToml(join(work.profiles, 'base/recipes/x-1.toml'))).toEqual({
      cpv: 'a/x-1',
      source: { folder: join(root, 'scripts/sample/src/x') },
      install: ['true'],
    });
    expect(readdirSync(join(work.profiles, 'web'))).toEqual(['profile.toml', 'sets']);
    expect(readToml(work.config)).toMatchObject({ http: { port: 8700, 'next-free-port': true } });
  });

  it('is written anew each time, and its state stays', async () => {
    const root = await project();
    const work = workFolderAt(join(root, '.quickstart'));
    await prepareWorkFolder(work, root, 'portage');
    mkdirSync(work.state);
    writeFileSync(join(work.state, 'rookery.sqlite'), 'precious');
    writeFileSync(join(work.profiles, 'left-over'), '');
    await prepareWorkFolder(work, root, 'source');
    expect(readToml(join(work.profiles, 'base/profile.toml'))).toMatchObject({
      executor: 'source',
      'build-root': { kind: 'host' },
    });
    expect(readdirSync(work.profiles)).toEqual(['base', 'web']);
    expect(readFileSync(join(work.state, 'rookery.sqlite'), 'utf8')).toBe('precious');
  });

  it('chooses Portage only where emerge can be run', async () => {
    const bin = await mkdtemp(join(folder, 'bin-'));
    expect(chooseExecutor(`/nonexistent:${bin}`)).toBe('source');
    writeFileSync(join(bin, 'emerge'), '#!/bin/sh\n', { mode: 0o644 });
    expect(chooseExecutor(`/nonexistent:${bin}`)).toBe('source');
    writeFileSync(join(bin, 'emerge2'), '', { mode: 0o755 });
    mkdirSync(join(bin, 'there'));
    writeFileSync(join(bin, 'there/emerge'), '#!/bin/sh\n', { mode: 0o755 });
    expect(chooseExecutor(`/nonexistent:${join(bin, 'there')}`)).toBe('portage');
  });
});

/** A stand-in for the server: writes its note as the real one does, then listens until it is told to stop. */
const STAND_IN = `
  const { createServer } = require('node:http');
  const { mkdirSync, writeFileSync } = require('node:fs');
  const server = createServer((request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1', () => {
    mkdirSync('state/tokens', { recursive: true });
    writeFileSync('state/tokens/admin.token', 'rky_admin\\n');
    const url = 'http://127.0.0.1:' + server.address().port;
    writeFileSync('state/server.json', JSON.stringify({ url, pid: process.pid }));
    console.log('listening');
  });
  process.on('SIGTERM', () => process.exit(0));
`;

async function launchOf(program: string): Promise<Launch> {
  const work = workFolderAt(await mkdtemp(join(folder, 'farm-')));
  const file = join(work.folder, 'program.cjs');
  writeFileSync(file, program);
  return { work, program: [process.execPath, file], clock: systemClock, signal: nothing };
}

describe('the server as a child', () => {
  it('is waited for, found running, and gone after stop', async () => {
    const launch = await launchOf(STAND_IN);
    expect(await runningServer(launch.work)).toBeUndefined();
    const server = await startServerChild(launch);
    children.push(server);
    const client = await connectToServer(server, launch);
    expect(await runningServer(launch.work)).toBe(client.url);
    await server.stop();
    expect(() => process.kill(server.pid ?? 0, 0)).toThrow('ESRCH');
    expect(await runningServer(launch.work)).toBeUndefined();
    expect(await lastLines(server.logFile, 5)).toEqual(['listening']);
  });

  it('that ends before it listens fails the wait, and its last words are kept', async () => {
    const launch = await launchOf('console.error("the port is gone"); process.exit(3);');
    const server = await startServerChild(launch);
    children.push(server);
    await expect(connectToServer(server, launch)).rejects.toMatchObject({
      code: 'program-ended',
      message: 'The server ended with exit code 3.',
    });
    expect(await lastLines(server.logFile, 1)).toEqual(['the port is gone']);
  });

  it('takes what it started along when it is killed', async () => {
    const pidFile = join(folder, 'grandchild.pid');
    const child = await startChild({
      name: 'agent',
      command: ['sh', '-c', `trap '' TERM; sleep 600 & echo $! > ${pidFile}; wait`],
      cwd: folder,
      logFile: join(folder, 'agent.log'),
    });
    children.push(child);
    const pid = await poll('the grandchild', () => {
      const text = readFileSync(pidFile, { encoding: 'utf8', flag: 'a+' }).trim();
      return text === '' ? undefined : Number(text);
    });
    child.kill();
    await child.stop();
    await poll('the grandchild to be gone', () => (isRunning(pid) ? undefined : true));
  });

  it('is not taken for running because another process has its address by now', async () => {
    const server = await startFarmServer();
    server.answer('GET /healthz', { status: 'ok' });
    const launch = await launchOf('');
    const gone = await startServerChild(launch);
    await gone.stop();
    mkdirSync(launch.work.state);
    const note = { url: server.url, pid: gone.pid };
    writeFileSync(join(launch.work.state, 'server.json'), JSON.stringify(note));
    expect(await runningServer(launch.work)).toBeUndefined();
    writeFileSync(join(launch.work.state, 'server.json'), '{"url":');
    expect(await runningServer(launch.work)).toBeUndefined();
  });

  it('names the first step when its folder cannot be made', async () => {
    writeFileSync(join(folder, 'a-file'), '');
    const result = await runProgram(['quickstart', '--once', '--folder', join(folder, 'a-file/x')]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /rookery: Step 1 of 7, "prepare .*", failed: .* \[quickstart-step-failed\]\n$/,
    );
  });

  it('cannot be started twice for the same folder', async () => {
    const server = await startFarmServer();
    server.answer('GET /healthz', { status: 'ok' });
    const work = workFolderAt(await mkdtemp(join(folder, 'twice-')));
    mkdirSync(work.state);
    const note = { url: server.url, pid: process.pid };
    writeFileSync(join(work.state, 'server.json'), JSON.stringify(note));
    const result = await runProgram(['quickstart', '--once', '--folder', work.folder]);
    expect(result).toEqual({
      code: 1,
      stdout: '',
      stderr: `rookery: A quickstart is running in ${work.folder} already: see ${server.url} [quickstart-running]\n`,
    });
    expect(readdirSync(work.folder)).toEqual(['state']);
  });
});

describe('the client configuration that is shown', () => {
  it('is what the setup script writes', async () => {
    const signer = await openSigner({
      folder: join(folder, 'signing'),
      name: 'Farm',
      email: 'farm@example.org',
      validDays: 10,
      clock: systemClock,
    });
    const uri = 'http://127.0.0.1:8700/binhost/web-v3/stable';
    const script = renderClientScript({
      profile: 'web-v3',
      channel: 'stable',
      uri,
      server: 'https://farm.example.org',
      publicKey: signer.publicKey,
      fingerprint: signer.primaryFingerprint,
    });
    writeFileSync(join(folder, 'setup.sh'), script);
    const root = join(folder, 'root');
    mkdirSync(join(root, 'etc/portage'), { recursive: true });
    writeFileSync(join(root, 'etc/portage/binrepos.conf'), '');
    const env = toolEnvironment();
    await runChecked(['sh', join(folder, 'setup.sh'), '--root', root], { env });
    const written = readFileSync(join(root, 'etc/portage/binrepos.conf'), 'utf8').split('\n');
    expect(written.filter((line) => line !== '' && !line.startsWith('#'))).toEqual(
      binrepoSection('web-v3', uri),
    );
  });
});

async function project(): Promise<string> {
  const root = await mkdtemp(join(folder, 'project-'));
  const write = (path: string, text: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write(
    'profiles/base/profile.toml',
    'abstract = true\nexecutor = "portage"\ngentoo-profile = "x"\n[build-root]\nkind = "host"\n',
  );
  write('profiles/web/profile.toml', 'extends = "base"\ncflags = "-O3"\nexecutor = "source"\n');
  write('profiles/web/sets/web', 'app-misc/rookery-web\n');
  write(
    'scripts/sample/recipes/x-1.toml',
    'cpv = "a/x-1"\nsource.folder = "../src/x"\ninstall = ["true"]\n',
  );
  return root;
}
function readToml(path: string): unknown {
  return parse(readFileSync(path, 'utf8'));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
