import { chmod, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { nodeProgram } from '../../src/http/node-programs.ts';
import { type NodeReportMessage, nodeReportSchema } from '../../src/protocol/nodes.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Where others than root may look too. */
const folder = temporaryFolder({ onDisk: true });
const IS_ROOT = process.getuid?.() === 0;
let prefix: string;
let started: number[] = [];
let count = 0;

beforeEach(async () => {
  prefix = await mkdtemp(join(folder, 'node-'));
  await chmod(folder, 0o755);
  await chmod(prefix, 0o755);
  await put(
    'etc/rookery/node.d/web.conf',
    'profile = web\nchannel = testing\nuri = http://127.0.0.1/x\nserver = http://127.0.0.1\n',
  );
  await put('rookery-node', nodeProgram().replaceAll('@PREFIX@', prefix));
});

afterEach(async () => {
  for (const pid of started) {
    process.kill(pid, 'SIGKILL');
  }
  started = [];
  await rm(prefix, { recursive: true, force: true });
});

async function put(path: string, text: string, mode = 0o644): Promise<string> {
  const file = join(prefix, path);
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  await writeFile(file, text);
  await chmod(file, mode);
  return file;
}

/** Starts a program that only waits as a daemon: of nobody, without a terminal. Its name is one that nothing else has. */
async function startDaemon(
  path?: string,
): Promise<{ readonly name: string; readonly file: string }> {
  count += 1;
  const name = `rkd${process.pid}-${count}`;
  const file = join(prefix, path ?? `usr/sbin/${name}`);
  await mkdir(dirname(file), { recursive: true });
  await copyFile('/bin/sleep', file);
  await chmod(file, 0o755);
  const { stdout } = await runChecked(
    ['sh', '-c', 'setsid "$1" 300 > /dev/null 2>&1 < /dev/null & echo $!', 'sh', file],
    { env: toolEnvironment() },
  );
  const pid = Number(stdout.toString());
  started.push(pid);
  await poll(
    `${name} runs`,
    async () => {
      const maps = await runChecked(['cat', `/proc/${pid}/maps`], { env: toolEnvironment() });
      return /libc.*\n.*libc/.test(maps.stdout.toString()) || undefined;
    },
    60_000,
  );
  return { name, file };
}

/** As in stat(5), of a service. */
function stat(pid: number, name: string): string {
  return `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 4194560 0\n`;
}

type Said = NonNullable<NodeReportMessage['system']>;

async function systemOf(
  shell: readonly string[] = ['sh'],
  path?: string,
  root = '',
): Promise<Said> {
  const tools = toolEnvironment();
  const { stdout, stderr, exitCode } = await run(
    [...shell, join(prefix, 'rookery-node'), 'report', '--dry-run', '--name', 'web7-01'],
    {
      env: {
        ...tools,
        ROOKERY_ROOT: root,
        TMPDIR: '/tmp',
        ...(path === undefined ? {} : { PATH: path }),
      },
      timeoutMs: 60_000,
      maxOutputBytes: 32 * 1024 * 1024,
    },
  );
  expect([exitCode, stderr]).toEqual([0, '']);
  const { system } = nodeReportSchema.parse(JSON.parse(stdout.toString()));
  if (system === undefined) {
    throw new Error('the report says nothing of the system');
  }
  return system;
}

function serviceIn({ services }: Said, name: string): Said['services'][number] | undefined {
  return services.find((service) => service.name === name);
}

describe('what a node reports of its system', () => {
  it('has its kernel, its boot and its processor', async () => {
    const system = await systemOf();

    expect(system.kernel.running).toBe(release());
    expect(system.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(system.cpuinfo).toMatch(/^(flags|Features) *:/);
    expect([system.release, system.releases]).toEqual([null, []]);
  });

  it.each([
    ['dash', ['dash']],
    ['bash', ['bash', '--posix']],
    ['busybox', ['busybox', 'sh']],
  ])(
    'has the services with the files that they execute, and who owns these, in %s',
    async (_, shell) => {
      const { name, file } = await startDaemon();
      const seen = serviceIn(await systemOf(shell), name);
      const libc = seen?.files.find(({ path }) => path.includes('libc.so'))?.path ?? 'none';
      // As where /lib is a link to /usr/lib, and the package was made for a system where it is not.
      await put(
        'var/db/pkg/sys-libs/glibc-2.40/CONTENTS',
        `obj ${libc.replace(/^\/usr/, '')} 0f 1\n`,
      );
      await put('var/db/pkg/app-misc/rkd-1.2-r1/CONTENTS', `dir /usr\nobj ${file} 0f 1\n`);

      const service = serviceIn(await systemOf(shell), name);

      expect(service?.tree).toBeNull();
      expect(service?.files).toContainEqual({
        path: file,
        cpv: 'app-misc/rkd-1.2-r1',
        isDeleted: false,
      });
      expect(service?.files).toContainEqual({
        path: libc,
        cpv: 'sys-libs/glibc-2.40',
        isDeleted: false,
      });
    },
  );

  it('works with the awk of busybox', async () => {
    const { name, file } = await startDaemon();
    await put('var/db/pkg/app-misc/rkd-1/CONTENTS', `obj ${file} 0f 1\n`);
    const bin = join(prefix, 'bin');
    await put('bin/awk', '#!/bin/sh\nexec busybox awk "$@"\n', 0o755);

    const service = serviceIn(await systemOf(['sh'], `${bin}:${process.env['PATH'] ?? ''}`), name);

    expect(service?.files).toContainEqual({ path: file, cpv: 'app-misc/rkd-1', isDeleted: false });
  });

  it('marks what was replaced since it was mapped', async () => {
    const { name, file } = await startDaemon();
    const other = await put('new', 'another build', 0o755);
    await rename(other, file);

    const service = serviceIn(await systemOf(), name);

    expect(service?.files.find(({ path }) => path === file)).toMatchObject({ isDeleted: true });
    expect(service?.files.filter(({ isDeleted }) => isDeleted)).toHaveLength(1);
  });

  it('names the PHP tree that a php-fpm is of', async () => {
    const { file } = await startDaemon('opt/php/8.2.30-web-r1/sbin/php-fpm');
    const services = (await systemOf()).services.filter(({ tree }) => tree !== null);

    expect(services).toMatchObject([{ name: 'php-fpm', tree: '8.2.30-web-r1' }]);
    expect(services[0]?.files.map(({ path }) => path)).toContain(file);
  });

  it('leaves out what this program itself runs', async () => {
    const names = (await systemOf()).services.map(({ name }) => name);
    expect(names).not.toContain('rookery-node');
    expect(names).not.toContain('awk');
  });

  it('has the releases that lie on it, and the one that serves', async () => {
    await put('etc/rookery/step.conf', `# a comment\nreleases = ${prefix}/srv/releases\n`);
    await put('srv/releases/2026.48/.digest', 'ab12\n');
    await put('srv/releases/2026.49/.digest', 'cd34\n');
    await put('srv/releases/half/index.php', '');
    await put('var/lib/rookery/step/release', '2026.48 ab12\n');

    const system = await systemOf();

    expect(system.release).toBe('2026.48');
    expect(system.releases).toEqual([
      { release: '2026.48', digest: 'ab12' },
      { release: '2026.49', digest: 'cd34' },
    ]);
  });

  it('believes the step runner about releases where there is one', async () => {
    await put('usr/local/sbin/rookery-step', '#!/bin/sh\necho "2026.50 $1"\n', 0o755);
    expect((await systemOf()).releases).toEqual([{ release: '2026.50', digest: 'releases' }]);
  });

  (IS_ROOT ? it : it.skip)('says so when it may not look into all processes', async () => {
    const { name } = await startDaemon();
    const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'sh'];

    const system = await systemOf(asNobody);

    expect(system.isPartial).toBe(true);
    expect(serviceIn(system, name)?.files).toEqual([]);
  });

  it('says the rest when one process cannot be looked into, and that there is nothing when there is nothing', async () => {
    await put('proc/cpuinfo', 'flags : fpu\n');
    await put(`${prefix}/var/db/pkg/app-misc/one-1/CONTENTS`, 'obj /usr/bin/one 0 1\n');
    await mkdir(join(prefix, 'proc/1'));
    expect(await systemOf(['sh'], undefined, prefix)).toMatchObject({
      isPartial: false,
      services: [],
    });

    // Reading a folder fails, as reading the maps of a process that has just ended does.
    await put('proc/100/stat', stat(100, 'rkone'));
    await mkdir(join(prefix, 'proc/100/maps'));
    await put('proc/101/stat', stat(101, 'rktwo'));
    await put('proc/101/maps', '5500-5600 r-xp 00000000 08:01 7 /usr/sbin/rktwo\n');
    expect(await systemOf(['sh'], undefined, prefix)).toMatchObject({
      isPartial: true,
      services: [
        { name: 'rkone', files: [] },
        { name: 'rktwo', files: [{ path: '/usr/sbin/rktwo' }] },
      ],
    });
  });
});
