import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { agentListSchema } from '../../src/protocol/agents.ts';
import { requestDetailSchema, requestViewSchema } from '../../src/protocol/builds.ts';
import { LiveServer } from '../support/live-server.ts';
import { poll } from '../support/poll.ts';
import { SharedBuilder } from '../support/shared-builders.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

jest.setTimeout(240_000);
const SLOW_MS = 180_000;
const FILES = 12;

const folder = temporaryFolder();
let server: LiveServer;
let builders: SharedBuilder[] = [];

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
});

afterEach(async () => {
  for (const builder of builders) {
    await builder.stop();
  }
  builders = [];
});

async function startBuilders(
  addresses: Readonly<Record<string, string>>,
  allow?: readonly string[],
): Promise<void> {
  for (const [name, address] of Object.entries(addresses)) {
    const more = allow === undefined ? {} : { allow };
    builders.push(await SharedBuilder.start(server, name, { address, ...more }));
  }
  await poll(
    'the builders to be there',
    async () => {
      const { agents } = agentListSchema.parse(JSON.parse(await server.call('GET', '/api/agents')));
      return (
        Object.keys(addresses).every((name) => agents.some((one) => one.name === name)) || undefined
      );
    },
    SLOW_MS,
  );
}

/** Builds, and says who did it and what its log is. */
async function build(profile: string, atom: string): Promise<{ by: SharedBuilder; log: string }> {
  const wanted = { profile, atoms: [atom], rebuild: true };
  const { id } = requestViewSchema.parse(
    JSON.parse(await server.call('POST', '/api/requests', wanted)),
  );
  const detail = await poll(
    `the end of the request for ${atom}`,
    async () => {
      const text = await server.call('GET', `/api/requests/${id}`);
      const found = requestDetailSchema.parse(JSON.parse(text));
      return found.request.finishedAt === null ? undefined : found;
    },
    SLOW_MS,
  );
  const [job] = detail.jobs;
  const log = await server.call('GET', `/api/jobs/${job?.id}/log`);
  expect(`${detail.request.state} ${log}`).toMatch(/^done /);
  const by = builders.find(({ name }) => name === job?.agent);
  if (by === undefined) {
    throw new Error(`nobody is called ${job?.agent}`);
  }
  return { by, log };
}

function othersThan(builder: SharedBuilder): SharedBuilder {
  const other = builders.find((one) => one !== builder);
  if (other === undefined) {
    throw new Error('there is only one builder');
  }
  return other;
}

/** Files that a distccd has compiled, from its log. */
async function compiledBy(builder: SharedBuilder): Promise<string[]> {
  return [...(await builder.distccdLog()).matchAll(/COMPILE_OK .*? (\S+\.c)$/gm)].map(
    ([, file = '']) => file,
  );
}

describe('builders that share their compiling', () => {
  it('compile files for each other with distcc, each with a user of its own', async () => {
    await startBuilders({ one: '127.0.0.2', two: '127.0.0.3' });
    const { by, log } = await build('spread', 'app-test/many');
    const other = othersThan(by);
    const files = await compiledBy(other);
    expect(files.length).toBeGreaterThan(0);
    expect(await compiledBy(by)).toEqual([]);
    expect(log).toContain(`distcc: ${other.name}; -j`);
  });

  it('find what another has compiled in the ccache that the server keeps', async () => {
    await startBuilders({ three: '127.0.0.2', four: '127.0.0.3' });
    const first = await build('shared', '=app-test/many-1');
    const other = othersThan(first.by);
    expect((await compiledBy(other)).length).toBeGreaterThan(0);
    expect(await first.by.ccacheCounter('shared', 'remote_storage_error')).toBe(0);
    expect(await first.by.ccacheCounter('shared', 'remote_storage_write')).toBeGreaterThan(FILES);
    expect(existsSync(join(server.config.paths.state, 'ccache/shared'))).toBe(true);

    builders = builders.filter((one) => one !== first.by);
    await first.by.stop();
    const second = await build('shared', '=app-test/many-2');
    expect(second.by).toBe(other);
    expect(await other.ccacheCounter('shared', 'remote_storage_hit')).toBeGreaterThan(0);
    expect(await other.ccacheCounter('shared', 'cache_miss')).toBe(0);
  });

  it('compile by themselves what another does not let them', async () => {
    await startBuilders({ five: '127.0.0.2', six: '127.0.0.3' }, ['10.1.2.3']);
    const { by } = await build('spread', 'app-test/many');
    const other = othersThan(by);
    expect(await compiledBy(other)).toEqual([]);
    expect(await other.distccdLog()).toContain('127.0.0.');
  });
});
