import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { poll } from '../support/poll.ts';
import { newServerDatabase } from '../support/test-database.ts';
import { twoServers } from '../support/two-servers.ts';
import {
  builds,
  ended,
  expectAllThere,
  type Pushed,
  packageBytes,
  publish,
  push,
  request,
  shownSerial,
  upload,
  writeFarm,
} from './farm-of-servers.ts';

const PARTS = 14;
const RACES = 8;
const databases = newServerDatabase();
const {
  folder,
  servers: pair,
  startAgent,
  leaders,
  waitToLead,
} = twoServers({
  prepare: async (into) => {
    await writeFarm(into, PARTS);
  },
  database: async () => await databases.make('servers'),
  removeDatabase: async () => {
    await databases.drop();
  },
  settings: ['[builds]', 'lease-seconds = 4', 'heartbeat-seconds = 1'],
});
const eventsSchema = z.looseObject({ events: z.array(z.looseObject({ seq: z.number() })) });
let servers: ReturnType<typeof pair>;

beforeAll(() => {
  servers = pair();
});

describe('two servers on one PostgreSQL', () => {
  it('have one key and one set of tokens, and one of them leads', async () => {
    const [one, two] = await Promise.all(
      servers.map(async ({ url }) => await (await fetch(`${url}/keys/rookery.asc`)).text()),
    );
    expect(one).toContain('BEGIN PGP PUBLIC KEY BLOCK');
    expect(two).toBe(one);
    for (const server of servers) {
      expect((await server.call('GET', '/api/requests')).status).toBe(200);
    }
    await poll('a leader', async () => ((await leaders()).length > 0 ? true : undefined));
    expect(await leaders()).toHaveLength(1);
  });

  it('give each job of two equal requests to one of four agents, two at each server, and publish each once', async () => {
    const ids = await Promise.all(servers.map(async (server) => await request(server)));
    for (const [index, server] of [...servers, ...servers].entries()) {
      startAgent(`pre${index}`, server);
    }
    const [done, twin] = await Promise.all(ids.map(async (id) => await ended(servers, id)));
    const serials = [done, twin].map((one) => one?.publication?.serial);
    expect(new Set(serials)).toEqual(new Set([1, 2]));
    for (const one of [done, twin]) {
      expect([one?.state, one?.publication?.channel]).toEqual(['done', 'stable']);
      expect(one?.jobs.map(({ state, attempt }) => `${state} ${attempt}`)).toEqual(
        Array.from({ length: PARTS + 1 }, () => 'succeeded 1'),
      );
    }
    expect(twin?.packages).toEqual(done?.packages);
    const counts = await builds(folder);
    expect([...counts.values()]).toEqual(Array.from({ length: PARTS + 1 }, () => 1));
    // Jobs that one server has made ready woke agents that wait at the other.
    expect(new Set(done?.jobs.map(({ agent }) => agent)).size).toBeGreaterThan(1);
  }, 180_000);

  it('let one of two publications that expect the same state win, in every race', async () => {
    const pushed: Pushed[] = [];
    for (let round = 0; round < RACES; round += 1) {
      pushed.push(await push([servers[round % 2] ?? servers[0]], folder, `race${round}`));
      const expectedSerial = await shownSerial(servers[0]);
      expect(await shownSerial(servers[1])).toBe(expectedSerial);
      const answers = await Promise.all(
        servers.map(async (server) => await publish(server, { expectedSerial })),
      );
      expect(answers.map(({ status }) => status)).toEqual(expect.arrayContaining([201, 409]));
      expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({
        code: 'channel-moved',
      });
    }
    expect(await shownSerial(servers[1])).toBe(RACES);
    await expectAllThere(servers[0], folder, pushed);
  }, 120_000);

  it('take the same upload at both at once as one package, and different ones under different BUILD_IDs', async () => {
    const bytes = await packageBytes(folder, 'twice');
    const [one, two] = await Promise.all(
      servers.map(async (server) => await upload([server], 'twice', bytes)),
    );
    expect(one?.id).toBe(two?.id);
    const different = await Promise.all(
      servers.map(async (server) => await push([server], folder, 'twice')),
    );
    expect(new Set([one, ...different].map((view) => view?.buildId))).toEqual(new Set([1, 2, 3]));
  });

  it('tell the same journal in the same order, and each what the other has written', async () => {
    const [one, two] = await Promise.all(
      servers.map(async (server) => {
        const { body } = await server.call('GET', '/api/journal?limit=500&after=0');
        return eventsSchema.parse(body).events.map(({ seq }) => seq);
      }),
    );
    expect(one).toEqual(two);
    expect(one).toEqual(one?.toSorted((a, b) => a - b));
  });

  it('go on when the leader is killed: the other leads, and finishes the request', async () => {
    const [leader] = await leaders();
    const other = servers.find((server) => server !== leader) ?? servers[1];
    await leader?.program.kill();
    await waitToLead(other);
    startAgent('late', other);
    const { body } = await other.call('POST', '/api/requests', {
      profile: 'web',
      atoms: ['app-test/all'],
      rebuild: true,
      publish: 'stable',
      force: true,
      reason: 'there is no node here',
    });
    const { id } = z.looseObject({ id: z.string() }).parse(body);
    expect(await ended([other], id)).toMatchObject({ state: 'done', publication: { serial: 3 } });
    await leader?.start();
    expect(await leaders()).toContain(other);
    expect((await leader?.call('GET', `/api/requests/${id}`))?.status).toBe(200);
  }, 240_000);

  it('refuse a copy while they run', async () => {
    const { copyDatabase } = await import('../../src/database/copy-between.ts');
    const { systemClock } = await import('../../src/support/clock.ts');
    const { parseToml } = await import('../../src/support/parse-toml.ts');
    const { readFile } = await import('node:fs/promises');
    const text = await readFile(join(folder, 'one.toml'), 'utf8');
    const { database } = z
      .looseObject({ database: z.object({ url: z.string() }) })
      .parse(parseToml(text, 'one.toml').value);
    const places = { from: database.url, to: join(folder, 'copy.sqlite') };
    await expect(copyDatabase(places, systemClock, () => undefined)).rejects.toMatchObject({
      code: 'database-locked',
    });
  });
});
