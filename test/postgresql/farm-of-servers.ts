import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { z } from 'zod';
import { requestDetailSchema, requestViewSchema } from '../../src/protocol/builds.ts';
import { channelViewSchema } from '../../src/protocol/channels.ts';
import {
  packageViewSchema as packageView,
  type packageViewSchema,
} from '../../src/protocol/packages.ts';
import { digestOf } from '../../src/support/digests.ts';
import { makePackage } from '../repository/make-package.ts';
import { insist } from '../support/insist.ts';
import type { TestServer } from '../support/rookery-process.ts';

export const PROFILE = 'web';
const TESTING = `/api/profiles/${PROFILE}/channels/testing`;

const PROFILE_TOML = `
description = "Web servers of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
channels = ["testing", "stable"]
`;

export type Pushed = z.infer<typeof packageViewSchema>;

/** A profile with `count` recipes that need nothing, and one, `app-test/all`, that needs them all. */
export async function writeFarm(folder: string, count: number): Promise<void> {
  const own = join(folder, 'profiles', PROFILE);
  await mkdir(join(own, 'recipes'), { recursive: true });
  await mkdir(join(folder, 'uploads'));
  await mkdir(join(folder, 'source'));
  await writeFile(join(own, 'profile.toml'), PROFILE_TOML);
  await writeFile(join(folder, 'source', 'README'), 'nothing\n');
  const names = Array.from({ length: count }, (_, index) => `part${index}`);
  for (const name of [...names, 'all']) {
    const needs = name === 'all' ? names.map((one) => `"app-test/${one}"`) : [];
    await writeFile(
      join(own, 'recipes', `${name}.toml`),
      [
        `cpv = "app-test/${name}-1.0"`,
        `description = "Part of a test"`,
        `rdepend = [${needs.join(', ')}]`,
        `build = ["sleep 0.2", "echo ${name} >> ${join(folder, 'built.txt')}"]`,
        `install = ["mkdir -p \\"$D/usr/share\\"", "echo ${name} > \\"$D/usr/share/${name}\\""]`,
        '[source]',
        `folder = "${join(folder, 'source')}"`,
        '',
      ].join('\n'),
    );
  }
}

/** What a server says, or undefined when it cannot do anything now. */
async function answerOf(
  server: TestServer,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: unknown } | undefined> {
  const answer = await server.call(method, path, body);
  return answer.status >= 500 ? undefined : answer;
}

/** A new package, to be uploaded. */
export async function packageBytes(folder: string, name: string): Promise<Buffer> {
  return await readFile(await makePackage(join(folder, 'uploads'), `app-test/${name}-1.0`));
}

/** Uploads a new package. */
export async function push(
  servers: readonly TestServer[],
  folder: string,
  name: string,
): Promise<Pushed> {
  return await upload(servers, name, await packageBytes(folder, name));
}

/** Uploads a package to one server after the other until one has acknowledged it. */
export async function upload(
  servers: readonly TestServer[],
  name: string,
  bytes: Buffer,
): Promise<Pushed> {
  let turn = 0;
  return await insist(`${name} to be taken`, async () => {
    const server = servers[turn++ % servers.length];
    const response = await fetch(
      `${server?.url}/api/profiles/${PROFILE}/packages?sha512=${digestOf('sha512', bytes)}`,
      {
        method: 'PUT',
        headers: { authorization: `Bearer ${await server?.token('builder')}` },
        body: bytes,
      },
    );
    const text = await response.text();
    if (response.status >= 500) {
      return undefined;
    }
    expect([response.status < 300, text]).toEqual([true, text]);
    return packageView.parse(JSON.parse(text));
  });
}

export async function publish(
  server: TestServer,
  body: { readonly expectedSerial?: number } = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  return await server.call('POST', `${TESTING}/publish`, { reason: 'test', ...body });
}

export async function shownSerial(server: TestServer): Promise<number> {
  return await insist('the channel', async () => {
    const answer = await answerOf(server, 'GET', TESTING);
    return answer === undefined
      ? undefined
      : (channelViewSchema.parse(answer.body).current?.serial ?? 0);
  });
}

export async function request(server: TestServer): Promise<string> {
  const { body } = await server.call('POST', '/api/requests', {
    profile: PROFILE,
    atoms: ['app-test/all'],
    publish: 'stable',
    force: true,
    reason: 'there is no node here',
  });
  return requestViewSchema.parse(body).id;
}

export async function ended(
  servers: readonly TestServer[],
  id: string,
): Promise<z.infer<typeof requestDetailSchema>> {
  let turn = 0;
  return await insist('the request to end', async () => {
    const server = servers[turn++ % servers.length];
    const answer = server && (await answerOf(server, 'GET', `/api/requests/${id}`));
    if (answer === undefined) {
      return undefined;
    }
    const detail = requestDetailSchema.parse(answer.body);
    return ['done', 'failed', 'cancelled'].includes(detail.state) ? detail : undefined;
  });
}

/** Every package that was acknowledged is on disk, whole, and known; no BUILD_ID was given twice. */
export async function expectAllThere(
  server: TestServer,
  folder: string,
  pushed: readonly Pushed[],
): Promise<void> {
  for (const view of pushed) {
    const file = join(folder, 'mirror-root/binhost', PROFILE, 'packages', view.path);
    const bytes = await readFile(file);
    expect([view.cpv, digestOf('sha512', bytes)]).toEqual([view.cpv, view.sha512]);
    expect((await server.call('GET', `/api/packages/${view.id}`)).status).toBe(200);
  }
  expect(new Set(pushed.map(({ cpv, buildId }) => `${cpv}-${buildId}`)).size).toBe(pushed.length);
}

/** How often each part was built. */
export async function builds(folder: string): Promise<Map<string, number>> {
  const lines = (await readFile(join(folder, 'built.txt'), 'utf8')).trim().split('\n');
  const counts = new Map<string, number>();
  for (const line of lines) {
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return counts;
}
