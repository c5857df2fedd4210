import { randomInt } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { publicationViewSchema } from '../../src/protocol/channels.ts';
import { checkAnswerSchema } from '../../src/protocol/repository.ts';
import { sleep } from '../../src/support/clock.ts';
import { insist } from '../support/insist.ts';
import { findPostgresql, PostgresqlServer } from '../support/postgresql-server.ts';
import type { TestServer } from '../support/rookery-process.ts';
import { twoServers } from '../support/two-servers.ts';
import {
  builds,
  ended,
  expectAllThere,
  type Pushed,
  publish,
  push,
  request,
  shownSerial,
  writeFarm,
} from './farm-of-servers.ts';

const ROUNDS = 5;
const PARTS = 24;
/** Between two deeds of the same client, who would have all of the processor otherwise. */
const BREATH_MS = 50;
let postgresql: PostgresqlServer;
const {
  folder,
  servers: pair,
  startAgent,
} = twoServers({
  prepare: async (into) => {
    await writeFarm(into, PARTS);
  },
  database: async () => {
    postgresql = await PostgresqlServer.start((await findPostgresql()) ?? '');
    await postgresql.query('create database farm');
    return postgresql.url('farm');
  },
  removeDatabase: async () => {
    await postgresql.remove();
  },
  settings: ['[builds]', 'lease-seconds = 20', 'heartbeat-seconds = 1'],
});
let servers: ReturnType<typeof pair>;

beforeAll(() => {
  servers = pair();
});

/** Uploads and publishes at whichever server answers, until told to stop. */
async function work(running: () => boolean, pushed: Pushed[], serials: number[]): Promise<void> {
  for (let number = 0; running(); number += 1) {
    await sleep(BREATH_MS);
    const turn = number % 2 === 0 ? servers : servers.toReversed();
    pushed.push(await push(turn, folder, `pushed${number}`));
    let place = 0;
    const made = await insist('a publication', async () => {
      const server = turn[place++ % turn.length];
      const answer = server && (await publish(server));
      if (answer === undefined || answer.status >= 500) {
        return undefined;
      }
      expect([answer.status, answer.body]).toEqual([201, answer.body]);
      return publicationViewSchema.parse(answer.body);
    });
    serials.push(made.serial);
  }
}

/** Whichever of the two is down, the database or a server, everything goes on once it is back. */
describe('kill -9 of the postmaster and of servers', () => {
  it(`loses nothing acknowledged, ${ROUNDS} times over, and the request is done`, async () => {
    for (const [index, server] of servers.entries()) {
      startAgent(`pre${index}`, server);
    }
    const id = await request(servers[0]);
    let isRunning = true;
    const pushed: Pushed[] = [];
    const serials: number[] = [];
    const working = work(() => isRunning, pushed, serials);
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        await sleep(randomInt(200, 1500));
        await postgresql.kill();
        // Half of the times it is back before a server notices by its next word.
        await sleep(round % 2 === 0 ? 0 : randomInt(500, 1500));
        await postgresql.start();
        await sleep(randomInt(200, 1500));
        const server = servers[round % 2];
        await server?.program.kill();
        await server?.start();
      }
    } finally {
      isRunning = false;
    }
    await working;
    const done = await ended(servers, id);
    expect(done).toMatchObject({
      state: 'done',
      reason: null,
      publication: { channel: 'stable', serial: 1 },
    });
    expect(done.jobs.map(({ state }) => state)).toEqual(
      Array.from({ length: PARTS + 1 }, () => 'succeeded'),
    );
    expect((await builds(folder)).size).toBe(PARTS + 1);

    for (const server of servers) {
      await expectAllThere(server, folder, pushed);
      expect(await shownSerial(server)).toBeGreaterThanOrEqual(serials.at(-1) ?? 0);
    }
    expect(serials).toEqual([...new Set(serials)].toSorted((a, b) => a - b));
    expect(pushed.length).toBeGreaterThan(3);
    const last = await push(servers, folder, 'last');
    expect((await publish(servers[1])).status).toBe(201);
    await expectAllThere(servers[0], folder, [last]);
    expect(await faults(servers[0])).toEqual([]);
  }, 300_000);
});

/** What a check of files, links and rows finds. */
async function faults(server: TestServer): Promise<unknown> {
  expect((await server.call('POST', '/api/repository/check', {})).status).toBeLessThan(300);
  return await insist('the check', async () => {
    const { body } = await server.call('GET', '/api/repository/check');
    const { check } = checkAnswerSchema.parse(body);
    return check === null || check.state === 'running'
      ? undefined
      : (check.report?.findings ?? check);
  });
}
