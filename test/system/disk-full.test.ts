import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { requestDetailSchema, requestViewSchema } from '../../src/protocol/builds.ts';
import { publicationViewSchema } from '../../src/protocol/channels.ts';
import { digestOf } from '../../src/support/digests.ts';
import { exists } from '../../src/support/files.ts';
import { makePackage } from '../repository/make-package.ts';
import { poll } from '../support/poll.ts';
import { Program, TestServer } from '../support/rookery-process.ts';
import { SmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PROFILE = 'web';
const DISK_MIB = 48;
const KEEP_FREE_MIB = 16;
const PROFILE_TOML = `
description = "Web servers of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
channels = ["testing", "stable"]
[promotion.stable]
nodes = 0
`;
const CHANNELS = `/api/profiles/${PROFILE}/channels`;
const folder = temporaryFolder();
const place = join(folder, 'disk');
const missing = await whyNoSmallDisk(place);
const title = `a server on a full disk${missing === undefined ? '' : ` (skipped: ${missing})`}`;

/** Waits until the file `go` is there: the disk is full by then. */
function recipe(): string {
  return [
    'cpv = "app-test/waiting-1.0"',
    'description = "Is built when the disk is full"',
    `build = ["while ! test -e ${join(folder, 'go')}; do sleep 0.1; done"]`,
    'install = ["mkdir -p \\"$D/usr/share\\"", "head -c 50000 /dev/urandom > \\"$D/usr/share/waiting\\""]',
    '[source]',
    `folder = "${join(folder, 'source')}"`,
    '',
  ].join('\n');
}

async function made(cpv: string): Promise<string> {
  return await makePackage(join(folder, 'made'), cpv, { content: Buffer.alloc(90_000, cpv) });
}

(missing === undefined ? describe : describe.skip)(title, () => {
  let disk: SmallDisk;
  let server: TestServer;
  let agent: Program | undefined;

  beforeAll(async () => {
    disk = await SmallDisk.mount(place, DISK_MIB);
    const own = join(place, 'profiles', PROFILE);
    await mkdir(join(own, 'recipes'), { recursive: true });
    await mkdir(join(folder, 'source'));
    await mkdir(join(folder, 'made'));
    await writeFile(join(own, 'profile.toml'), PROFILE_TOML);
    await writeFile(join(own, 'recipes', 'waiting.toml'), recipe());
    await writeFile(join(folder, 'source', 'README'), 'nothing\n');
    server = await TestServer.create(place, '[disk]\nkeep-free-mib = 0\n');
    await server.start();
  }, 60_000);
  afterAll(async () => {
    await agent?.kill();
    await server.program.kill();
    await disk.unmount();
  });

  async function upload(
    file: string,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const bytes = await readFile(file);
    const sha512 = digestOf('sha512', bytes);
    const response = await fetch(
      `${server.url}/api/profiles/${PROFILE}/packages?sha512=${sha512}`,
      {
        method: 'PUT',
        headers: { authorization: `Bearer ${await server.token('builder')}` },
        body: bytes,
      },
    );
    return { status: response.status, body: await response.json() };
  }

  async function deed(what: string, body: Record<string, unknown> = {}): Promise<unknown> {
    const answer = await server.call('POST', `${CHANNELS}/${what}`, { reason: 'test', ...body });
    return answer.status === 201 ? publicationViewSchema.parse(answer.body).serial : answer;
  }

  async function indexOf(channel: string): Promise<string> {
    return await (await fetch(`${server.url}/binhost/${PROFILE}/${channel}/Packages`)).text();
  }

  const full = {
    status: 507,
    body: expect.objectContaining({
      code: 'disk-full',
      title: expect.stringMatching(/^The disk is full: .* could not be written to .*\./),
    }),
  };

  it('refuses what has to be written, goes on serving, and carries on without a restart', async () => {
    expect((await upload(await made('app-test/first-1'))).status).toBe(201);
    expect([await deed('testing/publish'), await deed('stable/promote')]).toEqual([1, 1]);
    expect((await upload(await made('app-test/second-1'))).status).toBe(201);
    agent = new Program(
      [
        'agent',
        '--server',
        server.url,
        '--name',
        'pre1',
        '--work',
        join(folder, 'work'),
        '--token-file',
        join(place, 'state/tokens/builder.token'),
      ],
      { cwd: folder, logFile: join(folder, 'agent.log') },
    );
    agent.start();
    const asked = await server.call('POST', '/api/requests', {
      profile: PROFILE,
      atoms: ['app-test/waiting'],
      publish: 'testing',
    });
    const { id } = requestViewSchema.parse(asked.body);
    const request = async () =>
      requestDetailSchema.parse((await server.call('GET', `/api/requests/${id}`)).body);
    await poll('the job', async () =>
      (await request()).jobs[0]?.state === 'leased' ? true : undefined,
    );
    const dropped = join(place, 'mirror-root/incoming', PROFILE, 'dropped-1.gpkg.tar');
    await copyFile(await made('app-test/dropped-1'), join(dropped, '..', '.hidden'));
    const shown = await indexOf('testing');

    await disk.fill();
    await rename(join(dropped, '..', '.hidden'), dropped);
    await writeFile(join(folder, 'go'), '');
    const late = await made('app-test/late-1');
    expect(await upload(late)).toEqual(full);
    expect(await deed('testing/publish')).toEqual(full);
    expect(await deed('stable/rollback', { serial: 1 })).toEqual(full);
    await poll('the agent to be refused', async () =>
      (await agent?.log())?.includes('The disk is full') === true ? true : undefined,
    );
    expect(await indexOf('testing')).toBe(shown);
    expect((await fetch(`${server.url}/`)).status).toBe(200);
    expect(await exists(dropped)).toBe(true);

    await disk.empty();
    expect((await upload(late)).status).toBe(201);
    const done = await poll(
      'the request to be done',
      async () => {
        const now = await request();
        return ['done', 'failed', 'cancelled'].includes(now.state) ? now : undefined;
      },
      90_000,
    );
    expect(done).toMatchObject({ state: 'done', reason: null });
    await poll('the drop folder', async () => ((await exists(dropped)) ? undefined : true), 60_000);
    expect(await deed('testing/publish')).toBe(3);
    expect(await deed('stable/promote')).toBe(2);
    expect(await deed('stable/rollback')).toBe(3);
    const index = await indexOf('testing');
    for (const name of ['first', 'second', 'late', 'dropped', 'waiting']) {
      expect(index).toContain(`CPV: app-test/${name}-1`);
    }
  }, 240_000);

  it('refuses uploads before that, and leaves room for publications and rollbacks', async () => {
    await server.program.stop();
    const config = join(place, 'server.toml');
    const settings = await readFile(config, 'utf8');
    await writeFile(config, settings.replace('= 0', `= ${KEEP_FREE_MIB}`));
    await disk.fill((KEEP_FREE_MIB / 2) * 1024 * 1024);
    await server.start();
    expect(await upload(await made('app-test/refused-1'))).toEqual({
      status: 507,
      body: expect.objectContaining({
        code: 'disk-space-low',
        title: expect.stringMatching(
          /^An upload of 0\.\d MiB was refused: [78]\.\d MiB are free in paths\.\S+, and 16 MiB /,
        ),
      }),
    });
    expect(await deed('testing/rollback')).toBe(4);
    expect(await (await fetch(`${server.url}/`)).text()).toContain(
      'uploads are refused until 16 MiB are.',
    );
    const { body } = await server.call('GET', '/api/journal?kind=disk-space-low');
    expect(JSON.stringify(body)).toContain('"uploads":"refused"');
    await disk.empty();
    expect((await upload(await made('app-test/taken-1'))).status).toBe(201);
  }, 60_000);
});
