import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { tarOf } from '../../src/binpkg/archive/tar-writer.ts';
import type { Database } from '../../src/database/database.ts';
import { Journal } from '../../src/journal/journal.ts';
import { parseManifest } from '../../src/php/manifest.ts';
import { parseIndex } from '../../src/php/php-index.ts';
import type { PhpTrees } from '../../src/php/php-trees.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { newId } from '../../src/support/ids.ts';
import { openTestKeyring } from '../keys/open-test-keys.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestDatabase } from '../support/test-database.ts';
import { FACTS, packSmallTree, SMALL_TREE, type TreeFiles } from './made-tree.ts';
import { openTestPhp } from './open-test-php.ts';

const root = temporaryFolder();
let folder = '';
let database: Database;
let php: PhpTrees;
let keyring: Keyring;
const clock = new ManualClock();

beforeAll(async () => {
  keyring = await openTestKeyring(root, clock);
});

beforeEach(async () => {
  folder = join(root, newId('farm'));
  await mkdir(join(folder, 'state'), { recursive: true });
  database = await openTestDatabase(join(folder, 'state', 'x.sqlite'), clock);
  const journal = new Journal(database, clock);
  php = openTestPhp({
    folder,
    clock,
    journal,
    keyring,
    limits: { entries: 40, bytes: 100_000, factsBytes: 5000 },
  });
});
afterEach(async () => {
  await database.destroy();
});

const place = (...path: string[]): string => join(folder, 'mirror-root/php/web', ...path);
const inode = (id: string, path: string): number => statSync(place(id, path)).ino;

async function importFiles(files: TreeFiles, facts: object = FACTS, channel: string | null = null) {
  const file = join(folder, newId('upload'));
  await writeFile(file, packSmallTree(files, facts));
  return await php.importTree({ profile: 'web', file, channel, actor: 'test' });
}

function names(): string[] {
  return readdirSync(place()).toSorted();
}

async function verified(file: string, signature: string): Promise<string> {
  const verifier = await createVerifier([keyring.publicKeys()], { clock });
  const state = createHash('sha512').update(readFileSync(file));
  await verifier.verifyState(state, readFileSync(signature, 'utf8'));
  return readFileSync(file, 'utf8');
}

