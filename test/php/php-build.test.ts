import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runAgent } from '../../src/agent/run-agent.ts';
import { readPhpBinary } from '../../src/phptree/read-php.ts';
import { leaseSchema } from '../../src/protocol/agents.ts';
import { type RequestDetail, requestDetailSchema } from '../../src/protocol/builds.ts';
import { phpTreeDetailSchema } from '../../src/protocol/php.ts';
import { systemClock } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { namesIn } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { runProgram } from '../cli/run-program.ts';
import { LiveServer, stopLiveServersAfterEach } from '../support/live-server.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectPhp } from './inspect-php.ts';
import { standInExtension, standInPhp, type Tarball } from './stand-in-php.ts';

/** Builds its packages with Portage; its trees are built without. */
const PROFILE = `
description = "A profile of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "portage"
channels = ["testing", "stable"]
`;
const WRONG = 'ab'.repeat(32);
const { version } = await readPhpBinary('/usr/bin/php8.2');
const root = temporaryFolder();
let folder = '';
let server: LiveServer;
let php: Tarball;
let stop = new AbortController();
let agent: Promise<void> | undefined;

afterEach(async () => {
  stop.abort();
  await agent;
  agent = undefined;
});
stopLiveServersAfterEach();
beforeEach(async () => {
  folder = join(root, newId('farm'));
  await mkdir(join(folder, 'profiles/gentoo'), { recursive: true });
  await writeFile(join(folder, 'profiles/gentoo/profile.toml'), PROFILE);
  await mkdir(join(folder, 'profiles/rooted'));
  const rooted = `${PROFILE}build-root = { kind = "chroot", path = "/srv/rooted" }\n`;
  await writeFile(join(folder, 'profiles/rooted/profile.toml'), rooted);
  server = await LiveServer.create(folder);
  await server.start();
  php = await standInPhp(folder);
});

async function startAgent(): Promise<void> {
  const token = await readFile(join(server.config.paths.state, 'tokens/builder.token'), 'utf8');
  stop = new AbortController();
  agent = runAgent({
    server: server.url,
    token: token.trim(),
    name: 'b1',
    workFolder: join(folder, 'b1'),
    slots: 1,
    log: silentLog(),
    signal: stop.signal,
  });
}

async function rookery(...words: readonly string[]) {
  const access = ['--server', server.url, '--token-file', server.tokenFile];
  return await runProgram([...words, ...access], {
    cwd: folder,
    env: { TMPDIR: folder },
    parts: { clock: systemClock },
  });
}

async function build(...words: readonly string[]) {
  return await rookery('php', 'build', ...words, '--tarball', php.file, '--sha256', php.sha256);
}

async function refused(...words: readonly string[]): Promise<string> {
  const { code, stderr } = await build(...words);
  expect(code).not.toBe(0);
  return stderr;
}

/** Serves one file under every path. */
async function serveFile(file: string): Promise<{ readonly url: string; close(): void }> {
  const bytes = await readFile(file);
  const web = createServer((_request, response) => response.end(bytes));
  const port = await freePort();
  web.listen(port, '127.0.0.1');
  await once(web, 'listening');
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      web.close();
      web.closeAllConnections();
    },
  };
}

async function detailOf(id: string): Promise<RequestDetail> {
  return requestDetailSchema.parse(JSON.parse(await server.call('GET', `/api/requests/${id}`)));
}

/** What a job shows of itself, and that nothing of it is a package. */
async function expectSeenAsJob(id: string): Promise<void> {
  const { requests } = JSON.parse(await server.call('GET', '/api/requests?profile=gentoo'));
  const { jobs } = await detailOf(requests[0].id);
  expect(jobs).toMatchObject([
    { state: 'succeeded', executor: 'source', because: `It becomes the PHP tree ${id}.` },
  ]);
  const job = jobs[0];
  const log = await server.call('GET', `/api/jobs/${job?.id}/log`);
  expect(log).toContain(`--prefix=/opt/php/${id}`);
  expect(log).toContain(`The server has it as ${id}.`);
  expect(await server.call('GET', `/requests/${requests[0].id}`)).toContain(id);
  expect(await server.call('GET', `/jobs/${job?.id}`)).toContain(`dev-lang/php-${version}`);
  expect((await rookery('build', 'history')).stdout).toContain(`dev-lang/php-${version}`);
  const packages = JSON.parse(await server.call('GET', '/api/profiles/gentoo/packages'));
  expect(packages.total).toBe(0);
}

