import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '../../src/support/clock.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { ClientSystem } from '../support/client-system.ts';
import { folderTree } from '../support/folder-tree.ts';
import { ManualClock } from '../support/manual-clock.ts';

jest.setTimeout(60_000);

const BINREPOS = 'etc/portage/binrepos.conf';
const OWN_SECTION = `${BINREPOS}/rookery-web-v3.conf`;
const MAKE_CONF = 'etc/portage/make.conf';
const system = new ClientSystem();
const nothing = (): void => undefined;
const layouts = {
  'no make.conf': nothing,
  'make.conf as a file': () => system.put(MAKE_CONF, 'CFLAGS="-O2"\nFEATURES="parallel-fetch"\n'),
  'make.conf without a last newline': () => system.put(MAKE_CONF, 'CFLAGS="-O2"'),
  'an empty make.conf': () => system.put(MAKE_CONF, ''),
  'make.conf as a folder': () => system.put(`${MAKE_CONF}/10-flags.conf`, 'CFLAGS="-O2"\n'),
  'make.conf in its old place': () => system.put('etc/make.conf', 'CFLAGS="-O2"\n'),
  'make.conf as a link': () => {
    system.put('etc/portage/hosts/web.conf', 'CFLAGS="-O2"\n');
    symlinkSync('hosts/web.conf', join(system.root, MAKE_CONF));
  },
  'binrepos.conf as a file': () =>
    system.put(BINREPOS, '[gentoo]\nsync-uri = https://example.org\n'),
  'binrepos.conf as a file without a last newline': () =>
    system.put(BINREPOS, '[a]\nsync-uri = x:'),
  'binrepos.conf as a folder': () =>
    system.put(`${BINREPOS}/gentoo.conf`, '[gentoo]\nsync-uri = x:\n'),
  'files of a narrow mode': () => {
    system.put(MAKE_CONF, 'CFLAGS="-O2"\n');
    chmodSync(join(system.root, MAKE_CONF), 0o600);
  },
};