describe('an imported tree', () => {
  it('lies there complete and signed, and INDEX lists it', async () => {
    const { tree, isNew, serial } = await importFiles(SMALL_TREE, FACTS, 'testing');

    expect([tree.id, isNew, serial]).toEqual(['8.2.30-web-r1', true, 1]);
    const text = await verified(place(tree.id, 'MANIFEST'), place(tree.id, 'MANIFEST.sig'));
    const { entries } = parseManifest(text);
    const found = readdirSync(place(tree.id), { recursive: true, encoding: 'utf8' })
      .filter((path) => !path.startsWith('MANIFEST'))
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(entries.map(({ path }) => path)).toEqual(found);
    for (const entry of entries) {
      const status = lstatSync(place(tree.id, entry.path));
      if (entry.type === 'file') {
        const bytes = readFileSync(place(tree.id, entry.path));
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(entry.sha256);
        expect([status.size, status.mode & 0o7777]).toEqual([entry.bytes, entry.mode]);
      }
    }
    const signature = names().find((name) => name.endsWith('.sig')) ?? '';
    const index = parseIndex(await verified(place('INDEX.json'), place(signature)));
    expect(index.channels).toEqual({ testing: tree.id });
    expect(index.trees).toEqual([tree.listing]);
    expect(tree.listing.manifest).toBe(createHash('sha256').update(text).digest('hex'));
    expect(tree.meta).toMatchObject({
      php: '8.2.30',
      sapis: ['cli', 'fpm'],
      requires: 'x86_64: libc.so.6 libssl.so.3',
      extensions: ['Core', 'pdo'],
    });
  });

  it('is none when another has its content, whatever it was made of', async () => {
    const first = await importFiles(SMALL_TREE);
    const sources = [{ name: 'elsewhere', sha256: null }];
    const again = await importFiles(SMALL_TREE, { ...FACTS, build: { ...FACTS.build, sources } });

    expect([again.isNew, again.tree.id, again.serial]).toEqual([false, first.tree.id, 1]);
    expect(names().filter((name) => name.startsWith('8'))).toEqual([first.tree.id]);

    const shown = await importFiles(SMALL_TREE, FACTS, 'testing');
    expect([shown.isNew, shown.serial]).toEqual([false, 2]);
    expect((await php.overview('web')).channels).toEqual({ testing: first.tree.id });
  });

  it('shares what is the same with an earlier one, and gets the next revision', async () => {
    const first = await importFiles(SMALL_TREE);
    const changed = { ...SMALL_TREE, 'etc/php.ini': { content: 'memory_limit = 512M\n' } };
    const second = await importFiles(changed);

    expect(second.tree.id).toBe('8.2.30-web-r2');
    expect(inode(second.tree.id, 'bin/php')).toBe(inode(first.tree.id, 'bin/php'));
    expect(inode(second.tree.id, 'etc/php.ini')).not.toBe(inode(first.tree.id, 'etc/php.ini'));
  });

  it('does not share a file that was damaged meanwhile', async () => {
    const first = await importFiles(SMALL_TREE);
    await writeFile(place(first.tree.id, 'sbin/php-fpm'), 'damaged');
    chmodSync(place(first.tree.id, 'sbin/php-fpm'), 0o755);
    const second = await importFiles({ ...SMALL_TREE, 'etc/php.ini': { content: ';\n' } });

    expect(readFileSync(place(second.tree.id, 'sbin/php-fpm'))).not.toEqual(Buffer.from('damaged'));
  });

  it('of several at once gets a revision of its own each', async () => {
    const all = await Promise.all(
      [1, 2, 3, 4].map(
        async (n) => await importFiles({ ...SMALL_TREE, 'etc/php.ini': { content: `;${n}\n` } }),
      ),
    );

    expect(all.map(({ tree }) => tree.id).toSorted()).toEqual(
      [1, 2, 3, 4].map((n) => `8.2.30-web-r${n}`),
    );
    expect((await php.overview('web')).trees).toHaveLength(4);
  });
});

describe('an upload is refused', () => {
  const elf = SMALL_TREE['bin/php'] ?? {};
  it.each<[string, TreeFiles, string]>([
    ['that leads out', { 'bin/../../../x': {} }, 'php-tree-refused'],
    ['with a file at the top', { README: {} }, 'php-tree-refused'],
    ['with a MANIFEST of its own', { MANIFEST: {} }, 'php-tree-refused'],
    ['with a hidden name', { 'etc/.x': {} }, 'php-tree-refused'],
    ['with a blank in a name', { 'etc/a b': {} }, 'php-tree-refused'],
    ['with a line feed in a name', { 'etc/a\nb': {} }, 'php-tree-refused'],
    ['with an absolute link', { 'etc/x': { link: '/etc/passwd' } }, 'php-tree-refused'],
    ['with a link that leads out', { 'etc/x': { link: '../../x' } }, 'php-tree-refused'],
    [
      'with a file below a link',
      { 'etc/x': { link: 'conf.d' }, 'etc/x/y': {} },
      'php-tree-refused',
    ],
    ['with a set-id program', { 'bin/php': { ...elf, mode: 0o4755 } }, 'php-tree-refused'],
    ['with what everybody may write', { 'etc/x': { mode: 0o666 } }, 'php-tree-refused'],
    ['with a hard link', { 'etc/x': { hardlink: 'image/tree/etc/php.ini' } }, 'php-tree-refused'],
    ['with too many bytes', { 'etc/x': { content: 'x'.repeat(100_000) } }, 'php-tree-too-large'],
    [
      'with too many files',
      Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`etc/${n}`, {}])),
      'php-tree-too-large',
    ],
    [
      'whose php is no program',
      { 'bin/php': { content: '#!/bin/sh\n', mode: 0o755 } },
      'php-tree-incomplete',
    ],
    ['whose php cannot be executed', { 'bin/php': { ...elf, mode: 0o644 } }, 'php-tree-incomplete'],
  ])('%s', async (_, files, code) => {
    await expect(importFiles({ ...SMALL_TREE, ...files })).rejects.toMatchObject({ code });

    expect(names()).toEqual([]);
    expect(readdirSync(root).filter((name) => name === 'x')).toEqual([]);
  });

  it.each(['sbin/php-fpm', 'etc/php.ini', 'bin/php', 'etc/php-fpm.conf'])(
    'without %s',
    async (path) => {
      const files = Object.fromEntries(
        Object.entries(SMALL_TREE).filter(([name]) => name !== path),
      );
      await expect(importFiles(files)).rejects.toMatchObject({ code: 'php-tree-incomplete' });
      expect(names()).toEqual([]);
    },
  );

  it.each([{ php: '8.2/../..' }, { extensions: [] }, { api: 'x' }, { more: 1 }])(
    'that says %j',
    async (said) => {
      await expect(importFiles(SMALL_TREE, { ...FACTS, ...said })).rejects.toMatchObject({
        code: 'php-facts-invalid',
      });
      expect(names()).toEqual([]);
    },
  );

  it('that is cut off, wherever that is', async () => {
    const whole = packSmallTree(SMALL_TREE, FACTS);
    const file = join(folder, 'cut');
    const end = whole.findLastIndex((byte) => byte !== 0);
    for (let size = 0; size + 7 < end; size += 512) {
      await writeFile(file, whole.subarray(0, size + 7));
      await expect(
        php.importTree({ profile: 'web', file, channel: null, actor: 'test' }),
      ).rejects.toHaveProperty('code');
    }
    expect(names()).toEqual([]);
  });

  it('that is no tar', async () => {
    const file = join(folder, 'no-tar');
    await writeFile(file, tarOf([], 'gnu'));
    await expect(
      php.importTree({ profile: 'web', file, channel: null, actor: 'test' }),
    ).rejects.toMatchObject({ code: 'php-facts-invalid' });
  });
});

