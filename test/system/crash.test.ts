import { randomInt } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { requestDetailSchema, requestViewSchema } from '../../src/protocol/builds.ts';
import { channelViewSchema, publicationViewSchema } from '../../src/protocol/channels.ts';
import { packageViewSchema } from '../../src/protocol/packages.ts';
import { sleep } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { makePackage } from '../repository/make-package.ts';
import { isNetworkError } from '../support/insist.ts';
import { often } from '../support/long-tests.ts';
import { isNginxInstalled, startNginx } from '../support/nginx.ts';
import { poll } from '../support/poll.ts';
import { type Program, TestServer } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROUNDS = often(20, 10);
const PROFILE = 'web';
const CHAIN = 12;
/** Between two deeds of the same client: without it most of the time goes by in reading an ever longer index. */
const BREATH_MS = 30;
const folder = temporaryFolder({ onDisk: true });
const hasNginx = await isNginxInstalled();
const title = hasNginx
  ? 'kill -9 of the server'
  : 'kill -9 of the server (skipped: nginx is not installed)';

const PROFILE_TOML = `
description = "Web servers of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
channels = ["testing", "stable"]
`;

/** Recipe n needs recipe n-1 to run, so that the request is under way for the whole test. */
function recipe(number: number): string {
  return [
    `cpv = "app-test/link${number}-1.0"`,
    'description = "One link of a chain"',
    number === 0 ? '' : `rdepend = ["app-test/link${number - 1}"]`,
    'build = ["sleep 0.5"]',
    `install = ["mkdir -p \\"$D/usr/share\\"", "echo ${number} > \\"$D/usr/share/link${number}\\""]`,
    '[source]',
    `folder = "${join(folder, 'source')}"`,
    '',
  ].join('\n');
}

async function writeProfile(): Promise<void> {
  const own = join(folder, 'profiles', PROFILE);
  await mkdir(join(folder, 'uploads'), { recursive: true });
  await mkdir(join(own, 'recipes'), { recursive: true });
  await mkdir(join(folder, 'source'));
  await writeFile(join(own, 'profile.toml'), PROFILE_TOML);
  await writeFile(join(folder, 'source', 'README'), 'nothing\n');
  for (let number = 0; number < CHAIN; number += 1) {
    await writeFile(join(own, 'recipes', `link${number}.toml`), recipe(number));
  }
}

/** Repeats until the server has answered; what it answers with a refusal is thrown. */
async function insist<T>(
  running: () => boolean,
  ask: () => Promise<T | undefined>,
): Promise<T | undefined> {
  while (running()) {
    try {
      const answer = await ask();
      if (answer !== undefined) {
        return answer;
      }
    } catch (error) {
      if (!isNetworkError(error)) {
        throw error;
      }
    }
    await sleep(20);
  }
  return undefined;
}

/** Uploads packages one after another, each until it is acknowledged. */
async function upload(
  server: TestServer,
  running: () => boolean,
  acknowledged: z.infer<typeof packageViewSchema>[],
): Promise<void> {
  for (let number = 0; running(); number += 1) {
    await sleep(BREATH_MS);
    const file = await makePackage(join(folder, 'uploads'), `app-test/pushed${number}-1.0`);
    const bytes = await readFile(file);
    const sha512 = digestOf('sha512', bytes);
    const view = await insist(running, async () => {
      const response = await fetch(
        `${server.url}/api/profiles/${PROFILE}/packages?sha512=${sha512}`,
        {
          method: 'PUT',
          headers: { authorization: `Bearer ${await server.token('builder')}` },
          body: bytes,
        },
      );
      const body: unknown = await response.json();
      if (!response.ok) {
        throw new Error(`upload refused: ${JSON.stringify(body)}`);
      }
      return packageViewSchema.parse(body);
    });
    if (view !== undefined) {
      acknowledged.push(view);
    }
  }
}

/** Publishes everything on `testing`, again and again. */
async function publish(
  server: TestServer,
  running: () => boolean,
  serials: number[],
): Promise<void> {
  while (running()) {
    const made = await insist(running, async () => {
      const { status, body } = await server.call(
        'POST',
        `/api/profiles/${PROFILE}/channels/testing/publish`,
        { reason: 'crash test' },
      );
      if (status !== 201) {
        throw new Error(`publish refused: ${JSON.stringify(body)}`);
      }
      return publicationViewSchema.parse(body);
    });
    if (made !== undefined) {
      serials.push(made.serial);
    }
    await sleep(BREATH_MS);
  }
}

/** Reads as a node does, through nginx. Everything an index names has to be there, whole, for ever. */
async function read(
  url: string,
  running: () => boolean,
): Promise<{ reads: number; timestamps: number[] }> {
  const timestamps: number[] = [];
  let reads = 0;
  for (; running(); reads += 1) {
    await sleep(BREATH_MS);
    const response = await fetch(`${url}/binhost/${PROFILE}/testing/Packages.gz`);
    const text = gunzipSync(Buffer.from(await response.arrayBuffer())).toString('utf8');
    const index = parsePackagesIndex(text);
    expect(response.status).toBe(200);
    const timestamp = Number(index.header.get('TIMESTAMP'));
    expect(Date.parse(response.headers.get('last-modified') ?? '')).toBe(timestamp * 1000);
    expect(timestamp).toBeGreaterThanOrEqual(timestamps.at(-1) ?? 0);
    timestamps.push(timestamp);
    const entry = index.entries[randomInt(index.entries.length)];
    const file = await fetch(`${url}/binhost/${PROFILE}/testing/${entry?.get('PATH')}`);
    const bytes = Buffer.from(await file.arrayBuffer());
    expect([entry?.get('PATH'), file.status, bytes.length, digestOf('sha1', bytes)]).toEqual([
      entry?.get('PATH'),
      200,
      Number(entry?.get('SIZE')),
      entry?.get('SHA1'),
    ]);
  }
  return { reads, timestamps };
}

