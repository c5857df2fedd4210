import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { checkViewSchema } from '../../src/protocol/repository.ts';
import { type ProgramResult, runProgram } from '../cli/run-program.ts';
import { LiveServer, stopLiveServersAfterEach } from '../support/live-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
stopLiveServersAfterEach();

async function run(server: LiveServer, ...words: string[]): Promise<ProgramResult> {
  return await runProgram(words, {
    env: { ROOKERY_SERVER: server.url, ROOKERY_TOKEN_FILE: server.tokenFile },
    cwd: server.folder,
  });
}

it('is commanded and followed from the command line, and a lost package comes back by a push', async () => {
  const server = await LiveServer.create(join(folder, 'commanded'));
  await server.start();
  const one = await server.push('web', 'app-misc/one-1.0');
  await server.push('web', 'app-misc/two-1.0');
  await server.call('POST', '/api/profiles/web/channels/testing/publish', { reason: '' });
  const sound = await run(server, 'repository', 'check', '--deep');
  expect([sound.code, sound.stdout]).toEqual([
    0,
    expect.stringMatching(
      /^Looked at 2 packages and 1 publication, read 2 files \(\S+ KiB\) in .*\neverything is as it should be\n$/,
    ),
  ]);
  const file = join(server.config.paths.mirrorRoot, 'binhost', 'web', 'packages', one.path);
  const copy = join(server.folder, 'from-a-node.gpkg.tar');
  await copyFile(file, copy);
  const bytes = await readFile(file);
  bytes[1500] = (bytes[1500] ?? 0) ^ 0xff;
  await writeFile(file, bytes, { flag: 'r+' });
  const url = `${server.url}/binhost/web/testing/${one.path}`;
  expect((await fetch(url)).status).toBe(200);

  const found = await run(server, 'repository', 'check', '--deep', '--all', '--json');

  expect(found.code).toBe(1);
  expect(found.stderr).toContain('[repository-damaged]');
  expect(checkViewSchema.parse(JSON.parse(found.stdout))).toMatchObject({
    state: 'done',
    deep: true,
    actor: 'token:first-admin',
    findings: 1,
    report: {
      counts: { 'file-damaged': 1 },
      findings: [{ subject: `package:web/${one.path}`, outcome: 'damaged' }],
    },
  });
  expect((await fetch(url)).status).toBe(404);
  const page = await (await fetch(`${server.url}/packages/${one.id}`)).text();
  expect(page).toContain('Nodes cannot fetch this package.');
  const channel = await (await fetch(`${server.url}/profiles/web/testing`)).text();
  expect(channel).toContain(`href="/packages/${one.id}">app-misc/one-1.0</a>: Its SHA-512`);
  const detail = JSON.parse(await server.call('GET', `/api/packages/${one.id}`));
  expect(detail.damaged).toMatch(/^Its SHA-512/);

  const pushed = await run(server, 'package', 'push', 'web', copy);

  expect([pushed.code, pushed.stderr]).toEqual([0, expect.any(String)]);
  const response = await fetch(url);
  expect(Buffer.from(await response.arrayBuffer())).toEqual(await readFile(copy));
  expect(response.headers.get('last-modified')).not.toBeNull();
  expect(await (await fetch(`${server.url}/packages/${one.id}`)).text()).not.toContain('Damaged');
  expect((await run(server, 'repository', 'check')).code).toBe(0);
});

it('goes on in the background, can be cancelled, and refuses what is not there', async () => {
  const server = await LiveServer.create(join(folder, 'background'));
  await server.start();
  const cancelled = await run(server, 'repository', 'check', '--cancel');
  expect([cancelled.code, cancelled.stderr]).toEqual([
    1,
    expect.stringContaining('No check of the repository is under way. [check-not-running]'),
  ]);
  const events = await fetch(`${server.url}/api/repository/check/events`);
  expect(events.status).toBe(409);
  const begun = await run(server, 'repository', 'check', '--background');
  expect([begun.code, begun.stdout]).toEqual([0, 'The check has begun.\n']);
  const text = await (await fetch(`${server.url}/api/repository/check/events`)).text();
  expect(text).toMatch(/^data: \{"state":.*\n\nevent: end\ndata: \{\}\n\n$/s);
  const last = JSON.parse(await server.call('GET', '/api/repository/check'));
  expect(last.check).toMatchObject({ state: 'done', deep: false, maxAgeDays: 30 });
  const refused = await fetch(`${server.url}/api/repository/check`, { method: 'POST' });
  expect(refused.status).toBe(401);
});
