import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { LiveProfiles } from '../../src/config/live-profiles.ts';
import type { ProfileChange } from '../../src/config/profile-changes.ts';
import { silentLog } from '../../src/support/log.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = temporaryFolder();
const BASE = 'abstract = true\narch = "amd64"\nchost = "x86_64-pc-linux-gnu"\ncflags = "-O2"\n';
const CHILD = 'extends = "base"\ndescription = "one"\n';
const QUIET_MS = 60;
let live: LiveProfiles | undefined;
let folder = '';
let changes: ProfileChange[] = [];

afterEach(async () => {
  await live?.stop();
  live = undefined;
});

function write(path: string, text: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

async function open(lookEveryMs = 1_000_000, quietMs = QUIET_MS): Promise<LiveProfiles> {
  changes = [];
  live = await LiveProfiles.open({
    folder,
    memoryFile: join(folder, '..', 'profiles.json'),
    log: silentLog(),
    quietMs,
    lookEveryMs,
  });
  live.listen(async (news) => {
    changes.push(...news);
  });
  return live;
}

async function start(lookEveryMs?: number): Promise<LiveProfiles> {
  folder = join(mkdtempSync(join(root, 'live-')), 'profiles');
  write('base/profile.toml', BASE);
  write('web/profile.toml', CHILD);
  const opened = await open(lookEveryMs);
  await opened.start();
  return opened;
}

async function told(kind: ProfileChange['kind'], profile = 'web'): Promise<ProfileChange> {
  return await poll(`${kind} of ${profile}`, () =>
    changes.find((change) => change.kind === kind && change.profile === profile),
  );
}

describe('profiles that change while they are used', () => {
  it('take effect, and so does a change of what they extend', async () => {
    const profiles = await start();
    const before = profiles.get('web');
    write('web/profile.toml', CHILD.replace('one', 'two'));
    await told('profile-changed');
    expect(profiles.get('web').description).toBe('two');
    expect(before.description).toBe('one');

    changes = [];
    write('base/profile.toml', BASE.replace('-O2', '-O3'));
    await told('profile-changed');
    expect(profiles.get('web').flags['CFLAGS']).toBe('-O3');
  });

  it('stay what they were when they are broken, over a restart too, until they are mended', async () => {
    const profiles = await start();
    write('base/profile.toml', BASE.replace('-O2"', '-O2'));
    expect(await told('profile-broken')).toMatchObject({ isKept: true });
    expect(profiles.get('web').flags['CFLAGS']).toBe('-O2');
    expect(profiles.forRequests().get('web').description).toBe('one');
    expect(Object.keys(profiles.broken())).toEqual(['base', 'web']);
    await profiles.stop();

    const again = await open();
    await again.start();
    expect(again.get('web').flags['CFLAGS']).toBe('-O2');
    expect(Object.keys(again.broken())).toEqual(['base', 'web']);
    write('base/profile.toml', BASE.replace('-O2', '-O3'));
    await told('profile-changed');
    expect(again.broken()).toEqual({});
    expect(again.get('web').flags['CFLAGS']).toBe('-O3');
  });

  it('are left out when they are broken from the beginning', async () => {
    const profiles = await start();
    write('new/profile.toml', 'extends = "bass"\n');
    expect(await told('profile-broken', 'new')).toMatchObject({ isKept: false });
    expect(() => profiles.get('new')).toThrow(/broken/);
    write('new/profile.toml', CHILD);
    await told('profile-added', 'new');
    expect(profiles.get('new').description).toBe('one');
  });

  it('are still served when their folder is gone, and nothing new is built for them', async () => {
    const profiles = await start();
    renameSync(join(folder, 'web'), join(folder, '..', 'away'));
    await told('profile-removed');
    expect(profiles.get('web').description).toBe('one');
    expect(profiles.list().map(({ name }) => name)).toEqual(['web']);
    expect(profiles.forRequests().list()).toEqual([]);
    expect(() => profiles.forRequests().get('web')).toThrow(
      expect.objectContaining({ code: 'profile-removed' }),
    );
    expect(profiles.broken()['web']?.[0]).toContain('its folder is gone');

    changes = [];
    renameSync(join(folder, '..', 'away'), join(folder, 'web'));
    await told('profile-changed');
    expect(profiles.forRequests().get('web').description).toBe('one');
    expect(profiles.broken()).toEqual({});
  });

  it('are never read half: what several files say takes effect at once', async () => {
    const profiles = await start();
    write('web/sets/one', 'a/b\n');
    await told('profile-changed');
    changes = [];
    const seen = new Set<string>();
    const watching = setInterval(() => {
      seen.add(JSON.stringify(profiles.get('web').sets));
    }, 1);
    // What an editor, and rsync of a folder, do on the way.
    write('web/sets/.one.swp', 'x');
    write('web/sets/one~', 'a/b\n');
    write('web/sets/4913', '\0');
    rmSync(join(folder, 'web/sets/4913'));
    write('web/sets/.one.Xa3f', 'c/d\n');
    renameSync(join(folder, 'web/sets/.one.Xa3f'), join(folder, 'web/sets/one'));
    rmSync(join(folder, 'web/profile.toml'));
    write('web/profile.toml', '');
    write('web/profile.toml', CHILD);
    write('web/sets/two', 'e/f\n');
    await told('profile-changed');
    clearInterval(watching);
    seen.add(JSON.stringify(profiles.get('web').sets));
    expect([...seen]).toEqual(['{"one":["a/b"]}', '{"one":["c/d"],"two":["e/f"]}']);
    expect(changes.map(({ kind }) => kind)).toEqual(['profile-changed']);
  });

  it('are left alone while they are still being written', async () => {
    folder = join(mkdtempSync(join(root, 'live-')), 'profiles');
    write('base/profile.toml', BASE);
    write('web/profile.toml', CHILD);
    const profiles = await open(undefined, 500);
    const writing = (async () => {
      for (let part = 0; part < 30; part += 1) {
        write('web/profile.toml', CHILD.replace('one', `part ${part}`));
        await delay(20);
      }
    })();
    await Promise.all([writing, profiles.reload()]);
    await profiles.reload();
    expect(profiles.get('web').description).toBe('part 29');
    expect(changes).toHaveLength(1);
  });

  it('are looked at also when nobody tells of a change, and kept for the next start', async () => {
    folder = join(mkdtempSync(join(root, 'live-')), 'profiles');
    write('base/profile.toml', BASE);
    write('web/profile.toml', CHILD);
    const profiles = await open();
    write('web/profile.toml', CHILD.replace('one', 'two'));
    await profiles.reload();
    expect(profiles.get('web').description).toBe('two');
    expect(readFileSync(join(folder, '..', 'profiles.json'), 'utf8')).toContain('"two"');
    await profiles.reload();
    expect(changes).toHaveLength(1);
  });
});
