import { mkdirSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load-config.ts';
import { type Server, startServer } from '../../src/server.ts';
import { silentLog } from '../../src/support/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const DAY_MS = 86_400_000;
const EXPIRES_SOON =
  'the signing key expires soon; extend it and bring the new public key to the nodes';
const folder = temporaryFolder();
let server: Server | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function readiness(url: string): Promise<unknown> {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, body: await response.json() };
}

it('housekeeping tells of the end of the key while the server runs, and clears away what is left over', async () => {
  mkdirSync(join(folder, 'profiles'));
  mkdirSync(join(folder, 'state/staging/req-x-job-x-1'), { recursive: true });
  const env = {
    ROOKERY_HTTP_PORT: '0',
    ROOKERY_SIGNING_VALID_DAYS: '31',
    ROOKERY_HOUSEKEEPING_SCHEDULE: '* * * * * *',
  };
  const clock = new ManualClock();
  const { log, lines } = recordedLog();
  const logged = async (message: string): Promise<void> => {
    await poll(`the log line "${message}"`, async () =>
      lines().some(({ msg }) => msg === message) ? true : undefined,
    );
  };

  server = await startServer(await loadConfig({ env, cwd: folder }), log, clock);
  const { url } = server;
  await logged('signing key made');
  await logged('housekeeping done');
  expect(await readdir(join(folder, 'state/staging'))).toEqual([]);
  expect(lines().some(({ msg }) => msg === EXPIRES_SOON)).toBe(false);

  clock.advance(2 * DAY_MS);
  await logged(EXPIRES_SOON);
  expect(await readiness(url)).toEqual({ status: 200, body: { ready: true, reasons: [] } });

  clock.advance(29 * DAY_MS);
  await logged('the signing key has expired');
  expect(await readiness(url)).toEqual({
    status: 503,
    body: {
      ready: false,
      reasons: [expect.stringContaining('expired at 2026-02-02T03:04:05.000Z')],
    },
  });
});

it('a passphrase that is configured later protects the key that is there', async () => {
  const farm = join(folder, 'later');
  mkdirSync(join(farm, 'profiles'), { recursive: true });
  writeFileSync(join(farm, 'passphrase'), 'correct horse\n');
  const start = async (more: Record<string, string>): Promise<Server> => {
    const env = { ROOKERY_HTTP_PORT: '0', ...more };
    return await startServer(await loadConfig({ env, cwd: farm }), silentLog(), new ManualClock());
  };
  const withPassphrase = { ROOKERY_SIGNING_PASSPHRASE_FILE: 'passphrase' };
  await (await start({})).stop();
  await (await start(withPassphrase)).stop();

  await expect(start({})).rejects.toMatchObject({ code: 'signing-key-locked' });
  await (await start(withPassphrase)).stop();
});
