import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run } from '../../src/support/processes.ts';
import { type PublishedTrees, publishTrees } from '../support/php-trees.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
let trees: PublishedTrees;

beforeAll(async () => {
  trees = await publishTrees(folder);
});
afterAll(async () => {
  await trees.close();
});

const treeOf = (id: string): string => join(trees.phpRoot, trees.profile, id);
const inode = (id: string, path: string): number => statSync(join(treeOf(id), path)).ino;

function settingsOf(tree: string): string[] {
  return ['-c', join(tree, 'etc/php.ini'), '-d', `extension_dir=${tree}/lib/extensions`];
}

describe('the PHP of Debian as a tree', () => {
  it('has its programs, extensions and settings, and says what it needs', async () => {
    const { trees: all, channels } = await trees.php.overview(trees.profile);
    const [first, second] = all;

    expect(channels).toEqual({ stable: first?.id, testing: second?.id });
    expect(first?.meta).toMatchObject({
      api: '20220829',
      isThreadSafe: false,
      isDebug: false,
      sapis: expect.arrayContaining(['cli', 'fpm']),
      extensions: expect.arrayContaining(['Core', 'PDO', 'Zend OPcache', 'ctype', 'sockets']),
      requires: expect.stringMatching(/^x86_64: .*\blibc\.so\.6\b/),
      glibc: expect.stringMatching(/^2\.[0-9]+$/),
    });
    const text = readFileSync(join(treeOf(trees.first), 'META.json'), 'utf8');
    expect(text).toContain(`\n"requires": "${first?.meta.requires}",\n`);
    const conf = readdirSync(join(treeOf(trees.first), 'etc/conf.d'));
    const loaded = conf.map((name) => name.replace(/^[0-9]+-(.*)\.ini$/, '$1.so')).toSorted();
    expect(loaded).toEqual(readdirSync(join(treeOf(trees.first), 'lib/extensions')).toSorted());
  });

  it('runs from where it lies, with all of its extensions and no word of complaint', async () => {
    const tree = treeOf(trees.second);
    const command = [
      join(tree, 'bin/php'),
      ...settingsOf(tree),
      '-ddisplay_startup_errors=1',
      '-r',
      'echo ini_get("memory_limit"), PHP_VERSION;',
    ];
    const env = { PHP_INI_SCAN_DIR: `${tree}/etc/conf.d` };
    const { stdout, stderr } = await run(command, { env });

    expect(stderr).toBe('');
    expect(stdout.toString()).toMatch(/^512M8\.2\.[0-9]+$/);
  });

  it('has a template that php-fpm takes once it is filled in', async () => {
    const tree = treeOf(trees.first);
    const template = readFileSync(join(tree, 'etc/php-fpm.conf'), 'utf8');
    const values = { ID: trees.first, TREE: tree, RUN: folder, LOG: folder, SITE: folder };
    const filled = template.replaceAll(/@([A-Z]+)@/g, (_, name) =>
      String(Reflect.get(values, name)),
    );
    const conf = join(folder, 'php-fpm.conf');
    await mkdir(join(folder, 'pools'), { recursive: true });
    await writeFile(conf, filled);
    const command = [join(tree, 'sbin/php-fpm'), '-t', '-y', conf, ...settingsOf(tree)];
    const { exitCode, stderr } = await run(command, {
      env: { PHP_INI_SCAN_DIR: `${tree}/etc/conf.d` },
    });

    expect(stderr).toContain('test is successful');
    expect(stderr).not.toMatch(/error|unknown entry/i);
    expect(exitCode).toBe(0);
  });

  it('costs only what differs: the programs are one inode', () => {
    expect(inode(trees.first, 'bin/php')).toBe(inode(trees.second, 'bin/php'));
    expect(inode(trees.first, 'etc/php.ini')).not.toBe(inode(trees.second, 'etc/php.ini'));
  });

  it('is the same tree when it is imported again', async () => {
    expect(await trees.add()).toBe(trees.first);
  });
});
