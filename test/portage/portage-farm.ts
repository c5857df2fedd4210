import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import {
  type RequestDetail,
  requestDetailSchema,
  requestViewSchema,
} from '../../src/protocol/builds.ts';
import type { GentooPrefix } from '../support/gentoo-prefix.ts';
import { poll } from '../support/poll.ts';
import type { TestServer } from '../support/rookery-process.ts';

/** Writes the profile `web` of a farm, which builds in this prefix. `lines` come before its first table. */
export async function writePortageProfile(
  folder: string,
  builder: GentooPrefix,
  lines: readonly string[] = [],
): Promise<void> {
  const profile = join(folder, 'profiles/web');
  await mkdir(profile, { recursive: true });
  // The library of C comes from the machine that the prefixes lie on.
  await writeFile(
    join(profile, 'base-system'),
    'provides x86_64: libc.so.6 ld-linux-x86-64.so.2\nprovides x86_64: libm.so.6\n',
  );
  await writeFile(
    join(profile, 'profile.toml'),
    [
      'description = "Web servers"',
      'arch = "amd64"',
      'chost = "x86_64-pc-linux-gnu"',
      'cflags = "-O2 -march=x86-64-v2"',
      'executor = "portage"',
      'channels = ["testing", "stable"]',
      ...lines,
      '[build-root]',
      'kind = "prefix"',
      `path = "${builder.folder}"`,
      '',
    ].join('\n'),
  );
}

/** Asks for something of the profile `web`, and waits until the request has ended, however it has. */
export async function requested(
  server: TestServer,
  wanted: Readonly<Record<string, unknown>>,
  timeoutMs = 240_000,
): Promise<RequestDetail> {
  const made = await server.call('POST', '/api/requests', { profile: 'web', ...wanted });
  expect([made.status, made.body]).toEqual([201, expect.anything()]);
  return await endOf(server, requestViewSchema.parse(made.body).id, timeoutMs);
}

export async function endOf(
  server: TestServer,
  id: string,
  timeoutMs: number,
): Promise<RequestDetail> {
  return await poll(
    `the request ${id} to end`,
    async () => {
      const { body } = await server.call('GET', `/api/requests/${id}`);
      const detail = requestDetailSchema.parse(body);
      return detail.finishedAt === null ? undefined : detail;
    },
    timeoutMs,
  );
}

/** What all jobs of a request have written, in their order. */
export async function logsOf(server: TestServer, { jobs }: RequestDetail): Promise<string[]> {
  return await Promise.all(
    jobs.map(async ({ id }) => await (await fetch(`${server.url}/api/jobs/${id}/log`)).text()),
  );
}
