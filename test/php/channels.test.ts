import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Database } from '../../src/database/database.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { FarmKeys } from '../../src/keys/farm-keys.ts';
import type { NodeTree } from '../../src/php/node-trees.ts';
import type { PhpTrees } from '../../src/php/php-trees.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import { newId } from '../../src/support/ids.ts';
import { openTestKeyring, openTestKeys } from '../keys/open-test-keys.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestDatabase } from '../support/test-database.ts';
import { inspectPhp } from './inspect-php.ts';
import { packSmallTree, SMALL_TREE } from './made-tree.ts';
import { openTestPhp } from './open-test-php.ts';

const root = temporaryFolder();
const DAY_MS = 86_400_000;
const CHANNELS = ['testing', 'stable'];
const DEED = { reason: 'because', actor: 'test' };
let folder = '';
let clock: ManualClock;
let database: Database;
let journal: Journal;
let keyring: Keyring;
let keys: FarmKeys;
let php: PhpTrees;
let reported: NodeTree[];

beforeEach(async () => {
  folder = join(root, newId('farm'));
  await mkdir(join(folder, 'state'), { recursive: true });
  clock = new ManualClock();
  reported = [];
  database = await openTestDatabase(join(folder, 'state', 'x.sqlite'), clock);
  journal = new Journal(database, clock);
  keyring = await openTestKeyring(folder, clock);
  php = opened();
  keys = await openTestKeys(folder, {
    clock,
    journal,
    keyring,
    reseal: async () => await php.reseal(),
  });
});
afterEach(async () => {
  await database.destroy();
});

function opened(): PhpTrees {
  return openTestPhp({ folder, clock, journal, keyring, nodeTrees: async () => reported });
}

const served = (...names: string[]): string => join(folder, 'mirror-root/php/web', ...names);

async function add(text: string, channel: string | null = null): Promise<string> {
  const file = join(folder, newId('upload'));
  await writeFile(file, packSmallTree({ ...SMALL_TREE, 'etc/php.ini': { content: `;${text}\n` } }));
  return (await php.importTree({ profile: 'web', file, channel, actor: 'test' })).tree.id;
}

async function promote(channel: string, tree?: string, more: object = {}): Promise<void> {
  const policy = { nodes: 1, checks: ['answers'], withinMs: null };
  const request = { profile: 'web', channel, channels: CHANNELS, tree, policy, force: false };
  await php.promote({ ...request, ...DEED, ...more });
}

const rollBack = async (channel: string, tree?: string): Promise<void> => {
  await php.rollback({ profile: 'web', channel, tree, ...DEED });
};

async function shown(): Promise<Readonly<Record<string, string>>> {
  return (await php.overview('web')).channels;
}

async function report(tree: string, more: Partial<NodeTree> = {}): Promise<void> {
  const { listing } = await php.tree('web', tree);
  reported.push({
    node: 'pre1',
    tree,
    channel: 'testing',
    manifest: listing.manifest,
    state: 'active',
    requires: '',
    passed: ['answers'],
    failed: [],
    reportedAt: clock.now(),
    ...more,
  });
}

async function faults(): Promise<string[]> {
  return await inspectPhp(served(), { publicKeys: keyring.publicKeys(), clock });
}

describe('a channel', () => {
  it('shows on stable only what testing shows and a node has proven, or what is forced with a reason', async () => {
    const [a, b] = [await add('a', 'testing'), await add('b')];

    await expect(promote('stable')).rejects.toMatchObject({ code: 'php-promotion-not-proven' });
    const { listing } = await php.tree('web', a);
    const unfit: Partial<NodeTree>[] = [
      { state: 'standby' },
      { failed: ['logs'] },
      { passed: ['other'] },
      { channel: 'stable' },
      { manifest: 'ab'.repeat(32) },
      { tree: b, manifest: listing.manifest },
    ];
    for (const more of unfit) {
      reported = [];
      await report(a, more);
      await expect(promote('stable')).rejects.toMatchObject({ code: 'php-promotion-not-proven' });
    }
    await report(a);
    await promote('stable');
    await report(b);
    await expect(promote('stable', b)).rejects.toMatchObject({
      details: { missing: [`testing shows ${a}.`] },
    });
    await expect(promote('stable', b, { force: true, reason: ' ' })).rejects.toMatchObject({
      code: 'reason-required',
    });
    await promote('stable', b, { force: true });

    expect(await shown()).toEqual({ testing: a, stable: b });
    const { deeds, serial } = await php.overview('web');
    expect(deeds[0]).toMatchObject({ kind: 'promote', before: a, forced: [`testing shows ${a}.`] });
    expect(serial).toBe(4);
    expect((await journal.latest(1, 'php:web'))[0]).toMatchObject({
      kind: 'php-promoted',
      data: { tree: b, serial: 4, reason: 'because' },
    });
    expect(await faults()).toEqual([]);
  });

  it('is not promoted to what it shows, to nothing, and to what is not there', async () => {
    const a = await add('a', 'testing');
    await expect(promote('testing', a)).rejects.toMatchObject({ code: 'php-nothing-to-promote' });
    await expect(promote('testing')).rejects.toMatchObject({ code: 'php-nothing-to-promote' });
    await expect(promote('testing', '9.9.9-web-r1')).rejects.toMatchObject({
      code: 'unknown-php-tree',
    });
  });

  it('goes back step by step, and never to what a rollback has left', async () => {
    const ids = [await add('a', 'testing'), await add('b', 'testing'), await add('c', 'testing')];
    await rollBack('testing');
    expect(await shown()).toEqual({ testing: ids[1] });
    await promote('testing', await add('d'));
    await rollBack('testing');
    expect(await shown()).toEqual({ testing: ids[1] });
    await rollBack('testing');
    expect(await shown()).toEqual({ testing: ids[0] });
    await expect(rollBack('testing')).rejects.toMatchObject({ code: 'php-nothing-to-roll-back' });
    await rollBack('testing', ids[2]);
    expect(await shown()).toEqual({ testing: ids[2] });
  });
});

