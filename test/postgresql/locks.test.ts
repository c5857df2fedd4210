import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Client } from 'pg';
import { type Cluster, openCluster } from '../../src/database/cluster.ts';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { HINTS } from '../../src/database/hints.ts';
import { Journal } from '../../src/journal/journal.ts';
import { Intents } from '../../src/repository/intents.ts';
import { sleep, systemClock } from '../../src/support/clock.ts';
import type { Service } from '../../src/support/lifecycle.ts';
import { silentLog } from '../../src/support/log.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { newServerDatabase } from '../support/test-database.ts';

interface Place {
  readonly database: Database;
  readonly cluster: Cluster;
}

const folder = temporaryFolder();
const databases = newServerDatabase();
let one: Place;
let two: Place;
let place: string;

async function enter(url: string): Promise<Place & { readonly wasAlone: boolean }> {
  const database = await openDatabase(url, systemClock);
  const cluster = openCluster(url, database, silentLog());
  let wasAlone = false;
  await cluster.enter(async (isAlone) => {
    wasAlone = isAlone;
  });
  return { database, cluster, wasAlone };
}

beforeAll(async () => {
  place = await databases.make('locks');
  const places = [await enter(place), await enter(place)] as const;
  expect(places.map(({ wasAlone }) => wasAlone)).toEqual([true, false]);
  [one, two] = places;
});

afterAll(async () => {
  for (const { cluster, database } of [one, two]) {
    await cluster.close();
    await database.destroy();
  }
  await databases.drop();
});

/**
 * Ends the connection that holds the locks of a server, as a network that breaks would. Locks are of a database, and other
 * test files have theirs on the same PostgreSQL.
 */
async function breakLocks(by: Database, lock: string): Promise<void> {
  const { lockNumber } = await import('../../src/database/lock-number.ts');
  const { rows } = await sql<{ readonly ended: boolean }>`
    select pg_terminate_backend(pid) as ended from pg_locks where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database())
      and (classid::bigint << 32) | objid::bigint = ${lockNumber(lock)}::bigint`.execute(by);
  expect(rows).toEqual([{ ended: true }]);
}

async function writeBuildId({ database }: Place, cpv: string): Promise<void> {
  await database.insertInto('build_ids').values({ profile: 'p', cpv, last_build_id: 1 }).execute();
}

describe('locks over several servers', () => {
  it('let one work at a time under one name, and two under two names', async () => {
    let atWork = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const { cluster, database } = index % 2 === 0 ? one : two;
        await cluster.locks.run('same', async () => {
          atWork += 1;
          most = Math.max(most, atWork);
          await database.selectFrom('tokens').select('name').execute();
          atWork -= 1;
        });
      }),
    );
    expect(most).toBe(1);
    const met = new AbortController();
    await Promise.all([
      one.cluster.locks.run('a', async () => {
        await sleep(30_000, met.signal);
        expect(met.signal.aborted).toBe(true);
      }),
      two.cluster.locks.run('b', async () => {
        met.abort();
      }),
    ]);
  });

  it('that were lost with their connection let nothing be written any more', async () => {
    const [isHeld, isTaken] = [new AbortController(), new AbortController()];
    const work = one.cluster.locks.run('broken', async () => {
      await writeBuildId(one, 'before');
      isHeld.abort();
      await sleep(30_000, isTaken.signal);
      await writeBuildId(one, 'after');
    });
    const refused = expect(work).rejects.toMatchObject({
      code: 'lock-lost',
      message: expect.stringContaining('work:broken'),
    });
    await sleep(30_000, isHeld.signal);
    await breakLocks(two.database, 'work:broken');
    // Another server has it as soon as the connection is gone, whether the first knows or not.
    await two.cluster.locks.run('broken', async () => {
      await writeBuildId(two, 'other');
    });
    isTaken.abort();
    await refused;
    const rows = await two.database.selectFrom('build_ids').select('cpv').orderBy('cpv').execute();
    expect(rows.map(({ cpv }) => cpv)).toEqual(['before', 'other']);
    await one.cluster.locks.run('broken', async () => {
      await writeBuildId(one, 'again');
    });
  });

  it('are not asked for by work that goes on after they were let go of', async () => {
    let later: Promise<void> | undefined;
    await one.cluster.locks.run('short', async () => {
      later = sleep(50, new AbortController().signal).then(
        async () => await writeBuildId(one, 'later'),
      );
    });
    await later;
  });
});

