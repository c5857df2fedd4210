import { copyFile, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { openDatabase } from '../../src/database/database.ts';
import { type DatabaseRebuild, rebuildDatabase } from '../../src/rebuild.ts';
import { systemClock } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import { runProgram } from '../cli/run-program.ts';
import { makePackage } from '../repository/make-package.ts';
import { LiveServer, PROFILES, stopLiveServersAfterEach } from '../support/live-server.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
stopLiveServersAfterEach();

async function rebuild(server: LiveServer): Promise<DatabaseRebuild> {
  return await rebuildDatabase(server.config, systemClock, () => undefined);
}

/** Everything below /binhost by every name, and the API about it: status, headers, bytes. */
async function answers(server: LiveServer): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const root = join(server.config.paths.mirrorRoot, 'binhost');
  const urls = (await pathsBelow(root)).map((path) => `/binhost/${path}`);
  for (const profile of PROFILES) {
    const packages = `/api/profiles/${profile}/packages?limit=1000`;
    urls.push(packages, `${packages}&channel=testing`, `${packages}&channel=stable`);
    urls.push(`/profiles/${profile}`);
    for (const channel of ['testing', 'stable']) {
      urls.push(`/api/profiles/${profile}/channels/${channel}`);
    }
    for (const { id } of JSON.parse(await server.call('GET', packages)).packages) {
      urls.push(`/api/packages/${id}`, `/packages/${id}`);
    }
  }
  for (const url of urls) {
    const response = await fetch(`${server.url}${url}`, { redirect: 'manual' });
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

async function fillRepository(server: LiveServer): Promise<void> {
  await server.push('web', 'app-misc/one-1.0');
  await server.push('web', 'app-misc/one-1.0', 1_767_000_900);
  await server.push('web', 'dev-libs/two-2.0-r1');
  await server.push('db', 'app-misc/one-1.0');
  for (const profile of PROFILES) {
    const channels = `/api/profiles/${profile}/channels`;
    await server.call('POST', `${channels}/testing/publish`, { reason: 'first "words"' });
    await server.call('POST', `${channels}/stable/promote`, { reason: 'it works', force: true });
  }
  const needy = { metadata: { RDEPEND: 'dev-libs/none' } };
  await server.pushFile('web', await makePackage(server.folder, 'dev-libs/two-2.1', needy));
  const web = '/api/profiles/web/channels';
  const check = await server.call('GET', `${web}/testing/check?contents=newest`);
  const allow = JSON.parse(check).findings.map(({ id }: { id: string }) => id);
  await server.call('POST', `${web}/testing/publish`, { reason: 'second', allow });
  await server.call('POST', `${web}/stable/promote`, { reason: 'again', force: true });
  await server.call('POST', `${web}/stable/rollback`, { reason: '502s' });
}

it('gives a database with which every URL answers as before', async () => {
  const server = await LiveServer.create(join(folder, 'whole'));
  await server.start();
  await fillRepository(server);
  const before = await answers(server);
  const shown = JSON.parse(await server.call('GET', '/api/profiles/web/channels/testing'));
  expect(shown.allowed).toEqual([expect.objectContaining({ reason: 'second' })]);
  const events = JSON.stringify(JSON.parse(await server.call('GET', '/api/tokens')));
  await expect(rebuild(server)).rejects.toMatchObject({
    code: 'database-locked',
  });
  await server.stop();
  const path = join(server.config.paths.state, 'rookery.sqlite');
  const old = await openDatabase(path, systemClock);
  await old
    .updateTable('build_ids')
    .set({ last_build_id: 40 })
    .where('cpv', '=', 'app-misc/one-1.0')
    .execute();
  await old.destroy();
  const steps: string[] = [];

  const report = await rebuildDatabase(server.config, systemClock, ({ stage, done, total }) => {
    steps.push(`${stage} ${done === total}`);
  });

  expect(report).toMatchObject({
    packages: 5,
    publications: 7,
    snapshots: 3,
    damaged: 0,
    tokens: 2,
    faults: [],
    kept: expect.stringMatching(/^rookery\.sqlite\.before-\d{8}T\d{9}Z$/),
  });
  expect(steps).toContain('packages true');
  expect(steps.at(-1)).toBe('publications true');
  await server.start();
  expect(await answers(server)).toEqual(before);
  expect(Object.keys(before).length).toBeGreaterThan(50);
  expect(JSON.stringify(JSON.parse(await server.call('GET', '/api/tokens')))).toBe(events);
  await server.push('web', 'app-misc/one-1.0', 1_767_001_000);
  const list = await server.call('GET', '/api/profiles/web/packages?search=app-misc/one');
  expect(JSON.parse(list).packages.map(({ buildId }: { buildId: number }) => buildId)).toEqual([
    41, 2, 1,
  ]);
});

it('gives back what was signed again as it was', async () => {
  const server = await LiveServer.create(join(folder, 'resigned'));
  await server.start();
  await server.push('web', 'app-misc/one-1.0');
  const channels = '/api/profiles/web/channels';
  await server.call('POST', `${channels}/testing/publish`, { reason: 'first' });
  await server.call('POST', `${channels}/stable/promote`, { reason: 'it works', force: true });
  await server.call('POST', '/api/keys/rotate', { kind: 'primary', now: true, resign: true });
  await poll('the signing again', async () => {
    const { resign } = JSON.parse(await server.call('GET', '/api/keys/resign'));
    return resign.state === 'done' || undefined;
  });
  const before = await answers(server);
  await server.stop();

  const report = await rebuild(server);
  expect(report).toMatchObject({ packages: 2, publications: 4, damaged: 0, faults: [] });
  await server.start();
  expect(await answers(server)).toEqual(before);
  const { packages } = JSON.parse(await server.call('GET', '/api/profiles/web/packages?limit=9'));
  const origins = await Promise.all(
    packages.map(
      async ({ id }: { id: string }) =>
        JSON.parse(await server.call('GET', `/api/packages/${id}`)).origin,
    ),
  );
  expect(origins).toContainEqual(expect.stringMatching(/^resign:pkg-/));
  await server.stop();
});

it('needs nothing of a database that is lost or past reading, and keeps what there was', async () => {
  const server = await LiveServer.create(join(folder, 'lost'));
  await server.start();
  await fillRepository(server);
  const before = await answers(server);
  await server.stop();
  const { state } = server.config.paths;
  await rm(join(state, 'rookery.sqlite'));
  await rm(join(state, 'pool'), { recursive: true });

  const lost = await rebuild(server);

  expect(lost).toMatchObject({ packages: 5, publications: 7, tokens: 0, kept: null });
  expect((await namesIn(state)).filter((name) => name.startsWith('rookery'))).toEqual([
    'rookery.sqlite',
  ]);
  await server.start();
  expect(await answers(server)).toEqual(before);
  await server.stop();
  await writeFile(join(state, 'rookery.sqlite'), 'this is no database, '.repeat(1000));
  await writeFile(join(state, 'rookery.sqlite-wal'), 'and this is no log of one');

  const broken = await rebuild(server);

  expect(broken.faults).toEqual([expect.objectContaining({ code: 'history-lost' })]);
  const kept = join(state, broken.kept ?? '');
  expect(await readFile(kept, 'utf8')).toMatch(/^this is no database/);
  expect(await readFile(`${kept}-wal`, 'utf8')).toBe('and this is no log of one');
  await server.start();
  expect(await answers(server)).toEqual(before);
});

it('knows a package in quarantine, and takes its bytes back afterwards', async () => {
  const server = await LiveServer.create(join(folder, 'quarantined'));
  await server.start();
  await fillRepository(server);
  const { mirrorRoot, state } = server.config.paths;
  const path = 'app-misc/one/one-1.0-2.gpkg.tar';
  const file = join(mirrorRoot, 'binhost', 'web', 'packages', path);
  const copy = join(server.folder, 'copy.gpkg.tar');
  await copyFile(file, copy);
  const bytes = await readFile(file);
  bytes[1500] = (bytes[1500] ?? 0) ^ 0xff;
  await writeFile(file, bytes, { flag: 'r+' });
  await server.call('POST', '/api/repository/check', { deep: true });
  const damaged = await poll('the check to end', async () => {
    const { packages } = JSON.parse(await server.call('GET', '/api/profiles/web/damaged'));
    return packages.length > 0 && !(await exists(file)) ? packages : undefined;
  });
  const before = await answers(server);
  await server.stop();
  await rm(join(state, 'rookery.sqlite'));

  expect(await rebuild(server)).toMatchObject({ packages: 4, damaged: 1, publications: 7 });

  await server.start();
  expect(await answers(server)).toEqual(before);
  expect(JSON.parse(await server.call('GET', '/api/profiles/web/damaged')).packages).toEqual([
    { ...damaged[0], since: expect.any(Number), reason: expect.stringContaining('SHA-512') },
  ]);
  expect((await server.push('web', 'app-misc/one-1.0', 1_767_002_000)).buildId).toBe(3);
  expect(await server.pushFile('web', copy)).toMatchObject({ id: damaged[0].id });
  expect(await readFile(file)).toEqual(await readFile(copy));
});

it('says what it could not take over, and takes nothing that was not imported here', async () => {
  const server = await LiveServer.create(join(folder, 'faults'));
  await server.start();
  await fillRepository(server);
  await server.stop();
  const { mirrorRoot, state } = server.config.paths;
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

  const { faults, packages: count } = await rebuild(server);
  const commanded = await runProgram(['repository', 'rebuild'], {
    parts: {
      rebuild: async ({ onProgress }) =>
        await rebuildDatabase(server.config, systemClock, onProgress),
    },
  });
  expect(commanded.code).toBe(1);
  expect(commanded.stdout).toMatch(
    /^The database is new: 4 packages \(\S+ KiB\), 5 publications, /,
  );
  expect(commanded.stdout).toMatch(/The old database is kept as rookery\.sqlite\.before-\S+\.\n/);
  expect(commanded.stdout).toContain('[package-at-wrong-path]');
  expect(commanded.stderr).toMatch(/5 things could not be taken over.* \[rebuild-incomplete\]\n$/);

  expect(count).toBe(4);
  expect(faults.map(({ code, subject }) => `${code} ${subject}`).toSorted()).toEqual([
    'package-at-wrong-path package:web/app-misc/one/one-1.0-9.gpkg.tar',
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
