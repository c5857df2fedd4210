import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runAgent } from '../../src/agent/run-agent.ts';
import {
  type RequestDetail,
  requestDetailSchema,
  requestViewSchema,
} from '../../src/protocol/builds.ts';
import { silentLog } from '../../src/support/log.ts';
import { LiveServer } from '../support/live-server.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const stopping = new AbortController();
const lives: Promise<void>[] = [];
let server: LiveServer;

interface Made {
  readonly slot?: string;
  readonly depend?: string;
  readonly rdepend?: string;
  readonly build?: readonly string[];
}

function quoted(all: readonly string[]): string {
  return all.map((one) => JSON.stringify(one)).join(', ');
}

async function addRecipe(cpv: string, made: Made = {}): Promise<void> {
  const [, pf = ''] = cpv.split('/');
  const list = (text?: string): string => quoted(text === undefined ? [] : [text]);
  const lines = [
    `cpv = "${cpv}"`,
    `slot = "${made.slot ?? '0'}"`,
    'description = "of this test"',
    `depend = [${list(made.depend)}]`,
    `rdepend = [${list(made.rdepend)}]`,
    `build = [${quoted(made.build ?? [])}]`,
    `install = ["mkdir -p \\"$D/usr/share/${pf}\\"", "echo ${cpv} > \\"$D/usr/share/${pf}/is\\""]`,
    '[source]',
    `folder = "${join(folder, 'source')}"`,
    '',
  ];
  const recipes = join(folder, 'profiles/web/recipes');
  await mkdir(recipes, { recursive: true });
  await writeFile(join(recipes, `${pf}.toml`), lines.join('\n'));
}

/** Waits for a file before it goes on. */
function gate(name: string): string {
  return `while ! [ -e ${join(folder, name)} ]; do sleep 0.05; done`;
}

async function open(name: string): Promise<void> {
  await writeFile(join(folder, name), '');
}

async function startAgent(name: string): Promise<void> {
  const token = await readFile(join(server.config.paths.state, 'tokens/builder.token'), 'utf8');
  const life = runAgent({
    server: server.url,
    token: token.trim(),
    name,
    workFolder: join(folder, name),
    slots: 1,
    log: silentLog(),
    signal: stopping.signal,
  });
  life.catch(() => undefined);
  lives.push(life);
}

async function request(atoms: readonly string[], more = {}): Promise<string> {
  const body = { profile: 'web', atoms, publish: 'testing', ...more };
  return requestViewSchema.parse(JSON.parse(await server.call('POST', '/api/requests', body))).id;
}

async function detail(id: string): Promise<RequestDetail> {
  return requestDetailSchema.parse(JSON.parse(await server.call('GET', `/api/requests/${id}`)));
}

async function until(
  id: string,
  what: string,
  isSo: (found: RequestDetail) => boolean,
): Promise<RequestDetail> {
  return await poll(
    what,
    async () => {
      const found = await detail(id);
      return isSo(found) ? found : undefined;
    },
    20_000,
  );
}

/** CPV with BUILD_ID of what the channel shows. */
async function shown(): Promise<string[]> {
  const response = await fetch(`${server.url}/binhost/web/testing/Packages`);
  const text = response.ok ? await response.text() : '';
  const builds = [...text.matchAll(/^BUILD_ID: (\d+)$/gm)].map(([, id]) => id);
  const cpvs = [...text.matchAll(/^CPV: (\S+)$/gm)].map(([, cpv]) => cpv);
  return cpvs.map((cpv, index) => `${cpv}#${builds[index]}`);
}

function jobOf(found: RequestDetail, name: string) {
  return found.jobs.find((job) => job.name === name);
}

beforeAll(async () => {
  await mkdir(join(folder, 'source'));
  await writeFile(join(folder, 'source/README'), 'nothing\n');
  await addRecipe('d/lib-1', { slot: '0/1', build: [gate('lib')] });
  const uses = ['test -e "$SYSROOT/usr/share/lib-1/is"', gate('app')];
  await addRecipe('a/app-1', { depend: 'd/lib', rdepend: 'd/lib:=', build: uses });
  server = await LiveServer.create(folder);
  await server.start();
}, 60_000);