describe('the client script', () => {
  it('sets up a system that has nothing yet', async () => {
    await system.succeed();

    expect(system.read(OWN_SECTION).split('\n')).toEqual(
      expect.arrayContaining([
        '[rookery-web-v3]',
        'sync-uri = https://farm.example.org/binhost/web-v3/stable',
        'location = /var/cache/binhost/rookery-web-v3',
        'verify-signature = true',
      ]),
    );
    expect(system.read(MAKE_CONF)).toContain(
      '\nFEATURES="${FEATURES} getbinpkg binpkg-request-signature"\n',
    );
    expect(system.read(MAKE_CONF)).not.toMatch(/CHOST|GPG_HOME/);
    expect(await system.verify()).toBe('GOODSIG TRUST_ULTIMATE');
  });

  it.each(Object.entries(layouts))(
    'with %s: once is enough, and undone is as before',
    async (_name, lay) => {
      lay();
      const before = folderTree(system.root);

      await system.succeed(['--dry-run']);
      expect(folderTree(system.root)).toEqual(before);

      await system.succeed();
      const after = folderTree(system.root);
      expect(
        Object.values(after).filter((entry) => entry.includes('request-signature')),
      ).toHaveLength(1);
      expect(
        Object.values(after).filter((entry) => entry.includes('[rookery-web-v3]')),
      ).toHaveLength(1);
      await system.succeed();
      expect(folderTree(system.root)).toEqual(after);

      await system.succeed(['--uninstall', '--dry-run']);
      expect(folderTree(system.root)).toEqual(after);
      await system.succeed(['--uninstall']);
      expect(folderTree(system.root)).toEqual(before);
      await system.succeed(['--uninstall']);
      expect(folderTree(system.root)).toEqual(before);
    },
  );

  it('leaves what was there and what is added later where it is', async () => {
    system.put(MAKE_CONF, '# top\nFEATURES="ccache"\n');
    system.put(BINREPOS, '[gentoo]\nsync-uri = https://example.org\n');
    await system.succeed();
    system.put(MAKE_CONF, `${system.read(MAKE_CONF)}# bottom`);
    system.put(BINREPOS, `${system.read(BINREPOS)}[later]\nsync-uri = https://example.org/later`);

    const uri = 'https://farm.example.org/binhost/web-v3/testing';
    await system.succeed([], { text: system.script({ channel: 'testing', uri }) });

    expect(system.read(MAKE_CONF)).toMatch(
      /^# top\nFEATURES="ccache"\n# >>> [^]*# <<< .*\n# bottom$/,
    );
    expect(system.read(BINREPOS)).toContain(`sync-uri = ${uri}\n`);
    expect(system.read(BINREPOS)).not.toContain('web-v3/stable');
    await system.succeed(['--uninstall']);
    expect(system.read(MAKE_CONF)).toBe('# top\nFEATURES="ccache"\n# bottom');
    expect(system.read(BINREPOS)).toBe(
      '[gentoo]\nsync-uri = https://example.org\n[later]\nsync-uri = https://example.org/later',
    );
  });

  it('replaces the channel where the sections are files of their own', async () => {
    await system.succeed();
    const uri = 'https://farm.example.org/binhost/web-v3/testing';

    await system.succeed([], { text: system.script({ channel: 'testing', uri }) });

    const files = Object.keys(folderTree(join(system.root, BINREPOS)));
    expect(files).toEqual(['rookery-web-v3.conf']);
    expect(system.read(OWN_SECTION)).toContain(`sync-uri = ${uri}\n`);
    expect(system.read(OWN_SECTION)).not.toContain('stable');
  });

  it('undoes one profile and leaves another one working, to the last of them', async () => {
    system.put(MAKE_CONF, 'CFLAGS="-O2"');
    const before = folderTree(system.root);
    const second = { text: system.script({ profile: 'db.v4' }) };
    await system.succeed();
    await system.succeed([], second);

    await system.succeed(['--uninstall']);

    expect(existsSync(join(system.root, OWN_SECTION))).toBe(false);
    expect(system.read(MAKE_CONF)).not.toContain('web-v3');
    expect(system.read(MAKE_CONF)).toContain('# >>> rookery-db.v4 >>>');
    expect(await system.verify()).toBe('GOODSIG TRUST_ULTIMATE');
    const alone = folderTree(system.root);
    await system.succeed([], second);
    expect(folderTree(system.root)).toEqual(alone);

    await system.succeed(['--uninstall'], second);
    expect(folderTree(system.root)).toEqual(before);
  });

  it('writes the paths of a prefix and a home of its own into the configuration, without the root', async () => {
    const home = '/opt/gentoo/etc/keys';
    const args = ['--prefix', '/opt/gentoo/', '--gnupg-home', home];
    const before = folderTree(system.root);

    await system.succeed(args);

    expect(system.read(`opt/gentoo/${OWN_SECTION}`)).toContain(
      'location = /opt/gentoo/var/cache/binhost/rookery-web-v3\n',
    );
    expect(system.read(`opt/gentoo/${MAKE_CONF}`)).toContain(
      `\nBINPKG_GPG_VERIFY_GPG_HOME="${home}"\n`,
    );
    expect(await system.verify(join(system.root, home))).toBe('GOODSIG TRUST_ULTIMATE');
    expect(existsSync(join(system.root, 'etc/portage/gnupg'))).toBe(false);
    await system.succeed(['--prefix', '/opt/gentoo', '--uninstall']);
    expect(folderTree(system.root)).toEqual(before);
  });

  it('can be undone on the system that was set up from outside', async () => {
    system.put(MAKE_CONF, 'CFLAGS="-O2"');
    const before = folderTree(system.root);
    await system.succeed();

    const moved = system.place('moved');
    await runChecked(['mv', system.root, moved], { env: toolEnvironment() });
    system.root = moved;
    await system.succeed(['--uninstall']);

    expect(folderTree(system.root)).toEqual(before);
  });

  it('gives everybody the rights they need under a narrow umask', async () => {
    const text = `umask 077\n${system.script()}`;

    await system.succeed([], { text });

    expect((statSync(join(system.root, OWN_SECTION)).mode & 0o777).toString(8)).toBe('644');
    expect(await system.verify()).toBe('GOODSIG TRUST_ULTIMATE');
  });

  it('opens a home that nobody could read, and closes it again', async () => {
    const home = join(system.root, 'etc/portage/gnupg');
    mkdirSync(home, { mode: 0o700 });

    await system.succeed();
    expect(await system.verify(home)).toBe('GOODSIG TRUST_ULTIMATE');

    await system.succeed(['--uninstall']);
    expect((statSync(home).mode & 0o777).toString(8)).toBe('700');
  });
});

