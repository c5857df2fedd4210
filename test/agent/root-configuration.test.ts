import { chmod, mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { renderConfiguration } from '../../src/agent/executors/render-configuration.ts';
import { type RootAccess, withRoot } from '../../src/agent/executors/root-access.ts';
import { copyRootConfiguration, layFiles } from '../../src/agent/executors/root-configuration.ts';
import { JobTraces } from '../../src/agent/job-traces.ts';
import { COMPILES_ALONE } from '../../src/agent/sharing/share-compiling.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { testProfile } from './jobs.ts';
import { StagingBinhost } from './staging-binhost.ts';

const folder = temporaryFolder();
let count = 0;

async function freshFolder(files: Readonly<Record<string, string>>): Promise<string> {
  count += 1;
  const root = join(folder, `root-${count}`);
  await mkdir(root);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

async function copied(from: string, inside = (path: string): string => path): Promise<string> {
  const to = join(folder, `copy-${count}`);
  await copyRootConfiguration(from, to, inside);
  return to;
}

describe('the configuration of a job', () => {
  it('begins with the make.conf of the build root, and leaves its binary hosts and keys out', async () => {
    const root = await freshFolder({
      'make.conf': 'FEATURES="x"\n',
      'binrepos.conf/gentoo.conf': '[gentoo]\n',
      'gnupg/pubring.kbx': 'keys',
      'package.use/zz': 'a/b c\n',
    });
    const to = await copied(root);
    expect(await namesIn(to)).toEqual(['make.conf', 'package.use']);
    expect(await namesIn(join(to, 'make.conf'))).toEqual(['00-root']);
    expect(await readFile(join(to, 'package.use/zz'), 'utf8')).toBe('a/b c\n');
  });

  it('takes a make.conf that is a folder as the first part', async () => {
    const root = await freshFolder({ 'make.conf/10-flags': 'A=1\n', 'make.conf/20-more': 'B=1\n' });
    const to = await copied(root);
    expect(await namesIn(join(to, 'make.conf/00-root'))).toEqual(['10-flags', '20-more']);
  });

  it('turns relative links into absolute ones in the words of the root', async () => {
    const root = await freshFolder({ 'etc/portage/make.conf': '' });
    const target = '../../var/db/repos/gentoo/profiles/x';
    await symlink(target, join(root, 'etc/portage/make.profile'));
    const to = await copied(join(root, 'etc/portage'), (path) => path.slice(root.length));
    expect(await readlink(join(to, 'make.profile'))).toBe('/var/db/repos/gentoo/profiles/x');
  });

  it('joins a file of the root and a folder of the profile, and the other way round', async () => {
    const root = await freshFolder({
      'package.use': 'root/file\n',
      'package.env/a': 'root/folder\n',
    });
    const to = await copied(root);
    await layFiles(to, { 'package.use/mine': 'mine\n', 'package.env': 'mine\n' });
    expect(await readFile(join(to, 'package.use/00-root'), 'utf8')).toBe('root/file\n');
    expect(await readFile(join(to, 'package.use/mine'), 'utf8')).toBe('mine\n');
    expect(await readFile(join(to, 'package.env/70-profile'), 'utf8')).toBe('mine\n');
  });

  it('never writes through a link to the files of the root', async () => {
    const root = await freshFolder({ 'shared/list': 'original\n', 'portage/make.conf': '' });
    await symlink('../shared/list', join(root, 'portage/package.mask'));
    await symlink('../shared', join(root, 'portage/package.use'));
    const to = await copied(join(root, 'portage'));
    await layFiles(to, { 'package.mask': 'mine\n', 'package.use/list': 'mine\n' });
    expect(await readFile(join(root, 'shared/list'), 'utf8')).toBe('original\n');
    expect(await readFile(join(to, 'package.mask'), 'utf8')).toBe('mine\n');
    expect(await readFile(join(to, 'package.use/00-root/list'), 'utf8')).toBe('original\n');
  });

  it('refuses a path of the profile that leads outside', async () => {
    const to = await copied(await freshFolder({ 'make.conf': '' }));
    await expect(layFiles(to, { '../escaped': 'x' })).rejects.toMatchObject({
      code: 'path-outside-root',
    });
    expect(await exists(join(folder, 'escaped'))).toBe(false);
  });
});

describe('the make.conf of a job', () => {
  it('adds USE and FEATURES of the profile to those of the root, and replaces the rest', async () => {
    const prefix = await freshFolder({
      'etc/portage/make.conf':
        'USE="of-root"\nFEATURES="nodoc getbinpkg"\nCFLAGS="-O3"\nCHOST="of-root"\nPKGDIR="/of/root"\n',
    });
    const { publicKey } = (await StagingBinhost.make(join(folder, 'staging'), join(folder, 'keys')))
      .signer;
    const place = join(folder, `job-${count}`);
    await mkdir(place);
    const job = { folder: place, environment: toolEnvironment(), traces: new JobTraces(folder) };
    const { config } = await withRoot({ kind: 'prefix', path: prefix }, job, async (root) =>
      renderConfiguration({
        shared: COMPILES_ALONE,
        root,
        profile: testProfile({ use: ['of-profile', '-x'], features: ['noinfo'] }),
        binhost: 'http://farm/staging/x',
        publicKey,
      }),
    );
    // Parts are read in order of their names, each with the values of those before it, as by a shell.
    const script =
      'for part in "$0"/*; do . "$part"; done; printf "%s\\n" "$USE" "$FEATURES" "$CFLAGS" "$PKGDIR"';
    const command = ['sh', '-c', script, join(config, 'etc/portage/make.conf')];
    const { stdout } = await runChecked(command, { env: toolEnvironment() });
    const [use, features, cflags, pkgdir] = String(stdout).split('\n');
    expect(use).toBe('of-root of-profile -x');
    expect(features).toMatch(/^nodoc getbinpkg noinfo .*-getbinpkg/);
    expect(cflags).toBe('-O2 -pipe');
    expect(pkgdir).toBe(join(place, 'packages'));
  });
});

describe('a build root', () => {
  const job = {
    folder: '/job',
    environment: { PATH: '/usr/bin' },
    traces: new JobTraces(folder),
  };

  it('that is a chroot is worked in from outside, and keeps nothing', async () => {
    const root = await freshFolder({ 'etc/portage/make.conf': '' });
    let seen: RootAccess | undefined;
    await withRoot({ kind: 'chroot', path: root }, job, async (access) => {
      seen = access;
      await mkdir(join(access.folder, 'read-only/deep'), { recursive: true });
      await chmod(join(access.folder, 'read-only'), 0o555);
      expect((await stat(access.folder)).mode & 0o777).toBe(0o755);
    });
    expect(seen?.inside(seen.folder)).toMatch(/^\/var\/tmp\/rookery-\w+$/);
    expect(seen?.outside('/var/tmp')).toBe(join(root, 'var/tmp'));
    expect(seen?.command(['emerge', '-p'])).toEqual(['chroot', root, 'emerge', '-p']);
    expect(await namesIn(join(root, 'var/tmp'))).toEqual([]);
  });

  it('that is a prefix finds its own programs first', async () => {
    const root = await freshFolder({ 'etc/portage/make.conf': '' });
    await withRoot({ kind: 'prefix', path: root }, job, async (access) => {
      expect(access.environment['PORTAGE_OVERRIDE_EPREFIX']).toBe(root);
      expect(access.environment['PATH']).toBe(
        `${root}/usr/sbin:${root}/usr/bin:${root}/sbin:${root}/bin:/usr/bin`,
      );
      expect(access.folder).toBe('/job');
    });
  });

  it('without a Gentoo configuration is refused', async () => {
    const root = await freshFolder({});
    const attempt = withRoot({ kind: 'prefix', path: root }, job, async () => undefined);
    await expect(attempt).rejects.toMatchObject({ code: 'build-root-invalid' });
  });
});
