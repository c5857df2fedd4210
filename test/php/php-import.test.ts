import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import { packImage } from '../../src/binpkg/image.ts';
import { phpImportedSchema } from '../../src/protocol/php.ts';
import { systemClock } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';
import { runProgram } from '../cli/run-program.ts';
import { LiveServer, stopLiveServersAfterEach } from '../support/live-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectPhp } from './inspect-php.ts';

const root = temporaryFolder();
let folder = '';
stopLiveServersAfterEach();

let server: LiveServer;

beforeEach(async () => {
  folder = join(root, newId('farm'));
  await mkdir(folder);
  server = await LiveServer.create(folder);
  await server.start();
});

async function rookery(...words: readonly string[]) {
  return await runProgram(
    ['php', ...words, '--server', server.url, '--token-file', server.tokenFile],
    {
      cwd: folder,
      env: { TMPDIR: folder },
    },
  );
}

async function refused(...words: readonly string[]): Promise<string> {
  return (await rookery('import', 'web', ...words)).stderr;
}

async function imported(...words: readonly string[]) {
  const { code, stdout, stderr } = await rookery('import', 'web', ...words, '--json');
  expect([code, stderr.replaceAll(/.*: [0-9.]+ \S+ of .*\n/g, '')]).toEqual([0, '']);
  return phpImportedSchema.parse(JSON.parse(stdout));
}

/** The image of Gentoo's dev-lang/php, with Debian's programs in it. */
async function gentooImage(): Promise<string> {
  const image = join(folder, 'gentoo');
  const base = join(image, 'usr/lib64/php8.2');
  const extensions = join(base, 'lib64/extensions/no-debug-non-zts-20220829');
  await mkdir(join(base, 'bin'), { recursive: true });
  await mkdir(extensions, { recursive: true });
  await mkdir(join(image, 'etc/php/cli-php8.2'), { recursive: true });
  await writeFile(join(image, 'etc/php/cli-php8.2/php.ini'), 'include_path = "/host/only"\n');
  await copyFile('/usr/bin/php8.2', join(base, 'bin/php'));
  await copyFile('/usr/sbin/php-fpm8.2', join(base, 'bin/php-fpm'));
  for (const name of ['ctype.so', 'pdo.so', 'opcache.so']) {
    await copyFile(join('/usr/lib/php/20220829', name), join(extensions, name));
  }
  return image;
}

async function gentooPackage(image: string): Promise<string> {
  const file = join(folder, 'php-8.2.30-1.gpkg.tar');
  await writeGpkg({
    base: 'php-8.2.30-1',
    metadata: new Map([
      ['CATEGORY', 'dev-lang\n'],
      ['PF', 'php-8.2.30\n'],
    ]),
    image: (await packImage(image)).stream(),
    out: file,
    workFolder: folder,
    mtimeSeconds: 1_767_000_000,
  });
  return file;
}

describe('rookery php import', () => {
  it('takes a GPKG of dev-lang/php, its image, and a tree of another server: one content, one tree', async () => {
    const image = await gentooImage();
    const file = await gentooPackage(image);

    const first = await imported(file, '--publish', 'testing');
    expect([first.isNew, first.serial]).toEqual([true, 1]);
    expect(first.tree).toMatchObject({ channels: ['testing'], sapis: ['cli', 'fpm'], revision: 1 });
    expect(first.tree.extensions).toEqual(expect.arrayContaining(['PDO', 'ctype', 'Zend OPcache']));
    expect(first.tree.sources[0]?.name).toBe('php-8.2.30-1.gpkg.tar');
    expect(first.tree.sources[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
    const served = join(server.config.paths.mirrorRoot, 'php/web');
    const tree = join(served, first.tree.id);
    expect(readFileSync(join(tree, 'etc/php.ini'), 'utf8')).not.toContain('/host/only');
    expect(readdirSync(join(tree, 'etc/conf.d'))).toEqual([
      '10-opcache.ini',
      '20-pdo.ini',
      '30-ctype.ini',
    ]);
    expect(readFileSync(join(tree, 'etc/conf.d/10-opcache.ini'), 'utf8')).toBe(
      'zend_extension = opcache.so\n',
    );

    expect(await imported(image)).toMatchObject({ isNew: false, tree: { id: first.tree.id } });
    expect(await imported(tree)).toMatchObject({ isNew: false, tree: { id: first.tree.id } });
    const { stdout } = await rookery('import', 'web', tree);
    expect(stdout).toContain(`${first.tree.id} has the same content already`);

    const without = await imported(tree, '--no-run', '--extensions', 'Core', 'PDO');
    expect(without).toMatchObject({
      isNew: true,
      tree: { revision: 2, extensions: ['Core', 'PDO'] },
    });
    const publicKeys = readFileSync(
      join(server.config.paths.mirrorRoot, 'keys/rookery.asc'),
      'utf8',
    );
    expect(await inspectPhp(served, { publicKeys, clock: systemClock })).toEqual([]);
    expect(readdirSync(join(server.config.paths.state, 'uploads'))).toEqual([]);
  });

  it('takes the PHP of a running Debian, and leaves out what it is told to', async () => {
    const { tree } = await imported('/', '--version', '8.2', '--without', 'ffi', 'sockets');

    expect(tree.extensions).not.toContain('FFI');
    expect(tree.extensions).not.toContain('sockets');
    expect(tree.requires).toContain('libc.so.6');
  });

  it('says what is wrong before it sends anything', async () => {
    expect(await refused(join(folder, 'nothing'))).toContain('[php-source-missing]');
    expect(await refused(join(folder, 'profiles'))).toContain('[php-not-found]');
    expect(await refused('/', '--version', '7.4')).toContain('[php-not-found]');
    expect(await refused('/', '--version', '8.2.1')).toContain('[php-version-differs]');
    expect(await refused('/', '--no-run')).toContain('--extensions');
    const broken = await gentooImage();
    const extensions = join(broken, 'usr/lib64/php8.2/lib64/extensions/no-debug-non-zts-20220829');
    await writeFile(join(extensions, 'broken.so'), 'no ELF file');
    expect(await refused(broken)).toContain('[php-extension-fails]');
    await writeFile(join(extensions, 'broken.so'), 'API20210902,NTS\0');
    expect(await refused(broken)).toContain('[php-extension-foreign]');
    expect(await refused('/', '--version', '8.2', '--publish', 'nowhere')).toContain(
      '[unknown-channel]',
    );
  });
});
