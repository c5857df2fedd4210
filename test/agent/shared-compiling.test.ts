import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { LiveServer } from '../support/live-server.ts';
import { SharedFarm } from '../support/shared-builders.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

jest.setTimeout(240_000);
const FILES = 12;

const folder = temporaryFolder();
let server: LiveServer;
let farm: SharedFarm;

const PROFILE = [
  'description = "for this test"',
  'arch = "amd64"',
  'chost = "x86_64-pc-linux-gnu"',
  'cflags = "-O2 -g"',
  'executor = "source"',
];

async function addProfile(name: string, lines: readonly string[]): Promise<void> {
  const place = join(server.folder, 'profiles', name);
  await mkdir(join(place, 'recipes'), { recursive: true });
  await writeFile(join(place, 'profile.toml'), [...PROFILE, ...lines, ''].join('\n'));
  for (const version of [1, 2]) {
    await writeFile(
      join(place, 'recipes', `many-${version}.toml`),
      [
        `cpv = "app-test/many-${version}"`,
        'description = "many files"',
        'build = ["make $MAKEOPTS CC=\\"$CC\\"", "ccache --version > /dev/null"]',
        'install = ["make install DESTDIR=\\"$D\\""]',
        '[source]',
        `folder = "${join(folder, 'source')}"`,
        '',
      ].join('\n'),
    );
  }
}

beforeAll(async () => {
  await chmod(folder, 0o755);
  const source = join(folder, 'source');
  await mkdir(source);
  const names = Array.from({ length: FILES }, (_, index) => `part${index}`);
  for (const [index, name] of names.entries()) {
    await writeFile(
      join(source, `${name}.c`),
      `#include <stdio.h>\nint ${name}(void) { return printf("%s %d\\n", __FILE__, ${index}); }\n`,
    );
  }
  await writeFile(
    join(source, 'main.c'),
    'int part0(void);\nint main(void) { return part0() < 0; }\n',
  );
  await writeFile(
    join(source, 'Makefile'),
    [
      `objects = main.o ${names.map((name) => `${name}.o`).join(' ')}`,
      'many: $(objects)\n\t$(CC) $(LDFLAGS) -o $@ $(objects)',
      '%.o: %.c\n\t$(CC) $(CFLAGS) -c -o $@ $<',
      'install:\n\tmkdir -p $(DESTDIR)/usr/bin\n\tcp many $(DESTDIR)/usr/bin/',
      '',
    ].join('\n'),
  );
  server = await LiveServer.create(folder);
  await addProfile('shared', ['[distcc]', 'enabled = true', '[ccache]', 'enabled = true']);
  await addProfile('spread', ['[distcc]', 'enabled = true']);
  await server.start();
  farm = new SharedFarm(server);
});

afterEach(async () => {
  await farm.stopBuilders();
});

afterAll(async () => {
  await server.stop();
});

describe('builders that share their compiling', () => {
  it('compile files for each other with distcc, and not as root', async () => {
    await farm.startBuilders({ one: '127.0.0.2', two: '127.0.0.3' });
    const { by, log } = await farm.build('spread', 'app-test/many');
    const other = farm.otherThan(by);
    const files = await other.compiled();
    expect(files.length).toBeGreaterThan(0);
    expect(await by.compiled()).toEqual([]);
    expect(await other.distccdUser()).not.toBe(0);
    expect(log).toContain(`distcc: ${other.name}; -j`);
  });

  it('find what another has compiled in the ccache that the server keeps', async () => {
    await farm.startBuilders({ three: '127.0.0.2', four: '127.0.0.3' });
    const first = await farm.build('shared', '=app-test/many-1');
    const other = farm.otherThan(first.by);
    expect((await other.compiled()).length).toBeGreaterThan(0);
    expect(await first.by.ccacheCounter('shared', 'remote_storage_error')).toBe(0);
    expect(await first.by.ccacheCounter('shared', 'remote_storage_write')).toBeGreaterThan(FILES);
    expect(existsSync(join(server.config.paths.state, 'ccache/shared'))).toBe(true);

    await farm.stop(first.by);
    const second = await farm.build('shared', '=app-test/many-2');
    expect(second.by).toBe(other);
    expect(await other.ccacheCounter('shared', 'remote_storage_hit')).toBeGreaterThan(0);
    expect(await other.ccacheCounter('shared', 'cache_miss')).toBe(0);
  });

  it('compile by themselves what another does not let them', async () => {
    await farm.startBuilders({ five: '127.0.0.2', six: '127.0.0.3' }, ['10.1.2.3']);
    const { by } = await farm.build('spread', 'app-test/many');
    const other = farm.otherThan(by);
    expect(await other.compiled()).toEqual([]);
    expect(await other.distccdLog()).toContain('127.0.0.');
  });
});
