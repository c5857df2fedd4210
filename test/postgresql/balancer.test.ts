import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { followJournal, followLog, followRequest } from '../../src/cli/follow.ts';
import { createServerClient, type ServerClient } from '../../src/cli/server-client.ts';
import { packageViewSchema } from '../../src/protocol/packages.ts';
import { sleep, systemClock } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { isHaproxyInstalled, startHaproxy } from '../support/haproxy.ts';
import { insist } from '../support/insist.ts';
import { poll } from '../support/poll.ts';
import type { TestServer } from '../support/rookery-process.ts';
import { newServerDatabase } from '../support/test-database.ts';
import { twoServers } from '../support/two-servers.ts';
import {
  builds,
  expectAllThere,
  PROFILE,
  type Pushed,
  packageBytes,
  writeFarm,
} from './farm-of-servers.ts';

const PARTS = 8;
const LINES = 300;
const LEASE_MS = 4000;
/** So many that each server has an upload under way whenever it is killed. */
const UPLOADERS = 6;
/** Health checks take two seconds, and machines of tests have other things to do. */
const OUTAGE_MS = 10_000;
let balancer: Awaited<ReturnType<typeof startHaproxy>> | undefined;
afterAll(async () => {
  await balancer?.stop();
});
const databases = newServerDatabase();
const { folder, servers, startAgent, leaders, waitToLead } = twoServers({
  prepare: writeLongFarm,
  database: async () => await databases.make('balancer'),
  removeDatabase: async () => {
    await databases.drop();
  },
  settings: [
    '[builds]',
    `lease-seconds = ${LEASE_MS / 1000}`,
    'heartbeat-seconds = 1',
    'retry-seconds = 1',
  ],
});
let client: ServerClient;

beforeAll(async () => {
  if (await isHaproxyInstalled()) {
    const [one, two] = servers();
    balancer = await startHaproxy({ folder: join(folder, 'haproxy'), servers: [one.url, two.url] });
    client = createServerClient({ url: balancer.url, token: await one.token('admin') });
  }
}, 60_000);

/** Besides the usual parts: a build that says a lot for a long time, one that takes its time, and schedules. */
async function writeLongFarm(into: string): Promise<void> {
  await writeFarm(into, PARTS);
  const own = join(into, 'profiles', PROFILE);
  await appendFile(
    join(own, 'profile.toml'),
    [
      '[schedule.all]',
      'cron = "0 3 1 1 *"',
      'time-zone = "UTC"',
      'do = "request"',
      'atoms = ["app-test/all", "app-test/talks", "app-test/slow"]',
      'publish = "testing"',
      '[schedule.tidy]',
      'cron = "*/2 * * * * *"',
      'time-zone = "UTC"',
      'do = "collect"',
      '',
    ].join('\n'),
  );
  const recipes = {
    talks: `i=0; while [ $i -lt ${LINES} ]; do i=$((i + 1)); echo "line $i."; sleep 0.03; done`,
    slow: 'sleep 4',
  };
  for (const [name, command] of Object.entries(recipes)) {
    const like = await readFile(join(own, 'recipes/part0.toml'), 'utf8');
    const text = like.replaceAll('part0', name).replace('"sleep 0.2"', JSON.stringify(command));
    await writeFile(join(own, 'recipes', `${name}.toml`), text);
  }
}

/** Uploads bytes over two seconds; undefined when nobody could take them. A connection that breaks is a `TypeError`. */
async function drip(url: string, bytes: Buffer): Promise<Pushed | undefined> {
  const token = await servers()[0].token('builder');
  const response = await fetch(
    `${url}/api/profiles/${PROFILE}/packages?sha512=${digestOf('sha512', bytes)}`,
    {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-length': `${bytes.length}` },
      body: Readable.toWeb(Readable.from(pieces(bytes))),
      duplex: 'half',
      signal: AbortSignal.timeout(30_000),
    },
  );
  const text = await response.text();
  if (response.status >= 500) {
    return undefined;
  }
  expect([response.status < 300, text]).toEqual([true, text]);
  return packageViewSchema.parse(JSON.parse(text));
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  const size = Math.ceil(bytes.length / 20);
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await sleep(100);
  }
}

/** Uploads one package after the other; what was taken, and how often one had to be sent again. */
async function keepUploading(
  url: string,
  who: number,
  isOn: () => boolean,
): Promise<{ readonly pushed: Pushed[]; readonly again: number }> {
  const pushed: Pushed[] = [];
  let tries = 0;
  for (let number = 0; isOn(); number += 1) {
    const name = `up${who}x${number}`;
    const bytes = await packageBytes(folder, name);
    const view = await insist(`${name} to be taken`, async () => {
      tries += 1;
      return await drip(url, bytes);
    });
    pushed.push(view);
  }
  return { pushed, again: tries - pushed.length };
}

