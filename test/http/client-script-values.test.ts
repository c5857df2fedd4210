import { existsSync } from 'node:fs';
import { describe, expect, it, jest } from '@jest/globals';
import { ClientSystem } from '../support/client-system.ts';

jest.setTimeout(60_000);

const OWN_SECTION = 'etc/portage/binrepos.conf/rookery-web-v3.conf';
const system = new ClientSystem();

describe('the values of a client script', () => {
  it.each([
    ['a profile', { profile: '../etc' }],
    ['a profile', { profile: "a'b" }],
    ['a profile', { profile: '' }],
    ['a channel', { channel: 'a b' }],
    ['a channel', { channel: 'a\n[evil]' }],
    ['an address', { uri: 'https://example.org/\nverify-signature = false' }],
    ['an address', { uri: 'https://example.org/a b' }],
    ['an address', { uri: 'javascript:alert(1)' }],
    ['an address', { uri: 'example.org' }],
    ['a fingerprint', { fingerprint: '$(id)' }],
    ['a fingerprint', { fingerprint: 'ABCD' }],
    ['a key', { publicKey: 'END-OF-THE-PUBLIC-KEY\nid' }],
    ['a key', { publicKey: '' }],
  ])('are refused: %s %j', (_what, values) => {
    expect(() => system.script(values)).toThrow(
      expect.objectContaining({ code: 'client-setting-invalid' }),
    );
  });

  it('that cannot end the key early are refused', () => {
    const lines = system.signer.publicKey.trim().split('\n');
    for (const line of ['END-OF-THE-PUBLIC-KEY', '$(id)', '`id`', "'", '\\']) {
      const publicKey = [...lines.slice(0, 3), line, ...lines.slice(3)].join('\n');
      expect(() => system.script({ publicKey })).toThrow(/public key/);
    }
  });

  it('reach the configuration as they are, with nothing run and %-signs doubled', async () => {
    const witness = system.place('witness');
    const uri = `https://example.org/it's/$(touch$IFS${witness})/\`id\`/%41;"\\n&|`;

    await system.succeed([], { text: system.script({ uri }) });

    expect(system.read(OWN_SECTION)).toContain(`sync-uri = ${uri.replaceAll('%', '%%')}\n`);
    expect(existsSync(witness)).toBe(false);
    await system.succeed(['--uninstall'], { text: system.script({ uri }) });
  });

  it('may have the fingerprint in groups, or be that of the subkey', async () => {
    const grouped = system.signer.primaryFingerprint.replace(/(.{4})/g, '$1 ').toLowerCase();
    await system.succeed([], { text: system.script({ fingerprint: grouped }) });

    await system.succeed([], { text: system.script({ fingerprint: system.signer.fingerprint }) });
  });
});

describe('the help of the client script', () => {
  it('names every option and exit status, and needs no rights', async () => {
    const result = await system.setUp(['--help']);

    expect(result.exitCode).toBe(0);
    for (const word of [
      '--dry-run',
      '--uninstall',
      '--root',
      '--prefix',
      '--gnupg-home',
      '5 the key',
    ]) {
      expect(result.stdout.toString('utf8')).toContain(word);
    }
  });
});