describe('the serial', () => {
  it('only grows, also when the INDEX or the ledger is lost', async () => {
    const [a, b] = [await add('a', 'testing'), await add('b', 'testing')];
    rmSync(served('INDEX.json'));
    await php.recover({ othersRun: false });
    const first = await php.overview('web');
    expect(first.serial).toBe(3);
    expect(first.channels).toEqual({ testing: b });
    expect(first.trees.map(({ id }) => id)).toEqual([a, b]);

    rmSync(join(folder, 'state/php/web.json'));
    const c = await add('c');
    expect(c).toBe('8.2.30-web-r3');
    expect((await php.overview('web')).serial).toBe(4);

    writeFileSync(served('INDEX.json'), '{');
    await php.recover({ othersRun: false });
    expect((await php.overview('web')).serial).toBe(5);
    expect(await faults()).toEqual([]);
  });

  it('is not used twice when an INDEX was announced in the ledger and never came', async () => {
    await add('a', 'testing');
    const file = join(folder, 'state/php/web.json');
    const ledger = JSON.parse(readFileSync(file, 'utf8'));
    const stray = { ...ledger.deeds[0], serial: 2, tree: '8.2.30-web-r9' };
    const next = { ...ledger, serial: 2, removed: [stray.tree, ledger.deeds[0].tree] };
    writeFileSync(file, JSON.stringify({ ...next, deeds: [...ledger.deeds, stray] }));
    const b = await add('b', 'testing');

    const { serial, deeds } = await php.overview('web');
    expect([serial, deeds.length, deeds[0]?.tree]).toEqual([3, 2, b]);
    expect(await faults()).toEqual([]);
  });
});

describe('a tree', () => {
  it('is removed only when no channel shows it and no node has it; its id never comes again', async () => {
    const [a, b] = [await add('a', 'testing'), await add('b', 'testing')];
    const remove = async (tree: string, force = false): Promise<void> =>
      await php.remove({ profile: 'web', tree, force, ...DEED });

    await expect(remove(b, true)).rejects.toMatchObject({ code: 'php-tree-in-use' });
    await report(a, { state: 'resident' });
    await expect(remove(a)).rejects.toMatchObject({ code: 'php-tree-in-use' });
    await remove(a, true);

    expect(existsSync(served(a))).toBe(false);
    await php.recover({ othersRun: false });
    expect((await php.overview('web')).trees.map(({ id }) => id)).toEqual([b]);
    await rollBack('testing', b).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'php-nothing-to-roll-back' });
    });
    expect(await add('a')).toBe('8.2.30-web-r3');
    expect(await faults()).toEqual([]);
  });

  it('is collected when nothing keeps it', async () => {
    const ids: string[] = [];
    for (const text of 'abcdef') {
      ids.push(await add(text, text === 'f' ? null : 'testing'));
      clock.advance(DAY_MS);
    }
    const [a = '', b = '', c = '', d = '', e = '', f = ''] = ids;
    await report(b, { state: 'resident' });
    const policy = { keepLast: 1, graceMs: 0, reportedWithinMs: 2 * DAY_MS };
    const collect = async (dryRun: boolean) =>
      await php.collect({ profile: 'web', policy, dryRun, actor: 'server' });

    const planned = await collect(true);
    expect(planned.map(({ id, keep }) => [id, keep.join()])).toEqual([
      [a, ''],
      [b, 'a node has it'],
      [c, ''],
      [d, 'a rollback of testing goes to it'],
      [e, 'testing shows it'],
      [f, 'one of the last 1'],
    ]);
    expect((await php.overview('web')).trees).toHaveLength(6);
    await collect(false);
    expect(readdirSync(served()).filter((name) => name.startsWith('8'))).toEqual([b, d, e, f]);

    clock.advance(3 * DAY_MS);
    await collect(false);
    expect((await php.overview('web')).trees.map(({ id }) => id)).toEqual([d, e, f]);
    expect(await faults()).toEqual([]);
  });
});

describe('a key', () => {
  it('that takes over signs INDEX and every MANIFEST at once, and what is signed stays', async () => {
    await add('a', 'testing');
    const before = readFileSync(served('INDEX.json'), 'utf8');
    const old = keys.fingerprint();
    const rotation = { ...DEED, key: { kind: 'primary' as const }, overlapMs: 0, now: true };
    await keys.rotate({ ...rotation, resign: false });
    const list = await keys.revoke({
      ...DEED,
      fingerprint: keys.list().find(({ state }) => state === 'previous')?.fingerprint ?? '',
      cause: 'compromised',
    });

    expect(list.some(({ state }) => state === 'revoked')).toBe(true);
    expect(keys.fingerprint()).not.toBe(old);
    expect(readFileSync(served('INDEX.json'), 'utf8')).toBe(before);
    expect(await faults()).toEqual([]);
    expect(await php.reseal()).toBe(0);
  });
});
