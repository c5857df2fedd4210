import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Event } from '../../src/journal/event.ts';
import { Journal } from '../../src/journal/journal.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestDatabase } from '../support/test-database.ts';

const folder = temporaryFolder();
/** More than fit in one statement. */
const MANY = 2300;

describe('the journal', () => {
  it('writes many events at once in their order, and tells of them in it', async () => {
    const clock = new ManualClock();
    const database = await openTestDatabase(join(folder, 'journal.sqlite'), clock);
    const journal = new Journal(database, clock);
    const heard: Event[] = [];
    journal.listen((event) => heard.push(event));
    const wanted = Array.from({ length: MANY }, (_, index) => ({
      kind: 'job-ready',
      subject: `job:${index}`,
      actor: 'server',
      data: { index },
    }));
    const written = await database
      .transaction()
      .execute(async (queries) => await journal.writeAll(queries, wanted));
    journal.announce(...written);
    const times = { seq: expect.any(Number), at: clock.now() };
    expect(written).toEqual(wanted.map((event) => ({ ...event, ...times })));
    expect(new Set(written.map(({ seq }) => seq)).size).toBe(MANY);
    expect(heard).toEqual(written);
    expect(await journal.find({ limit: MANY + 1, after: 0 })).toEqual(written);
    expect(await journal.writeAll(database, [])).toEqual([]);
    await database.destroy();
  });
});
