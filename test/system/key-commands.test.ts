import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServerClient } from '../../src/cli/server-client.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { type KeyList, keyListSchema } from '../../src/protocol/keys.ts';
import { type Server, startServer } from '../../src/server.ts';
import { systemClock } from '../../src/support/clock.ts';
import { silentLog } from '../../src/support/log.ts';
import { type ProgramResult, runProgram } from '../cli/run-program.ts';
import { makePackage } from '../repository/make-package.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const farm = join(folder, 'farm');
let server: Server;

const PROFILE = `description = "web servers"
chost = "x86_64-pc-linux-gnu"
arch = "amd64"
cflags = "-O2"
`;

async function start(): Promise<Server> {
  const config = await loadConfig({ env: { ROOKERY_HTTP_PORT: '0' }, cwd: farm });
  return await startServer(config, silentLog(), systemClock);
}

async function key(...words: readonly string[]): Promise<ProgramResult> {
  return await runProgram(['key', ...words], {
    env: { ROOKERY_SERVER: server.url },
    cwd: farm,
    parts: { clock: systemClock },
  });
}

function known(keys: KeyList['keys']): string[] {
  return keys.map(({ fingerprint, state }) => `${fingerprint} ${state}`);
}

async function list(...words: readonly string[]): Promise<KeyList['keys']> {
  const { code, stdout, stderr } = await key(...words, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return keyListSchema.parse(JSON.parse(stdout)).keys;
}

beforeAll(async () => {
  mkdirSync(join(farm, 'profiles/web'), { recursive: true });
  writeFileSync(join(farm, 'profiles/web/profile.toml'), PROFILE);
  writeFileSync(join(folder, 'passphrase'), 'battery staple\n');
  server = await start();
});

afterAll(async () => {
  await server.stop();
});

describe('rookery key', () => {
  it('rotates, and signs again what the channels show', async () => {
    const token = readFileSync(join(farm, 'state/tokens/admin.token'), 'utf8').trim();
    const client = createServerClient({ url: server.url, token });
    const file = await makePackage(folder, 'app-misc/one-1');
    const pushed = await runProgram(['package', 'push', 'web', file], {
      env: {
        ROOKERY_SERVER: server.url,
        ROOKERY_TOKEN_FILE: join(farm, 'state/tokens/admin.token'),
      },
      cwd: farm,
    });
    expect(pushed).toMatchObject({ code: 0 });
    await client.publish('web', 'testing', { reason: 'first' });

    const [first] = await list('show');
    const rotated = await key('rotate', '--primary', '--overlap', '36h', '--reason', 'yearly');
    expect(rotated).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/next +rookery .*signs from/),
    });
    const { code, stdout } = await key('rotate', '--now', '--resign');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('Signed 1 package again.'),
    });
    const current = (await list('show')).find(({ state }) => state === 'current');
    expect(current?.fingerprint).not.toBe(first?.fingerprint);
    const shown = await client.channel('web', 'testing');
    expect(shown.current?.serial).toBe(2);
    expect((await key('resign')).stdout).toBe('Signed 0 packages again.\n');

    const exported = await key('export');
    expect(exported.stdout).toBe(readFileSync(join(farm, 'mirror-root/keys/rookery.asc'), 'utf8'));
    const checked = await runProgram(['client', 'check', 'web', 'testing'], {
      env: { ROOKERY_SERVER: server.url },
      cwd: farm,
      parts: { clock: systemClock },
    });
    expect(checked).toMatchObject({ code: 0 });
  });

  it('extends and revokes, and refuses with a reason', async () => {
    const extended = await list('extend', '--days', '3000');
    const ends = extended.map(({ expiresAt }) => (expiresAt ?? 0) - systemClock.now());
    expect(Math.min(...ends)).toBeGreaterThan(2999 * 86_400_000);
    const previous = extended.find(({ state }) => state === 'previous');
    const current = extended.find(({ state }) => state === 'current');
    expect(await key('revoke', current?.fingerprint ?? '', '--cause', 'retired')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[key-in-use]'),
    });
    const after = await list('revoke', previous?.fingerprint ?? '', '--cause', 'superseded');
    expect(after.find(({ fingerprint }) => fingerprint === previous?.fingerprint)?.state).toBe(
      'revoked',
    );
    expect(await key('rotate', '--gpg-key', 'A'.repeat(40))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[gpg-key-missing]'),
    });
    expect((await key('rotate', '--overlap', 'soon')).code).toBe(2);
    expect((await key('extend')).code).toBe(2);
  });

  it('backs up, and restores into a new installation that signs with the same key', async () => {
    const secret = ['--passphrase-file', join(folder, 'passphrase')];
    const copy = join(folder, 'keys.asc');
    expect(await key('backup', copy, ...secret)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(' has 2 keys:'),
    });
    expect((statSync(copy).mode & 0o777).toString(8)).toBe('600');
    expect(await key('backup', copy, ...secret)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[backup-file-exists]'),
    });
    expect(await key('restore', copy, ...secret, '--replace')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[server-running]'),
    });
    const before = await list('show');
    const fresh = join(folder, 'fresh');
    mkdirSync(join(fresh, 'profiles'), { recursive: true });
    const words = ['key', 'restore', copy, ...secret];
    expect(await runProgram(words, { cwd: fresh })).toMatchObject({ code: 0 });
    const config = await loadConfig({ env: { ROOKERY_HTTP_PORT: '0' }, cwd: fresh });
    const second = await startServer(config, silentLog(), systemClock);
    try {
      const { keys } = await createServerClient({ url: second.url }).keys();
      expect(known(keys)).toEqual(known(before));
    } finally {
      await second.stop();
    }
  });

  it('names what it could not sign again, and does not try for ever', async () => {
    const client = createServerClient({ url: server.url });
    const { packages } = await client.packages('web', { channel: 'testing', limit: 1, offset: 0 });
    const [one] = packages;
    appendFileSync(join(farm, 'mirror-root/binhost/web/packages', one?.path ?? ''), 'x');
    const { code, stdout, stderr } = await key('rotate', '--primary', '--now', '--resign');
    expect(code).toBe(1);
    expect(stdout).toContain(`${one?.id} stays as it is: The file of app-misc/one-1`);
    expect(stderr).toContain('[resign-incomplete]');
    const answer: unknown = await (await fetch(`${server.url}/api/keys/resign`)).json();
    expect(answer).toMatchObject({ resign: { state: 'done', error: null } });
  });
});
