import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load-config.ts';
import { type Server, startServer } from '../../src/server.ts';
import { silentLog } from '../../src/support/log.ts';
import { runProgram } from '../cli/run-program.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const PROFILE = 'arch = "amd64"\nchost = "x86_64-pc-linux-gnu"\ncflags = "-O2"\n';
const NIGHTLY = `[schedule.nightly]
cron = "0 4 * * *"
time-zone = "UTC"
do = "request"
atoms = ["@world"]
publish = "testing"
`;
let server: Server | undefined;

afterEach(async () => {
  await server?.stop();
});

async function page(path: string): Promise<string> {
  const response = await fetch(`${server?.url}${path}`);
  expect(response.status).toBe(200);
  return await response.text();
}

it('a server takes over a changed profile, runs its schedule, and shows what is broken', async () => {
  const file = join(folder, 'profiles/web/profile.toml');
  mkdirSync(join(folder, 'profiles/web'), { recursive: true });
  writeFileSync(file, PROFILE);
  const clock = new ManualClock();
  const env = { ROOKERY_HTTP_PORT: '0' };
  server = await startServer(await loadConfig({ env, cwd: folder }), silentLog(), clock);
  const { url } = server;
  const token = join(folder, 'state/tokens/admin.token');
  const rookery = async (...words: string[]) =>
    await runProgram([...words, '--server', url, '--token-file', token]);
  expect((await rookery('schedule', 'list')).stdout).toBe('No profile has a schedule.\n');

  writeFileSync(file, PROFILE + NIGHTLY);
  await poll('the schedule of the changed profile', async () =>
    (await rookery('schedule', 'list')).stdout.includes('nightly') ? true : undefined,
  );
  const listed = await rookery('schedule', 'list');
  expect(listed.stdout).toContain('2026-01-02 04:00:00 UTC');
  expect(await rookery('schedule', 'pause', 'web', 'nightly')).toMatchObject({ code: 0 });
  expect(await page('/schedules')).toContain('Paused');
  const resumed = await rookery('schedule', 'resume', 'web', 'nightly');
  expect(resumed.stdout).toContain('the next run: 2026-01-02 04:00:00 UTC');

  clock.advance(3_600_000);
  const started = await poll('the nightly run', async () => {
    const { stdout } = await rookery('schedule', 'list', '--json');
    return /"requestId": "(req-[^"]+)"/.exec(stdout)?.[1];
  });
  expect(await page('/schedules')).toContain(started);
  expect(await page(`/requests/${started}`)).toContain('@world');
  const again = await rookery('schedule', 'run', 'web', 'nightly');
  expect(again).toMatchObject({ code: 1 });
  expect(again.stderr).toContain('still under way');

  writeFileSync(file, `${PROFILE}cflags = "-O3"\n`);
  await poll('the broken profile on the first page', async () =>
    (await page('/')).includes('It stays what it was before') ? true : undefined,
  );
  expect(await page('/profiles/web')).toContain('Stays what it was before');
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect((await rookery('schedule', 'list')).stdout).toContain('nightly');
  const journal = await (await fetch(`${url}/api/journal?kind=profile-broken`)).text();
  expect(journal).toContain('"isKept":true');
  expect(await readFile(join(folder, 'state/profiles.json'), 'utf8')).toContain('"-O2"');
});