async function prepare(server: TestServer): Promise<void> {
  const first = { acknowledged: [], serials: [] };
  let more = true;
  const acknowledged: z.infer<typeof packageViewSchema>[] = first.acknowledged;
  await upload(server, () => more && acknowledged.length === 0, acknowledged);
  await publish(server, () => more && first.serials.length === 0, first.serials);
  more = false;
}

(hasNginx ? describe : describe.skip)(title, () => {
  let server: TestServer;
  let agent: Program;
  beforeAll(async () => {
    await writeProfile();
    server = await TestServer.create(folder);
    agent = server.agent('pre1');
    await server.start();
    await prepare(server);
  }, 60_000);
  afterAll(async () => {
    await agent.kill();
    await server.program.kill();
  });

  it(`loses nothing acknowledged, shows no mixture and completes the request, ${ROUNDS} times over`, async () => {
    agent.start();
    const nginx = await startNginx({
      folder: join(folder, 'nginx'),
      mirrorRoot: join(folder, 'mirror-root'),
      upstream: new URL(server.url).host,
    });
    let isRunning = true;
    const running = (): boolean => isRunning;
    const pushed: z.infer<typeof packageViewSchema>[] = [];
    const serials: number[] = [];
    const restarts: number[] = [];
    try {
      const { body } = await server.call('POST', '/api/requests', {
        profile: PROFILE,
        atoms: [`app-test/link${CHAIN - 1}`],
        publish: 'stable',
        force: true,
        reason: 'there is no node here',
      });
      const request = requestViewSchema.parse(body);
      const work = [upload(server, running, pushed), publish(server, running, serials)];
      const reading = read(nginx.url, running);
      for (let round = 0; round < ROUNDS; round += 1) {
        await sleep(randomInt(20, 700));
        await server.program.kill();
        restarts.push(await server.start());
      }
      const done = await poll(
        'the request to be done',
        async () => {
          const detail = requestDetailSchema.parse(
            (await server.call('GET', `/api/requests/${request.id}`)).body,
          );
          return ['done', 'failed', 'cancelled'].includes(detail.state) ? detail : undefined;
        },
        120_000,
      );
      isRunning = false;
      await Promise.all(work);
      const { reads, timestamps } = await reading;

      expect(done).toMatchObject({ state: 'done', reason: null });
      expect(done.jobs.map(({ state }) => state)).toEqual(
        Array.from({ length: CHAIN }, () => 'succeeded'),
      );
      expect(done.publication).toEqual({ channel: 'stable', serial: 1 });
      await expectAllThere(server, pushed);
      await expectSerials(server, serials);
      expect(new Set(timestamps).size).toBeGreaterThan(ROUNDS / 3);
      process.stdout.write(
        `crash test: ${pushed.length} uploads, ${serials.length} publications, ${reads} reads; ` +
          `restart median ${median(restarts)} ms, slowest ${Math.round(Math.max(...restarts))} ms\n`,
      );
    } finally {
      isRunning = false;
      await nginx.stop();
    }
  }, 600_000);
});

function median(values: readonly number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);
}

async function expectAllThere(
  server: TestServer,
  pushed: readonly z.infer<typeof packageViewSchema>[],
): Promise<void> {
  expect(pushed.length).toBeGreaterThan(5);
  const buildIds = new Set<string>();
  for (const view of pushed) {
    const bytes = await readFile(
      join(folder, 'mirror-root/binhost', PROFILE, 'packages', view.path),
    );
    expect([view.cpv, digestOf('sha512', bytes)]).toEqual([view.cpv, view.sha512]);
    expect((await server.call('GET', `/api/packages/${view.id}`)).status).toBe(200);
    buildIds.add(`${view.cpv}-${view.buildId}`);
  }
  expect(buildIds.size).toBe(pushed.length);
}

/** Acknowledged publications are all in the history, in order, and the newest of all is what the channel shows. */
async function expectSerials(server: TestServer, serials: readonly number[]): Promise<void> {
  expect(serials.length).toBeGreaterThan(5);
  const path = `/api/profiles/${PROFILE}/channels/testing`;
  const channel = channelViewSchema.parse((await server.call('GET', path)).body);
  expect(serials).toEqual(serials.toSorted((a, b) => a - b));
  expect(channel.current?.serial).toBeGreaterThanOrEqual(serials.at(-1) ?? 0);
  const index = await (await fetch(`${server.url}/binhost/${PROFILE}/testing/Packages`)).text();
  expect(index).toContain(`TIMESTAMP: ${channel.current?.timestamp}\n`);
}