/** Everything that is followed through the balancer, and how often a stream broke. */
function follow(requestId: string, jobId: string) {
  const stopping = new AbortController();
  const lost = { log: 0, request: 0, journal: 0 };
  let log = '';
  const seen: number[] = [];
  const options = (what: keyof typeof lost) => ({
    clock: systemClock,
    signal: stopping.signal,
    pace: { initialMs: 50, maximumMs: 500, patienceMs: 30_000 },
    onLost: () => {
      lost[what] += 1;
    },
  });
  const onBytes = (bytes: Uint8Array): void => {
    log += Buffer.from(bytes).toString();
  };
  const ended = followRequest(client, requestId, {
    ...options('request'),
    onChange: () => undefined,
  });
  const logEnded = followLog(client, jobId, { ...options('log'), onBytes });
  // It ends with the balancer at the latest.
  followJournal(client, {
    ...options('journal'),
    filter: {},
    after: 0,
    onEvent: ({ seq }) => {
      seen.push(seq);
    },
  }).catch(() => undefined);
  return {
    lost,
    ended,
    logEnded,
    log: () => log,
    seen,
    stop: () => {
      stopping.abort();
    },
  };
}

async function jobOf(requestId: string, name: string) {
  return await poll(`an agent for ${name}`, async () => {
    const { jobs } = await client.request(requestId);
    return jobs.find((job) => job.name.includes(name) && job.state === 'leased');
  });
}

/** How long until somebody answers again, in milliseconds. */
async function outage(): Promise<number> {
  const began = performance.now();
  await poll('an answer', async () => {
    const response = await fetch(`${balancer?.url}/readyz`);
    await response.arrayBuffer();
    return response.ok ? true : undefined;
  });
  return performance.now() - began;
}

async function scheduledRuns(name: string) {
  const schedules = await client.schedules(50);
  return schedules.find((one) => one.name === name)?.runs ?? [];
}

describe('two servers behind HAProxy', () => {
  it('lose nothing when each is killed once under uploads, logs and events, and the leader’s work moves', async () => {
    if (balancer === undefined) {
      process.stderr.write('HAProxy is not installed: it is not tested.\n');
      return;
    }
    const { url } = balancer;
    const agents = new Map(
      ['pre0', 'pre1', 'pre2', 'pre3'].map((name) => [name, startAgent(name, { url })]),
    );
    const { requestId } = await client.runSchedule(PROFILE, 'all');
    const talks = await jobOf(requestId ?? '', 'talks');
    const slow = await jobOf(requestId ?? '', 'slow');
    const followed = follow(requestId ?? '', talks.id);
    let isOn = true;
    const uploading = Array.from({ length: UPLOADERS }, async (_, who) =>
      keepUploading(url, who, () => isOn),
    );

    const [leader] = await leaders();
    const other = servers().find((server) => server !== leader) ?? servers()[1];
    await lines(followed.log, 20);
    await agents.get(slow.agent ?? '')?.kill();
    await leader?.program.kill();
    const killedAt = Date.now();
    expect(await outage()).toBeLessThan(OUTAGE_MS);
    await waitToLead(other);
    await lines(followed.log, 80);
    await leader?.start();
    await inRotation(leader, url);
    await lines(followed.log, 150);
    await other.program.kill();
    expect(await outage()).toBeLessThan(OUTAGE_MS);
    await other.start();

    const job = await followed.logEnded;
    const request = await followed.ended;
    isOn = false;
    const uploads = await Promise.all(uploading);
    followed.stop();
    expect(job).toMatchObject({ state: 'succeeded', attempt: 1 });
    expect(request).toMatchObject({ state: 'done', publication: { channel: 'testing' } });
    const said = followed.log().match(/^line \d+\.$/gm);
    expect(said).toEqual(Array.from({ length: LINES }, (_, index) => `line ${index + 1}.`));
    // Reaped by a server that did not give it out.
    expect(request.jobs.find(({ id }) => id === slow.id)).toMatchObject({ attempt: 2 });
    const counts = await builds(folder);
    counts.delete('slow');
    expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
    expect(Math.min(...Object.values(followed.lost))).toBeGreaterThan(0);
    expect(uploads.reduce((sum, { again }) => sum + again, 0)).toBeGreaterThan(0);
    await expectAllThere(
      servers()[0],
      folder,
      uploads.flatMap(({ pushed }) => pushed),
    );
    await expectWholeJournal(followed.seen);
    const tidied = (await scheduledRuns('tidy')).filter(({ state }) => state === 'done');
    expect(tidied.some(({ startedAt }) => (startedAt ?? 0) > killedAt)).toBe(true);
    await poll('the schedule to know the end', async () => {
      const [run] = await scheduledRuns('all');
      return run?.state === 'done' ? true : undefined;
    });
  }, 240_000);
});

async function lines(log: () => string, count: number): Promise<void> {
  await poll(`line ${count} of the log`, () =>
    log().includes(`line ${count}.`) ? true : undefined,
  );
}

/** Waits until the balancer has noticed that this server is back. */
async function inRotation(server: TestServer | undefined, url: string): Promise<void> {
  expect((await server?.call('GET', '/readyz'))?.status).toBe(200);
  await sleep(1500);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
}

/** Each event once, in order, and none missing up to the last one that was seen. */
async function expectWholeJournal(seen: readonly number[]): Promise<void> {
  const kept: number[] = [];
  for (let after = 0; ; ) {
    const events = await client.journal({ after, limit: 500 });
    if (events.length === 0) {
      break;
    }
    kept.push(...events.map(({ seq }) => seq));
    after = kept.at(-1) ?? 0;
  }
  expect(seen.length).toBeGreaterThan(50);
  expect(seen).toEqual(kept.slice(0, seen.length));
}
