import { copyFile, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { openDatabase } from '../../src/database/database.ts';
import { rebuildDatabase } from '../../src/rebuild.ts';
import { type Server, startServer } from '../../src/server.ts';
import { systemClock } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { namesIn } from '../../src/support/files.ts';
import { silentLog } from '../../src/support/log.ts';
import { makePackage } from '../repository/make-package.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const PROFILE_TOML = `
description = "A profile of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
channels = ["testing", "stable"]
`;

let running: Server | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function install(name: string): Promise<Config> {
  const own = join(folder, name);
  for (const profile of ['web', 'db']) {
    await mkdir(join(own, 'profiles', profile), { recursive: true });
    await writeFile(join(own, 'profiles', profile, 'profile.toml'), PROFILE_TOML);
  }
  const lines = ['[http]', `port = ${await freePort()}`, '[paths]'];
  for (const path of ['state', 'mirror-root', 'profiles']) {
    lines.push(`${path} = "${join(own, path)}"`);
  }
  await writeFile(join(own, 'rookery.toml'), `${lines.join('\n')}\n`);
  return await loadConfig({ file: join(own, 'rookery.toml'), env: {}, cwd: own });
}

async function start(config: Config): Promise<string> {
  running = await startServer(config, silentLog(), systemClock);
  return running.url;
}

async function stop(): Promise<void> {
  await running?.stop();
  running = undefined;
}

async function call(config: Config, method: string, path: string, body?: object) {
  const token = await readFile(join(config.paths.state, 'tokens', 'admin.token'), 'utf8');
  const response = await fetch((running?.url ?? '') + path, {
    method,
    headers: {
      authorization: `Bearer ${token.trim()}`,
      'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json',
    },
    ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }
  return text;
}

async function push(config: Config, profile: string, cpv: string, buildTime?: number) {
  const changes = { content: `${profile} ${cpv} ${buildTime}`, metadata: { RDEPEND: '\n' } };
  const file = await makePackage(
    folder,
    cpv,
    buildTime === undefined ? changes : { ...changes, buildTime },
  );
  const bytes = await readFile(file);
  const sha512 = digestOf('sha512', bytes);
  await call(config, 'PUT', `/api/profiles/${profile}/packages?sha512=${sha512}`, bytes);
}

/** Everything below /binhost by every name, and the API about it: status, headers, bytes. */
async function answers(config: Config): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const root = join(config.paths.mirrorRoot, 'binhost');
  const urls = (await pathsBelow(root)).map((path) => `/binhost/${path}`);
  for (const profile of ['web', 'db']) {
    const packages = `/api/profiles/${profile}/packages?limit=1000`;
    urls.push(packages, `${packages}&channel=testing`, `${packages}&channel=stable`);
    urls.push(`/profiles/${profile}`);
    for (const channel of ['testing', 'stable']) {
      urls.push(`/api/profiles/${profile}/channels/${channel}`);
    }
    for (const { id } of JSON.parse(await call(config, 'GET', packages)).packages) {
      urls.push(`/api/packages/${id}`, `/packages/${id}`);
    }
  }
  for (const url of urls) {
    const response = await fetch(`${running?.url}${url}`, { redirect: 'manual' });
    const { date: _, 'x-request-id': __, ...headers } = Object.fromEntries(response.headers);
    const body = Buffer.from(await response.arrayBuffer());
    found[url] = { status: response.status, headers, body: digestOf('sha512', withoutAge(body)) };
  }
  return found;
}

/** Pages say how long ago things were, refusals which request they are about. */
function withoutAge(body: Buffer): Buffer | string {
  const opening = body.subarray(0, 15).toString().toLowerCase();
  if (opening === '<!doctype html>') {
    return body.toString().replaceAll(/\d+ (?:s|min|h|d|seconds?|minutes?) ago|just now/g, '');
  }
  return opening.startsWith('{') ? body.toString().replace(/"requestId":"[^"]*"/, '') : body;
}

async function pathsBelow(root: string, path = ''): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await readdir(join(root, path))).toSorted()) {
    const below = path === '' ? name : `${path}/${name}`;
    found.push(below);
    const stats = await lstat(join(root, below));
    if (stats.isDirectory() || (stats.isSymbolicLink() && below.split('/').length < 5)) {
      found.push(...(await pathsBelow(root, below)));
    }
  }
  return found;
}

async function fillRepository(config: Config): Promise<void> {
  await push(config, 'web', 'app-misc/one-1.0');
  await push(config, 'web', 'app-misc/one-1.0', 1_767_000_900);
  await push(config, 'web', 'dev-libs/two-2.0-r1');
  await push(config, 'db', 'app-misc/one-1.0');
  for (const profile of ['web', 'db']) {
    const channels = `/api/profiles/${profile}/channels`;
    await call(config, 'POST', `${channels}/testing/publish`, { reason: 'first "words"' });
    await call(config, 'POST', `${channels}/stable/promote`, { reason: 'it works' });
  }
  await push(config, 'web', 'dev-libs/two-2.1');
  const web = '/api/profiles/web/channels';
  await call(config, 'POST', `${web}/testing/publish`, { reason: 'second' });
  await call(config, 'POST', `${web}/stable/promote`, { reason: '' });
  await call(config, 'POST', `${web}/stable/rollback`, { reason: '502s' });
}

it('gives a database with which every URL answers as before', async () => {
  const config = await install('whole');
  await start(config);
  await fillRepository(config);
  const before = await answers(config);
  const events = JSON.stringify(JSON.parse(await call(config, 'GET', '/api/tokens')));
  await expect(rebuildDatabase(config, systemClock, () => undefined)).rejects.toMatchObject({
    code: 'database-locked',
  });
  await stop();
  const steps: string[] = [];

  const report = await rebuildDatabase(config, systemClock, ({ stage, done, total }) => {
    steps.push(`${stage} ${done === total}`);
  });

  expect(report).toMatchObject({
    packages: 5,
    publications: 7,
    snapshots: 3,
    damaged: 0,
    tokens: 2,
    faults: [],
    kept: expect.stringMatching(/^rookery\.sqlite\.before-\d{8}T\d{6}Z$/),
  });
  expect(steps).toContain('packages true');
  expect(steps.at(-1)).toBe('publications true');
  await start(config);
  expect(await answers(config)).toEqual(before);
  expect(Object.keys(before).length).toBeGreaterThan(50);
  expect(JSON.stringify(JSON.parse(await call(config, 'GET', '/api/tokens')))).toBe(events);
  await push(config, 'web', 'app-misc/one-1.0', 1_767_001_000);
  const list = await call(config, 'GET', '/api/profiles/web/packages?search=app-misc/one');
  expect(JSON.parse(list).packages.map(({ buildId }: { buildId: number }) => buildId)).toEqual([
    3, 2, 1,
  ]);
});

it('needs nothing of a database that is lost or past reading, and keeps what there was', async () => {
  const config = await install('lost');
  await start(config);
  await fillRepository(config);
  const before = await answers(config);
  await stop();
  const { state } = config.paths;
  await rm(join(state, 'rookery.sqlite'));
  await rm(join(state, 'pool'), { recursive: true });

  const lost = await rebuildDatabase(config, systemClock, () => undefined);

  expect(lost).toMatchObject({ packages: 5, publications: 7, tokens: 0, kept: null });
  expect((await namesIn(state)).filter((name) => name.startsWith('rookery'))).toEqual([
    'rookery.sqlite',
  ]);
  await start(config);
  expect(await answers(config)).toEqual(before);
  await stop();
  await writeFile(join(state, 'rookery.sqlite'), 'this is no database, '.repeat(1000));
  await writeFile(join(state, 'rookery.sqlite-wal'), 'and this is no log of one');

  const broken = await rebuildDatabase(config, systemClock, () => undefined);

  expect(broken.faults).toEqual([expect.objectContaining({ code: 'history-lost' })]);
  const kept = join(state, broken.kept ?? '');
  expect(await readFile(kept, 'utf8')).toMatch(/^this is no database/);
  expect(await readFile(`${kept}-wal`, 'utf8')).toBe('and this is no log of one');
  await start(config);
  expect(await answers(config)).toEqual(before);
});

it('says what it could not take over, and takes nothing that was not imported here', async () => {
  const config = await install('faults');
  await start(config);
  await fillRepository(config);
  await stop();
  const { mirrorRoot, state } = config.paths;
  const packages = join(mirrorRoot, 'binhost', 'web', 'packages');
  await rm(join(packages, 'dev-libs/two/two-2.1-1.gpkg.tar'));
  await mkdir(join(packages, 'app-misc/foreign'));
  const foreign = await makePackage(folder, 'app-misc/foreign-1');
  await copyFile(foreign, join(packages, 'app-misc/foreign/foreign-1-1.gpkg.tar'));
  await copyFile(
    join(packages, 'app-misc/one/one-1.0-1.gpkg.tar'),
    join(packages, 'app-misc/one/one-1.0-9.gpkg.tar'),
  );
  await rm(join(state, 'publications', 'db', 'stable-1.json'));

  const { faults, packages: count } = await rebuildDatabase(config, systemClock, () => undefined);

  expect(count).toBe(4);
  expect(faults.map(({ code, subject }) => `${code} ${subject}`).toSorted()).toEqual([
    'package-misplaced package:web/app-misc/one/one-1.0-9.gpkg.tar',
    'package-not-ours package:web/app-misc/foreign/foreign-1-1.gpkg.tar',
    'publication-incomplete publication:web/stable-2',
    'publication-incomplete publication:web/testing-2',
    'publication-note-missing publication:db/stable-1',
  ]);
  const database = await openDatabase(join(state, 'rookery.sqlite'), systemClock);
  const rows = await database.selectFrom('publications').select(['channel', 'serial']).execute();
  await database.destroy();
  expect(rows).toHaveLength(5);
});
