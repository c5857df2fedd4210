import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { profileCommand } from '../../src/cli/commands/profile.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = temporaryFolder();
const GOOD = `arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2 -march=znver3"
description = "Newer ones"
channels = ["next", "live"]
build-root = { kind = "chroot", path = "/srv/{profile}" }
`;

function profilesFolder(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(root, 'profiles-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, 'sets'), { recursive: true });
    writeFileSync(join(folder, name, 'profile.toml'), text);
    writeFileSync(join(folder, name, 'sets/web'), 'www-servers/nginx\n');
  }
  return folder;
}

async function run(
  folder: string,
  ...args: readonly string[]
): Promise<{ text: string; error?: unknown }> {
  const parts: string[] = [];
  const command = profileCommand((text) => parts.push(text)).exitOverride();
  try {
    await command.parseAsync([...args, '--profiles', folder], { from: 'user' });
    return { text: parts.join('') };
  } catch (error) {
    return { text: parts.join(''), error };
  }
}

const good = profilesFolder({ web: GOOD, v4: GOOD.replace('znver3', 'x86-64-v4') });
const mixed = profilesFolder({ web: GOOD, bad: 'cflag = "x"\nuse = ["a b"]' });

describe('rookery profile', () => {
  it('lists the profiles with what they are built for, and the broken ones', async () => {
    expect((await run(good, 'list')).text).toBe(
      'v4   x86_64-pc-linux-gnu  x86-64-v4           Newer ones\nweb  x86_64-pc-linux-gnu  znver3 (x86-64-v3)  Newer ones\n',
    );
    expect((await run(mixed, 'list')).text).toContain('\nbad is broken. bad/profile.toml: ');
    const json: unknown = JSON.parse((await run(mixed, 'list', '--json')).text);
    expect(json).toMatchObject({
      profiles: [{ name: 'web', march: 'znver3', level: 3 }],
      broken: { bad: [expect.any(String), expect.any(String)] },
    });
  });

  it('shows the effective make.conf, channels, build root and sets', async () => {
    const { text } = await run(good, 'show', 'web');

    expect(text).toContain('CFLAGS="-O2 -march=znver3"\nCXXFLAGS="-O2 -march=znver3"\n');
    expect(text).toContain('channels   next -> live\n');
    expect(text).toContain('build root chroot /srv/web\n');
    expect(text).toContain('@web\n  www-servers/nginx\n');
    const json: unknown = JSON.parse((await run(good, 'show', 'web', '--json')).text);
    expect(json).toMatchObject({ name: 'web', makeConf: expect.stringContaining('CHOST=') });
  });

  it('refuses to show what is not there or broken', async () => {
    expect(await run(good, 'show', 'wbe')).toEqual({
      text: '',
      error: expect.objectContaining({ code: 'unknown-profile' }),
    });
    expect((await run(mixed, 'show', 'bad')).error).toMatchObject({ code: 'profile-broken' });
  });

  it('checks: nothing to say is good, any fault fails', async () => {
    expect(await run(good, 'check')).toEqual({ text: '2 profiles can be built for.\n' });
    const { text, error } = await run(mixed, 'check');
    expect(text.split('\n')).toEqual([
      expect.stringContaining('bad/profile.toml: use[0] = "a b"'),
      expect.stringContaining('bad/profile.toml: cflag = "x"'),
      '1 profile can be built for, 1 broken.',
      '',
    ]);
    expect(error).toMatchObject({
      code: 'profile-broken',
      message: 'Not every profile can be used: bad.',
    });
    const json = await run(mixed, 'check', '--json');
    expect(JSON.parse(json.text)).toMatchObject({
      ok: false,
      broken: { bad: [expect.any(String), expect.any(String)] },
    });
    expect(json.error).toBeDefined();
  });

  it('only notes a processor that it does not know', async () => {
    const folder = profilesFolder({
      typo: GOOD.replace('znver3', 'znver3x'),
      own: GOOD.replace('znver3', 'znver3"\ncxxflags = "-march=native'),
      arm: GOOD.replace('amd64', 'arm64')
        .replace('x86_64-pc', 'aarch64-unknown')
        .replace('znver3', 'armv8-a'),
    });

    const { text, error } = await run(folder, 'check');

    expect(error).toBeUndefined();
    expect(text.split('\n')).toEqual([
      'note: own: -march=native is not known here, so packages for another processor cannot be told apart.',
      expect.stringMatching(/^note: typo: -march=znver3x is not .* Did you mean "znver3"\?$/),
      '3 profiles can be built for.',
      '',
    ]);
    const json = await run(folder, 'check', '--json');
    expect(JSON.parse(json.text)).toMatchObject({
      ok: true,
      notes: [expect.any(String), expect.any(String)],
    });
  });
});