describe('rookery php build', () => {
  it('has PHP, its module of Apache and an extension built for their place, and imports that', async () => {
    await startAgent();
    const extension = await standInExtension(folder);
    const shelf = await serveFile(extension.file);
    const more = `tokenizer=${shelf.url}/pecl/tokenizer-1.0.tgz?token=secret,${extension.sha256}`;
    const options = ['--with', '--enable-intl --with-zlib=/usr', '--apache', '--extension', more];
    const id = `${version}-gentoo-r1`;

    const { code, stdout, stderr } = await build(
      'gentoo',
      version,
      ...options,
      '--publish',
      'testing',
    );
    shelf.close();
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    expect(stdout).toContain(`It becomes the PHP tree ${id}.`);

    const path = `/api/profiles/gentoo/php/trees/${id}`;
    const tree = phpTreeDetailSchema.parse(JSON.parse(await server.call('GET', path)));
    expect(tree).toMatchObject({
      kind: 'build',
      agent: 'b1',
      sources: [
        { name: 'php.tar.gz', sha256: php.sha256 },
        { name: `${shelf.url}/pecl/tokenizer-1.0.tgz`, sha256: extension.sha256 },
      ],
      php: version,
      api: '20220829',
      sapis: ['cli', 'fpm', 'apache'],
      channels: ['testing'],
    });
    expect(tree.extensions).toEqual(expect.arrayContaining(['ctype', 'tokenizer', 'Core']));
    const served = join(server.config.paths.mirrorRoot, 'php/gentoo');
    expect(readdirSync(join(served, id, 'lib/extensions'))).toEqual(['ctype.so', 'tokenizer.so']);
    const publicKeys = readFileSync(
      join(server.config.paths.mirrorRoot, 'keys/rookery.asc'),
      'utf8',
    );
    expect(await inspectPhp(served, { publicKeys, clock: systemClock })).toEqual([]);
    expect(readdirSync(join(server.config.paths.state, 'uploads'))).toEqual([]);
    await expectSeenAsJob(id);
  });

  it('gives no id twice, whatever becomes of the build, and says what failed', async () => {
    await startAgent();

    expect(await refused('web', version, '--with', '--with-broken')).toContain(
      'configure: error: Package requirements (broken >= 1) were not met',
    );
    expect(await refused('web', '8.2.999')).toContain(`is PHP ${version}, and not 8.2.999`);
    const { stdout } = await rookery('php', 'import', 'web', '/', '--version', '8.2', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ tree: { revision: 2 } });
    expect((await build('web', version)).stdout).toContain(`${version}-web-r3`);
  });

  it('has the agent look at the digests again', async () => {
    await startAgent();
    const tar = join(folder, 'sources.tar');
    await mkdir(join(folder, 'image'));
    await writeFile(join(folder, 'image/php'), await readFile(php.file));
    await runChecked(['tar', '-cf', tar, '-C', folder, 'image'], { env: toolEnvironment() });
    const bytes = await readFile(tar);
    const wanted = { version, tarball: { name: 'php.tar.gz', sha256: WRONG } };
    const query = new URLSearchParams({
      sha512: digestOf('sha512', bytes),
      build: JSON.stringify(wanted),
    });

    const { id } = JSON.parse(
      await server.call('POST', `/api/profiles/web/php/builds?${query.toString()}`, bytes),
    );
    const ended = await poll('the end of the request', async () => {
      const detail = await detailOf(id);
      return detail.finishedAt === null ? undefined : detail;
    });
    expect(ended.state).toBe('failed');
    expect(ended.reason).toContain('image/php: FAILED');
  });

  it('refuses what cannot be built before it sends anything', async () => {
    const wrong = ['--tarball', php.file, '--sha256', WRONG];
    const differs = (await rookery('php', 'build', 'web', version, ...wrong)).stderr;
    expect(differs).toContain('[php-source-differs]');
    expect(differs).toContain(php.sha256);
    expect(await refused('nothing', version)).toContain('[unknown-profile]');
    expect(await refused('web', version, '--publish', 'nowhere')).toContain('[unknown-channel]');
    expect(await refused('rooted', version)).toContain('[build-root-unsupported]');
    expect(await refused('web', '8.2')).toContain('[php-build-invalid]');
    for (const options of ['--prefix=/usr', "--with-x=';reboot'", '--enable-$HOME', 'CC=evil']) {
      expect(await refused('web', version, '--with', options)).toContain('[php-build-invalid]');
    }
    expect(await refused('web', version, '--extension', 'redis')).toContain('[php-build-invalid]');
    for (const name of ['uploads', 'sources', 'php']) {
      expect(await namesIn(join(server.config.paths.state, name))).toEqual([]);
    }
  });

  it('takes a tree only for a job that builds one, and no success without it', async () => {
    const asked = ['--no-wait', '--json'];
    const { id } = JSON.parse((await build('web', version, ...asked)).stdout);
    const description = { name: 'b2', chost: 'x86_64-pc-linux-gnu', cpuFlags: [], cores: 1 };
    const machine = { memoryBytes: 2 ** 30, portageVersion: null, executors: ['source'] };
    await server.call('POST', '/api/agent/register', { ...description, ...machine });
    const leased = await server.call('POST', '/api/agent/lease', { agent: 'b2', waitMs: 5000 });
    const lease = leaseSchema.parse(JSON.parse(leased));
    expect(lease).toMatchObject({ requestId: id, work: { tree: { id: `${version}-web-r1` } } });
    const job = `/api/agent/jobs/${lease.jobId}`;
    const attempt = 'agent=b2&attempt=1';
    const bytes = Buffer.from('no tree');
    const upload = `${attempt}&sha512=${digestOf('sha512', bytes)}`;

    await expect(
      server.call('POST', `${job}/result?${attempt}`, { outcome: 'succeeded' }),
    ).rejects.toThrow('result-missing');
    await expect(server.call('PUT', `${job}/package?${upload}`, bytes)).rejects.toThrow(
      'job-takes-no-package',
    );
    await expect(server.call('PUT', `${job}/tree?${upload}`, bytes)).rejects.toThrow(/: 4\d\d /);
    expect(await namesIn(join(server.config.paths.state, 'uploads'))).toEqual([]);
  });
});