describe('the client script refuses and changes nothing', () => {
  it('where gpg or another program is missing', async () => {
    system.put(MAKE_CONF, 'CFLAGS="-O2"\n');
    const tools = system.place('tools');
    mkdirSync(tools);
    for (const name of ['sh', 'printenv', 'mktemp', 'rm', 'sed', 'id']) {
      const path = (await runChecked(['which', name], { env: toolEnvironment() })).stdout;
      symlinkSync(path.toString('utf8').trim(), join(tools, name));
    }
    const setting = { env: { PATH: tools }, shell: [join(tools, 'sh')] };

    expect(await system.refuse(3, [], setting)).toContain('gpg is not installed');
    writeFileSync(join(tools, 'gpg'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    expect(await system.refuse(3, [], setting)).toContain('awk is not installed');
  });

  it('on wrong usage', async () => {
    expect(await system.refuse(2, ['--remove'])).toContain('--remove');
    expect(await system.refuse(2, ['--prefix'])).toContain('--prefix');
    expect(await system.refuse(2, ['--prefix', 'relative'])).toContain('relative');
    for (const home of ['/a"b', '/a$(touch x)', '/a`b`', '/a\nb', 'a']) {
      await system.refuse(2, ['--gnupg-home', home]);
    }
    expect(await system.refuse(2, ['--root', join(system.root, 'nowhere')])).toContain('nowhere');
  });

  it('where its section is already there by another hand', async () => {
    system.put(BINREPOS, '[rookery-web-v3]\nsync-uri = https://example.org\n');
    expect(await system.refuse(4, [])).toContain('[rookery-web-v3]');

    rmSync(join(system.root, BINREPOS));
    system.put(`${BINREPOS}/mine.conf`, '[a]\nsync-uri = x:\n[rookery-web-v3]\nsync-uri = y:\n');
    expect(await system.refuse(4, [])).toContain('mine.conf');
  });

  it.each([
    ['the end', '# >>> rookery-web-v3 >>>\nFEATURES=""\n'],
    ['the start', 'FEATURES=""\n# <<< rookery-web-v3 <<<\n'],
    ['the order', '# <<< rookery-web-v3 <<<\n# >>> rookery-web-v3 >>>\n'],
    ['a second', '# >>> rookery-web-v3 >>>\n# >>> rookery-web-v3 >>>\n# <<< rookery-web-v3 <<<\n'],
  ])('where %s of its block is damaged', async (_what, text) => {
    system.put(MAKE_CONF, text);

    expect(await system.refuse(4, [])).toContain('repair');
    expect(await system.refuse(4, ['--uninstall'])).toContain('repair');
  });

  it('where a link leads out of the root', async () => {
    const outside = system.place('outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'make.conf'), 'CFLAGS="-O2"\n');
    symlinkSync(join(outside, 'make.conf'), join(system.root, MAKE_CONF));
    const before = folderTree(outside);

    expect((await system.setUp()).exitCode).toBe(4);
    expect(folderTree(outside)).toEqual(before);
    rmSync(join(system.root, 'etc'), { recursive: true });
    symlinkSync(outside, join(system.root, 'etc'));
    expect((await system.setUp()).exitCode).toBe(4);
    expect(folderTree(outside)).toEqual(before);
  });

  it('where the key in it is not the one it names, expired, or none', async () => {
    const otherKey = (await system.makeSigner('distribution')).publicKey;
    expect(await system.refuse(5, [], { text: system.script({ publicKey: otherKey }) })).toContain(
      system.signer.primaryFingerprint,
    );
    const old = await system.makeSigner(
      'old',
      new ManualClock(systemClock.now() - 101 * 86_400_000),
    );
    const text = system.script({ publicKey: old.publicKey, fingerprint: old.primaryFingerprint });
    expect(await system.refuse(5, [], { text })).toContain('expired');
    const broken = system.signer.publicKey.replace(/\n[A-Za-z0-9+/]{60}/, '\nAAAA');
    await system.refuse(5, [], { text: system.script({ publicKey: broken }) });
  });

  it('when it was cut off on its way', async () => {
    const text = system.script();
    const last = text.lastIndexOf('{ main');
    const cuts = [
      200,
      2000,
      Math.floor(text.length / 2),
      last,
      last + 6,
      last + 10,
      text.length - 3,
    ];

    for (const cut of cuts) {
      const before = folderTree(system.root);
      await system.setUp([], { text: text.slice(0, cut) });
      expect(folderTree(system.root)).toEqual(before);
    }
  });
});

describe('the client script warns', () => {
  it.each([
    ['make.conf', MAKE_CONF, 'PORTAGE_BINHOST="https://example.org"\n'],
    ['a folder of make.conf', `${MAKE_CONF}/old.conf`, '  export PORTAGE_BINHOST=https://x\n'],
    ['env.d', 'etc/env.d/99local', 'PORTAGE_BINHOST=https://example.org\n'],
  ])('of PORTAGE_BINHOST in %s', async (_where, path, text) => {
    system.put(path, text);

    const said = await system.succeed();

    expect(said).toContain('PORTAGE_BINHOST is set in');
    expect(said).toContain(path);
  });

  it('of PORTAGE_BINHOST in the environment, and not of a comment', async () => {
    system.put(MAKE_CONF, '# PORTAGE_BINHOST="https://example.org"\n');

    expect(await system.succeed()).not.toContain('PORTAGE_BINHOST');
    expect(await system.succeed([], { env: { PORTAGE_BINHOST: 'https://x' } })).toContain(
      'PORTAGE_BINHOST',
    );
  });

  it('of other sources of packages, and of a PKGDIR in the way', async () => {
    system.put(
      `${BINREPOS}/gentoobinhost.conf`,
      '[DEFAULT]\n[gentoobinhost]\nsync-uri = https://x\n',
    );
    system.put(MAKE_CONF, 'PKGDIR="/var/cache/binhost/rookery-web-v3"\n');

    const said = await system.succeed();

    expect(said).toMatch(/also takes packages from: gentoobinhost\b/);
    expect(said).not.toContain('DEFAULT');
    expect(said).toContain('PKGDIR');
  });
});

const busybox = (process.env.PATH ?? '')
  .split(delimiter)
  .map((path) => join(path, 'busybox'))
  .find((path) => existsSync(path));
const busyboxTitle = `the client script in a system of busybox${busybox === undefined ? ' (skipped: busybox is not installed)' : ''}`;

(busybox === undefined ? describe.skip : describe)(busyboxTitle, () => {
  it('works, and undoes what it did', async () => {
    const tools = system.place('busybox');
    mkdirSync(tools);
    await runChecked([busybox ?? '', '--install', '-s', tools], { env: toolEnvironment() });
    for (const name of ['gpg', 'gpgconf', 'gpg-agent']) {
      const path = (await runChecked(['which', name], { env: toolEnvironment() })).stdout;
      copyFileSync(path.toString('utf8').trim(), join(tools, name));
    }
    system.put(MAKE_CONF, 'CFLAGS="-O2"');
    system.put(BINREPOS, '[a]\nsync-uri = x:');
    const before = folderTree(system.root);
    const setting = { env: { PATH: tools }, shell: [join(tools, 'sh')] };

    await system.succeed([], setting);
    const after = folderTree(system.root);
    expect(await system.verify()).toBe('GOODSIG TRUST_ULTIMATE');
    await system.succeed([], setting);
    expect(folderTree(system.root)).toEqual(after);
    await system.succeed(['--uninstall'], setting);
    expect(folderTree(system.root)).toEqual(before);
  });
});