afterAll(async () => {
  stopping.abort();
  await Promise.all(lives);
  await server.stop();
});

describe('what a request has built', () => {
  it('is there at once for the next job on another agent, and on the channel once all is done', async () => {
    await startAgent('one');
    const id = await request(['a/app']);
    await until(id, 'the library on one', (found) => jobOf(found, 'd/lib-1')?.agent === 'one');
    await server.call('POST', '/api/agents/one/drain', { reason: 'It has done enough.' });
    await open('lib');
    await until(id, 'the library', (found) => jobOf(found, 'd/lib-1')?.state === 'succeeded');
    expect(await shown()).toEqual([]);

    await startAgent('two');
    const app = await until(
      id,
      'the program on two',
      (found) => jobOf(found, 'a/app-1')?.state === 'leased',
    );
    expect(jobOf(app, 'a/app-1')?.agent).toBe('two');
    expect(app.packages.map(({ cpv }) => cpv)).toEqual(['d/lib-1']);
    expect(await shown()).toEqual([]);

    await open('app');
    expect(await until(id, 'the end', ({ finishedAt }) => finishedAt !== null)).toMatchObject({
      state: 'done',
      reason: null,
    });
    expect(await shown()).toEqual(['a/app-1#1', 'd/lib-1#1']);
  }, 60_000);

  it('takes along what a new sub-slot breaks, and is published in part when that fails', async () => {
    await addRecipe('d/lib-2', { slot: '0/2' });
    await addRecipe('a/free-1');
    await addRecipe('a/app-1', { depend: 'd/lib', rdepend: 'd/lib:=', build: ['false'] });
    await server.stop();
    await server.start();

    const id = await request(['d/lib', 'a/free'], { partial: true });
    const found = await until(id, 'the end', ({ finishedAt }) => finishedAt !== null);

    expect(found).toMatchObject({ state: 'partial', publication: { serial: 2 } });
    const because = 'Rebuilt because it was built against d/lib:0/1=, and d/lib-2 has 0/2.';
    expect(jobOf(found, 'a/app-1')).toMatchObject({ state: 'failed', because });
    const leftOut = Object.fromEntries(found.packages.map((one) => [one.cpv, one.leftOut]));
    expect(leftOut).toEqual({
      'a/free-1': null,
      'd/lib-2':
        'It would break a/app-1, which stays as it is. a/app-1 was built against d/lib:0/1= (RDEPEND), but there is d/lib-2:0/2. a/app-1 was not built: it is failed.',
    });
    expect(await shown()).toEqual(['a/app-1#1', 'a/free-1#1', 'd/lib-1#1']);

    await addRecipe('a/app-1', { depend: 'd/lib', rdepend: 'd/lib:=' });
    await server.stop();
    await server.start();
    const again = await request(['d/lib']);
    const end = await until(again, 'the end', ({ finishedAt }) => finishedAt !== null);
    expect(end).toMatchObject({ state: 'done', reason: null });
    expect(await shown()).toEqual(['a/app-1#2', 'a/free-1#1', 'd/lib-2#1']);
  }, 60_000);

  it('is not published anew when it came out the same, and says which build stays', async () => {
    const before = await shown();
    const id = await request(['a/free'], { rebuild: true });
    const end = await until(id, 'the end', ({ finishedAt }) => finishedAt !== null);
    expect(jobOf(end, 'a/free-1')).toMatchObject({ state: 'succeeded', attempt: 1 });
    expect(end).toMatchObject({
      state: 'done',
      reason: 'Nothing has changed in what testing shows of a/free-1 (build 1): it stays.',
      packages: [
        {
          cpv: 'a/free-1',
          buildId: 2,
          leftOut: 'It is unchanged: testing stays with build 1.',
        },
      ],
    });
    expect(await shown()).toEqual(before);
    const again = await request(['a/free']);
    const reused = await until(again, 'the end', ({ finishedAt }) => finishedAt !== null);
    expect(reused).toMatchObject({ state: 'done', jobs: [], packages: [{ how: 'reused' }] });
    expect(await shown()).toEqual(before);
  }, 60_000);
});
