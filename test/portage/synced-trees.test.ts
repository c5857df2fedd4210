import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  jobDetailSchema,
  type RequestDetail,
  requestDetailSchema,
} from '../../src/protocol/builds.ts';
import { scheduledRunSchema } from '../../src/protocol/schedules.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { poll } from '../support/poll.ts';
import { TestServer } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { endOf, logsOf } from './portage-farm.ts';

const [title, isSkipped] = portageSuite('schedules that sync the tree with real Portage');
const SLOW_MS = 600_000;
jest.setTimeout(SLOW_MS);

const folder = temporaryFolder();
/** Where the tree comes from, and the repository that Portage syncs from. */
const work = join(folder, 'work');
const upstream = join(folder, 'upstream.git');
/** The builder's own. */
const tree = join(folder, 'tree');

const EBUILD = `EAPI=8
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
src_install() {
  insinto /usr/share
  newins - text <<< "\${PV}"
}
`;

let server: TestServer;
let agent: ReturnType<TestServer['agent']>;
let builder: GentooPrefix;

async function runGit(...words: readonly string[]): Promise<void> {
  await runChecked(['git', ...words], { env: toolEnvironment(), timeoutMs: 60_000 });
}

async function git(...words: readonly string[]): Promise<void> {
  const who = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org'];
  await runGit(...who, '-C', work, ...words);
}

async function release(version: string): Promise<void> {
  await writeFile(join(work, `app-misc/text/text-${version}.ebuild`), EBUILD);
  await git('add', '.');
  await git('commit', '-q', '-m', `Version ${version}`);
  await git('push', '-q', upstream, 'HEAD:main');
}

async function makeTree(): Promise<void> {
  await runGit('init', '-q', '--bare', '-b', 'main', upstream);
  await makeOverlay(work, { 'app-misc/text/text-1.ebuild': EBUILD });
  await git('init', '-q', '-b', 'main');
  await release('1');
  await runGit('clone', '-q', upstream, tree);
  builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay: tree });
  const lab = ['[lab]', `location = ${tree}`, 'sync-type = git', `sync-uri = file://${upstream}`];
  // A checkout of Portage has a repository `gentoo` of its own, which would be fetched from the network.
  const other = ['[gentoo]', `location = ${join(folder, 'gentoo')}`, 'auto-sync = no'];
  await writeFile(
    join(builder.folder, 'etc/portage/repos.conf/lab.conf'),
    ['[DEFAULT]', 'main-repo = lab', ...lab, ...other, ''].join('\n'),
  );
}

async function writeProfile(): Promise<void> {
  const schedule = ['cron = "0 3 1 1 *"', 'time-zone = "UTC"', 'do = "request"'];
  const text = ['atoms = ["app-misc/text"]', ''];
  await mkdir(join(folder, 'profiles/web'), { recursive: true });
  await writeFile(
    join(folder, 'profiles/web/profile.toml'),
    [
      'arch = "amd64"',
      'chost = "x86_64-pc-linux-gnu"',
      'cflags = "-O2"',
      'executor = "portage"',
      '[build-root]',
      'kind = "prefix"',
      `path = "${builder.folder}"`,
      '[schedule.as-it-is]',
      ...schedule,
      ...text,
      '[schedule.synced]',
      'sync = true',
      ...schedule,
      ...text,
    ].join('\n'),
  );
}

/** Once the run before is known to have ended. Returns the request. */
async function begin(schedule: string): Promise<string> {
  return await poll(`a run of ${schedule}`, async () => {
    const { status, body } = await server.call('POST', `/api/schedules/web/${schedule}/run`);
    return status === 202 ? (scheduledRunSchema.parse(body).requestId ?? undefined) : undefined;
  });
}

async function detailOf(id: string): Promise<RequestDetail> {
  return requestDetailSchema.parse((await server.call('GET', `/api/requests/${id}`)).body);
}

async function planIs(id: string, state: string): Promise<void> {
  await poll(
    `the plan to be ${state}`,
    async () => (await detailOf(id)).jobs[0]?.state === state || undefined,
    SLOW_MS,
  );
}

/** How it ended, with the logs of its jobs. */
async function ended(id: string): Promise<{ built: readonly string[]; logs: readonly string[] }> {
  const detail = await endOf(server, id, SLOW_MS);
  expect(`${detail.state} ${detail.reason ?? ''}`).toBe('done ');
  const logs = await logsOf(server, detail);
  return { built: detail.packages.map(({ cpv }) => cpv), logs };
}

(isSkipped ? describe.skip : describe)(title, () => {
  beforeAll(async () => {
    await makeTree();
    await writeProfile();
    server = await TestServer.create(folder, '[builds]\nretry-seconds = 1\n');
    await server.start();
    agent = server.agent('pre1');
    agent.start();
  });

  afterAll(async () => {
    if (!isSkipped) {
      await agent.stop();
      await server.program.stop();
    }
  });

  it('plans what came upstream only after the sync, whose output stands in the log', async () => {
    await release('2');
    const before = await ended(await begin('as-it-is'));
    expect(before.built).toEqual(['app-misc/text-1']);
    expect(before.logs.join('')).not.toContain('Syncing');
    const after = await ended(await begin('synced'));
    expect(after.built).toEqual(['app-misc/text-2']);
    expect(after.logs[0]).toContain("Syncing repository 'lab'");
  });

  it('builds on a builder with an older tree, which is synced for that', async () => {
    await release('3');
    const id = await begin('synced');
    await planIs(id, 'leased');
    await server.call('POST', '/api/profiles/web/pause', { reason: 'The plan is to be alone.' });
    await planIs(id, 'succeeded');
    await rm(tree, { recursive: true });
    await runGit('clone', '-q', upstream, tree);
    await runGit('-C', tree, 'reset', '-q', '--hard', 'HEAD~1');
    await server.call('POST', '/api/profiles/web/resume');
    const { built, logs } = await ended(id);
    expect(built).toEqual(['app-misc/text-3']);
    expect(logs[1]).toContain("Syncing repository 'lab'");
  });

  it('plans nothing with a tree that cannot be synced, and tries again', async () => {
    await release('4');
    await rename(upstream, `${upstream}.gone`);
    const id = await begin('synced');
    const failed = await poll(
      'an attempt that fails',
      async () => {
        const { jobs } = await detailOf(id);
        const { body } = await server.call('GET', `/api/jobs/${jobs[0]?.id ?? ''}`);
        const { attempts } = jobDetailSchema.parse(body);
        return attempts.find(({ finishedAt }) => finishedAt !== null);
      },
      SLOW_MS,
    );
    expect(failed).toMatchObject({
      fault: 'machine',
      code: 'sync-failed',
      reason: expect.stringMatching(/could not be synced .*does not appear to be/),
    });
    await rename(`${upstream}.gone`, upstream);
    expect((await ended(id)).built).toEqual(['app-misc/text-4']);
  });
});