async function importBuilt(id: string, files: TreeFiles = SMALL_TREE) {
  const file = join(folder, newId('upload'));
  await writeFile(file, packSmallTree(files));
  const sources = [{ name: 'php.tar.xz', sha256: 'cd'.repeat(32) }];
  const build = { kind: 'build' as const, sources, agent: 'b1' };
  const request = { profile: 'web', file, channel: null, actor: 'agent:b1' };
  return await php.importTree({ ...request, built: { id, build } });
}

describe('a tree that the farm has built', () => {
  it('gets the id that was set aside for it, which no import takes', async () => {
    const id = await php.reserve('web', '8.2.30');
    expect(id).toBe('8.2.30-web-r1');
    expect((await importFiles(SMALL_TREE)).tree.id).toBe('8.2.30-web-r2');
    expect(await php.reserve('web', '8.2.30')).toBe('8.2.30-web-r3');
    expect(await php.isListed('web', id)).toBe(false);

    const { tree, isNew } = await importBuilt(id);
    expect([tree.id, isNew]).toEqual([id, true]);
    expect(tree.meta.build).toMatchObject({ kind: 'build', agent: 'b1' });
    expect(tree.meta.build.sources).toEqual([{ name: 'php.tar.xz', sha256: 'cd'.repeat(32) }]);
    expect(await php.isListed('web', id)).toBe(true);
  });

  it('is what came first, however often and whatever comes again', async () => {
    const id = await php.reserve('web', '8.2.30');
    const first = await importBuilt(id);
    const more = { ...SMALL_TREE, 'etc/conf.d/99-more.ini': { content: 'x = 1\n' } };
    const again = await importBuilt(id, more);

    expect(again).toMatchObject({ isNew: false, serial: first.serial });
    expect(again.tree.listing).toEqual(first.tree.listing);
  });

  it('is listed when a server ended between its place and INDEX', async () => {
    const id = await php.reserve('web', '8.2.30');
    const first = await importBuilt(id);
    await rm(place('INDEX.json'));
    expect(await importBuilt(id)).toMatchObject({ isNew: false, serial: first.serial + 1 });
    expect(await php.isListed('web', id)).toBe(true);
  });

  it('has to be the version that the id says', async () => {
    const id = await php.reserve('web', '8.2.31');
    await expect(importBuilt(id)).rejects.toMatchObject({ code: 'php-version-differs' });
    expect(await php.isListed('web', id)).toBe(false);
  });
});
