import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { mayActAs } from '../../src/access/role.ts';
import { Tokens } from '../../src/access/tokens.ts';
import type { Database } from '../../src/database/database.ts';
import type { Event } from '../../src/journal/event.ts';
import { Journal } from '../../src/journal/journal.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestDatabase } from '../support/test-database.ts';

const clock = new ManualClock();
const folder = temporaryFolder();
let database: Database;
let journal: Journal;
let tokens: Tokens;
beforeAll(async () => {
  database = await openTestDatabase(join(folder, 'db.sqlite'), clock);
  journal = new Journal(database, clock);
  tokens = new Tokens(database, journal, clock);
});

describe('Tokens', () => {
  it('identify whoever holds one, until it is revoked', async () => {
    const token = await tokens.create('pre1', 'builder', 'token:root');
    expect(await tokens.identify(token)).toEqual({ name: 'pre1', role: 'builder' });
    expect(await tokens.identify(`${token}x`)).toBeUndefined();

    await tokens.revoke('pre1', 'token:root');

    expect(await tokens.identify(token)).toBeUndefined();
    await expect(tokens.revoke('pre1', 'token:root')).rejects.toMatchObject({
      code: 'unknown-token',
    });
    expect((await journal.latest(2)).map(({ kind, actor }) => [kind, actor])).toEqual([
      ['token-revoked', 'token:root'],
      ['token-created', 'token:root'],
    ]);
  });

  it('are kept nowhere as they are', async () => {
    const token = await tokens.create('secret', 'node', 'token:root');
    const everything = JSON.stringify([
      await database.selectFrom('tokens').selectAll().execute(),
      await database.selectFrom('events').selectAll().execute(),
    ]);
    expect(everything).not.toContain(token);
  });

  it('have one name each, and a plain one', async () => {
    await tokens.create('twice', 'admin', 'server');
    await expect(tokens.create('twice', 'admin', 'server')).rejects.toMatchObject({
      code: 'token-exists',
    });
    await expect(tokens.create('a b', 'admin', 'server')).rejects.toMatchObject({
      code: 'token-name-invalid',
      message: expect.stringContaining('"a b"'),
    });
  });
});

describe('a token that is made again', () => {
  it('under a revoked name opens, and the old one stays shut', async () => {
    const old = await tokens.create('again', 'builder', 'token:root');
    await tokens.revoke('again', 'token:root');
    const fresh = await tokens.create('again', 'node', 'token:root');

    expect(await tokens.identify(old)).toBeUndefined();
    expect(await tokens.identify(fresh)).toEqual({ name: 'again', role: 'node' });
    const listed = (await tokens.list()).filter(({ name }) => name === 'again');
    expect(listed).toMatchObject([{ role: 'node', revokedAt: null }]);
    expect((await journal.latest(3, 'token:again')).map(({ kind }) => kind)).toEqual([
      'token-created',
      'token-revoked',
      'token-created',
    ]);
    await expect(tokens.create('again', 'node', 'token:root')).rejects.toMatchObject({
      code: 'token-exists',
    });
  });

  it('by rotation keeps name and role, and voids the old secret at once', async () => {
    const old = await tokens.create('turning', 'builder', 'token:root');
    clock.advance(1000);
    const { role, token } = await tokens.rotate('turning', 'token:root');

    expect(role).toBe('builder');
    expect(await tokens.identify(old)).toBeUndefined();
    expect(await tokens.identify(token)).toEqual({ name: 'turning', role: 'builder' });
    expect((await tokens.list()).find(({ name }) => name === 'turning')?.createdAt).toBe(
      clock.now(),
    );
    expect(await journal.latest(1, 'token:turning')).toMatchObject([
      { kind: 'token-rotated', actor: 'token:root' },
    ]);
    await tokens.revoke('turning', 'token:root');
    for (const name of ['turning', 'nobody']) {
      await expect(tokens.rotate(name, 'token:root')).rejects.toMatchObject({
        code: 'unknown-token',
      });
    }
    expect(await tokens.identify(token)).toBeUndefined();
  });
});

describe('roles', () => {
  it('admin may act as every role, the others only as themselves', () => {
    expect(mayActAs({ name: 'x', role: 'admin' }, 'builder')).toBe(true);
    expect(mayActAs({ name: 'x', role: 'builder' }, 'builder')).toBe(true);
    expect(mayActAs({ name: 'x', role: 'builder' }, 'admin')).toBe(false);
    expect(mayActAs({ name: 'x', role: 'node' }, 'builder')).toBe(false);
  });
});

describe('Journal', () => {
  it('tells listeners after the commit, in order, until they leave', async () => {
    const heard: Event[] = [];
    const leave = journal.listen((event) => heard.push(event));
    await journal.record({ kind: 'one', subject: 's', actor: 'server', data: { n: 1 } });
    await journal.record({ kind: 'two', subject: 's', actor: 'server', data: { n: 2 } });
    leave();
    await journal.record({ kind: 'three', subject: 's', actor: 'server', data: {} });

    expect(heard.map(({ kind }) => kind)).toEqual(['one', 'two']);
    expect(await journal.latest(2, 's')).toMatchObject([
      { kind: 'three' },
      { kind: 'two', data: { n: 2 } },
    ]);
  });

  it('keeps nothing of a deed that was undone', async () => {
    const work = database.transaction().execute(async (queries) => {
      await journal.write(queries, { kind: 'undone', subject: 'u', actor: 'server', data: {} });
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    expect(await journal.latest(5, 'u')).toEqual([]);
  });
});
