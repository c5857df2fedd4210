import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '../../src/support/clock.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { ClientSystem } from '../support/client-system.ts';
import { folderTree } from '../support/folder-tree.ts';
import { makeGetutoHome } from '../support/getuto-home.ts';
import { ManualClock } from '../support/manual-clock.ts';

jest.setTimeout(60_000);

const isRoot = process.getuid?.() === 0;
const system = new ClientSystem();
let otherKey: string;

beforeAll(async () => {
  otherKey = (await system.makeSigner('distribution')).publicKey;
});

describe('the key that the client script imports', () => {
  it('is made valid by the local key of getuto, and goes without a trace of others', async () => {
    const home = join(system.root, 'etc/portage/gnupg');
    await makeGetutoHome(home, otherKey);
    const keysBefore = await system.keysIn(home);
    const configuration = (): string[] =>
      ['gpg.conf', 'gpg-agent.conf', 'pass', 'mykeyid'].map((name) =>
        system.read(`etc/portage/gnupg/${name}`),
      );
    const filesBefore = configuration();
    expect(await system.verify(home)).toBe('NO_PUBKEY');

    await system.succeed();
    expect(await system.verify(home)).toBe('GOODSIG TRUST_FULLY');
    const after = folderTree(system.root);
    await system.succeed();
    expect(folderTree(system.root)).toEqual(after);

    await system.succeed(['--uninstall']);
    expect(await system.verify(home)).toBe('NO_PUBKEY');
    expect(await system.keysIn(home)).toEqual(keysBefore);
    expect(configuration()).toEqual(filesBefore);
    expect((statSync(home).mode & 0o777).toString(8)).toBe('755');
  });

  it('is trusted by itself where the passphrase of getuto does not open its key', async () => {
    const home = join(system.root, 'etc/portage/gnupg');
    await makeGetutoHome(home, otherKey);
    system.put('etc/portage/gnupg/pass', 'another\n');

    expect(await system.succeed()).toContain('cannot sign');
    expect(await system.verify(home)).toBe('GOODSIG TRUST_ULTIMATE');
  });

  (isRoot ? it : it.skip)('lets getuto make the home first where it is installed', async () => {
    const tools = system.place('tools');
    const made = join(system.folder, 'made-by-getuto');
    await makeGetutoHome(made, otherKey);
    mkdirSync(tools);
    writeFileSync(
      join(tools, 'getuto'),
      `#!/bin/sh\ntest ! -e "$ROOT/etc/portage/gnupg" && cp -a "${made}" "$ROOT/etc/portage/gnupg"\n`,
      { mode: 0o755 },
    );
    const env = { PATH: [tools, process.env.PATH].join(delimiter) };
    system.put('usr/share/openpgp-keys/gentoo-release.asc', otherKey);

    await system.succeed(['--dry-run'], { env });
    expect(existsSync(join(system.root, 'etc/portage/gnupg'))).toBe(false);
    await system.succeed([], { env });
    await system.succeed([], { env });

    const home = join(system.root, 'etc/portage/gnupg');
    expect(await system.verify(home)).toBe('GOODSIG TRUST_FULLY');
    expect(await system.verify(home, await system.makeSigner('distribution'))).toBe(
      'GOODSIG TRUST_FULLY',
    );
    await system.succeed(['--uninstall'], { env });
    expect(await system.verify(home, await system.makeSigner('distribution'))).toBe(
      'GOODSIG TRUST_FULLY',
    );
  });

  it('stays when it was there before the script came', async () => {
    const home = join(system.root, 'etc/portage/gnupg');
    mkdirSync(home, { mode: 0o755 });
    const gpg = ['gpg', '--homedir', home, '--batch'];
    await runChecked([...gpg, '--import'], {
      env: toolEnvironment(),
      input: system.signer.publicKey,
    });

    await system.succeed();
    expect(await system.verify(home)).toBe('GOODSIG TRUST_ULTIMATE');
    await system.succeed(['--uninstall']);

    expect(await system.keysIn(home)).toContain(system.signer.primaryFingerprint);
  });

  it('is brought up to date when its end was moved', async () => {
    const clock = new ManualClock(systemClock.now() - 50 * 86_400_000);
    const old = await system.makeSigner('moving', clock);
    const values = { publicKey: old.publicKey, fingerprint: old.primaryFingerprint };
    await system.succeed([], { text: system.script(values) });
    const home = system.place('extending');
    mkdirSync(home, { mode: 0o700 });
    const gpg = ['gpg', '--homedir', home, '--batch', '--pinentry-mode', 'loopback'];
    const env = toolEnvironment();
    const secret = readFileSync(join(system.folder, 'moving/secret-key.asc'));
    await runChecked([...gpg, '--import'], { env, input: secret });
    for (const which of [[], ['*']]) {
      const expire = ['--quick-set-expire', old.primaryFingerprint, '300d', ...which];
      await runChecked([...gpg, ...expire], { env });
    }
    const { stdout } = await runChecked([...gpg, '--armor', '--export'], { env });
    await runChecked(['gpgconf', '--homedir', home, '--kill', 'all'], { env });

    const text = system.script({ ...values, publicKey: stdout.toString('utf8') });
    expect(await system.succeed([], { text })).toContain('imported');
    expect(await system.succeed([], { text })).not.toContain('imported');
    expect(await system.verify(join(system.root, 'etc/portage/gnupg'), old)).toBe(
      'GOODSIG TRUST_ULTIMATE',
    );
  });

  it('leaves a home that others use by now', async () => {
    await system.succeed();
    const home = join(system.root, 'etc/portage/gnupg');
    const gpg = ['gpg', '--homedir', home, '--batch'];
    await runChecked([...gpg, '--import'], { env: toolEnvironment(), input: otherKey });

    expect(await system.succeed(['--uninstall'])).toContain('other keys');
    expect(await system.verify(home)).toBe('NO_PUBKEY');
    expect(await system.keysIn(home)).not.toEqual([]);
  });

  it('may be several, for the time in which one takes over from another', async () => {
    const next = await system.makeSigner('next');
    const publicKey = `${system.signer.publicKey.trim()}\n${next.publicKey}`;

    await system.succeed([], { text: system.script({ publicKey }) });

    const home = join(system.root, 'etc/portage/gnupg');
    expect(await system.verify(home)).toBe('GOODSIG TRUST_ULTIMATE');
    expect(await system.verify(home, next)).toBe('GOODSIG TRUST_ULTIMATE');
  });
});