describe('the leader', () => {
  it('is one of the servers, and another when it has lost its lock or stops', async () => {
    const running = new Set<string>();
    const serviceOf = (name: string): Service => ({
      name,
      start: async () => {
        running.add(name);
      },
      stop: async () => {
        running.delete(name);
      },
    });
    const leaderships = [
      one.cluster.leading([serviceOf('one')]),
      two.cluster.leading([serviceOf('two')]),
    ] as const;
    await leaderships[0].start();
    await poll('one to lead', () => (running.has('one') ? true : undefined));
    await leaderships[1].start();
    await breakLocks(two.database, 'leader');
    await poll('two to lead, or one again', () => (running.size === 1 ? true : undefined));
    await leaderships[0].stop();
    await poll('two to lead', () => (running.has('two') ? true : undefined));
    expect([...running]).toEqual(['two']);
    await leaderships[1].stop();
    expect(running.size).toBe(0);
  });
});

describe('the journal of several servers', () => {
  it('is told to the listeners of each, in the order of its numbers', async () => {
    const parts = [one, two].map(({ database, cluster }) => {
      const journal = new Journal(database, systemClock, () => {
        cluster.hint();
      });
      const heard: number[] = [];
      journal.listen(({ seq }) => heard.push(seq));
      const following = cluster.following(() => {
        journal.look((error) => {
          throw error;
        });
      });
      return { journal, heard, following };
    });
    for (const { journal, following } of parts) {
      await journal.follow();
      await following.start();
    }
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        await parts[index % 2]?.journal.record({ kind: 'k', subject: 's', actor: 'a', data: {} });
      }),
    );
    const all = (await parts[0]?.journal.find({ limit: 1000, after: 0 })) ?? [];
    const numbers = all.map(({ seq }) => seq);
    for (const { heard, following } of parts) {
      await poll('all events', () => (heard.length >= 40 ? true : undefined));
      expect(heard).toEqual(numbers);
      await following.stop();
    }
  });
});

describe('notes of what is under way', () => {
  it('are left alone while their server lives, and found once it is gone', async () => {
    const intent = { kind: 'publication', profile: 'web', channel: 'testing', serial: 7 } as const;
    const notes = join(folder, 'intents');
    const url = await databases.make('notes');
    const [living, dying] = [await enter(url), await enter(url)];
    const own = new Intents(notes, living.cluster);
    await new Intents(notes, dying.cluster).declare(intent);
    expect(await own.leftovers()).toEqual([]);
    expect(await own.underWay()).toEqual([intent]);
    await dying.cluster.close();
    await dying.database.destroy();
    await poll('the other to be gone', async () => {
      const left = await own.leftovers();
      return left.length === 1 ? true : undefined;
    });
    for (const left of await own.leftovers()) {
      expect(left.intent).toEqual(intent);
      await left.withdraw();
    }
    expect(await own.leftovers()).toEqual([]);
    await living.cluster.close();
    await living.database.destroy();
  });
});

describe('hints', () => {
  it('are few, however many there is reason for', async () => {
    const heard: string[] = [];
    const client = new Client({ connectionString: place });
    client.on('notification', ({ channel }) => heard.push(channel));
    await client.connect();
    try {
      await client.query(`listen ${HINTS}`);
      for (let turn = 0; turn < 1000; turn += 1) {
        one.cluster.hint();
      }
      await poll('a hint', () => (heard.length > 0 ? true : undefined));
      await sleep(300);
      expect(heard.length).toBeLessThan(10);
    } finally {
      await client.end();
    }
  });
});
