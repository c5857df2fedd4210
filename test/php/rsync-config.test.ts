import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ended, killGroup, run, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { runProgram } from '../cli/run-program.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const root = join(folder, 'mirror-root');
const tree = join(root, 'php/web/8.2.30-web-r1');
let port = 0;
let stop: () => Promise<void> = async () => undefined;

beforeAll(async () => {
  await mkdir(join(root, 'binhost/web/.publications/testing-1'), { recursive: true });
  await mkdir(join(root, 'binhost/web/packages'), { recursive: true });
  await mkdir(join(tree, 'bin'), { recursive: true });
  await mkdir(join(root, 'php/web/.incoming-php-x'), { recursive: true });
  await mkdir(join(root, 'incoming/web'), { recursive: true });
  await mkdir(join(folder, 'state'), { recursive: true });
  await writeFile(join(root, 'binhost/web/.publications/testing-1/Packages'), 'PACKAGES: 0\n');
  await symlink('../../packages', join(root, 'binhost/web/.publications/testing-1/dev-lang'));
  await symlink('.publications/testing-1', join(root, 'binhost/web/testing'));
  await symlink('/etc', join(root, 'binhost/web/escape'));
  await writeFile(join(root, 'binhost/web/.Packages.tmp-0123456789abcdef'), 'half');
  await writeFile(join(tree, 'bin/php'), 'php');
  await writeFile(join(root, 'php/web/.incoming-php-x/secret'), 'half');
  await writeFile(join(root, 'php/web/INDEX.json'), '{}');
  await writeFile(join(folder, 'state/secret'), 'secret');
  port = await freePort();
  stop = await startDaemon();
});
afterAll(async () => {
  await stop();
});

async function configuration(...more: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(
    ['rsync', 'config', '--config', join(folder, 'rookery.toml'), '--run-folder', folder, ...more],
    { cwd: folder },
  );
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

async function startDaemon(): Promise<() => Promise<void>> {
  await mkdir(join(folder, 'profiles'), { recursive: true });
  const settings = [
    '[paths]',
    `state = "${join(folder, 'state')}"`,
    `mirror-root = "${root}"`,
    `profiles = "${join(folder, 'profiles')}"`,
    '[rsync]',
    `port = ${port}`,
    'address = "127.0.0.1"',
    'hosts-allow = "127.0.0.1"',
  ];
  await writeFile(join(folder, 'rookery.toml'), `${settings.join('\n')}\n`);
  const isRoot = process.getuid?.() === 0;
  const file = join(folder, 'rsyncd.conf');
  await writeFile(file, await configuration(...(isRoot ? [] : ['--unprivileged'])));
  const command = ['rsync', '--daemon', '--no-detach', `--config=${file}`];
  const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
  const ending = ended(child, command);
  await poll('the daemon to answer', async () => {
    const { exitCode } = await rsync(url('php/'));
    return exitCode === 0 ? true : undefined;
  });
  return async () => {
    killGroup(child, 'SIGKILL');
    await ending.catch(() => undefined);
  };
}

function url(path: string, from = '127.0.0.1'): string {
  return `rsync://${from}:${port}/${path}`;
}

async function rsync(...args: readonly string[]) {
  return await run(['rsync', ...args], { env: toolEnvironment(), timeoutMs: 20_000 });
}

describe('the rsync daemon that rookery rsync config sets up', () => {
  it('gives out PHP trees and publications, with links as they are', async () => {
    const out = join(folder, 'out');
    await mkdir(out);
    const { exitCode, stderr } = await rsync('-a', url('php/web/'), `${out}/php/`);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(readFileSync(join(out, 'php/8.2.30-web-r1/bin/php'), 'utf8')).toBe('php');
    expect(existsSync(join(out, 'php/.incoming-php-x'))).toBe(false);

    const packages = await rsync('-a', url('binhost/web/'), `${out}/binhost/`);
    expect([packages.exitCode, packages.stderr]).toEqual([0, '']);
    expect(readlinkSync(join(out, 'binhost/testing'))).toBe('.publications/testing-1');
    expect(readFileSync(join(out, 'binhost/testing/Packages'), 'utf8')).toBe('PACKAGES: 0\n');
    expect(existsSync(join(out, 'binhost/.Packages.tmp-0123456789abcdef'))).toBe(false);
  });

  it('takes nothing', async () => {
    const { exitCode, stderr } = await rsync('-a', join(folder, 'rookery.toml'), url('php/web/'));
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('read only');
    expect(existsSync(join(root, 'php/web/rookery.toml'))).toBe(false);
  });

  it('lists no modules, and has none for anything else', async () => {
    expect((await rsync(url(''))).stdout.toString()).toBe('');
    for (const name of ['incoming', 'state', 'keys', 'mirror']) {
      const { exitCode, stderr } = await rsync(url(`${name}/`));
      expect([exitCode, stderr]).toEqual([5, expect.stringContaining('Unknown module')]);
    }
  });

  it('gives out nothing that is unfinished, outside, or behind a link that leads out', async () => {
    const paths = [
      'php/web/.incoming-php-x/secret',
      'php/../../state/secret',
      'php/web/../../../state/secret',
      'binhost/web/escape/passwd',
    ];
    for (const path of paths) {
      const out = join(folder, 'stolen');
      const { exitCode } = await rsync('-aL', url(path), out);
      expect([path, exitCode === 0, existsSync(out)]).toEqual([path, false, false]);
    }
  });

  it('lets only those connect that it names', async () => {
    const { exitCode, stderr } = await rsync('--address=127.0.0.2', url('php/'));
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/unknown module|access denied/i);
  });

  it('is read only in words too, with chroot and another user where it starts as root', async () => {
    const asRoot = await configuration();
    expect(asRoot).toMatch(/^read only = yes$/m);
    expect(asRoot).toMatch(/^use chroot = yes$/m);
    expect(asRoot).toMatch(/^uid = 65534$/m);
    const other = await configuration('--unprivileged');
    expect(other).toMatch(/^use chroot = no$/m);
    expect(other).not.toMatch(/^uid/m);
  });
});
