import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openProfileCatalog } from '../../src/config/profile-catalog.ts';
import { instructionSetOf } from '../../src/gentoo/instruction-set.ts';
import { hardwareProfileSchema } from '../../src/gentoo/profile.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SHIPPED = resolve(import.meta.dirname, '../../profiles');
const root = temporaryFolder();
const GOOD = 'arch = "amd64"\nchost = "x86_64-pc-linux-gnu"\ncflags = "-O2"\n';

function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(root, 'profiles-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function faultsOf(folder: string): Promise<Readonly<Record<string, readonly string[]>>> {
  return (await openProfileCatalog(folder)).broken();
}

describe('openProfileCatalog', () => {
  it('reads document, files for Portage, sets and recipes', async () => {
    const folder = folderWith({
      'README.md': 'not a profile',
      '.git/config': 'x',
      'web/profile.toml': `${GOOD}description = "x"`,
      'web/portage/package.use/web': 'a/b c\n',
      'web/portage/patches/a/b/x.patch': '--- ü\n',
      'web/portage/.hidden': 'x',
      'web/portage/package.use/web~': 'x',
      'web/sets/web': 'a/b\n@db\n',
      'web/sets/db': 'c/d\n',
      'web/recipes/deep/x.toml':
        'cpv = "a/b-1"\ndescription = "x"\nsource.folder = "../src"\ninstall = ["true"]',
      'web/notes.txt': 'anything',
    });
    const catalog = await openProfileCatalog(folder);
    const profile = hardwareProfileSchema.parse(catalog.get('web'));

    expect(catalog.broken()).toEqual({});
    expect(catalog.list()).toEqual([profile]);
    expect(profile.sets).toEqual({ web: ['a/b', '@db'], db: ['c/d'] });
    expect(profile.portageFiles).toEqual({
      'package.use/web': 'a/b c\n',
      'patches/a/b/x.patch': '--- ü\n',
    });
    expect(profile.recipes['a/b-1']?.source).toEqual({ folder: join(folder, 'web/recipes/src') });
  });

  it('keeps the good ones when others are broken, and names every fault of those', async () => {
    const folder = folderWith({
      'good/profile.toml': GOOD,
      'syntax/profile.toml': 'arch = = 1',
      'child/profile.toml': 'extends = "syntax"',
      'empty/portage/x': '',
      'Upper/profile.toml': GOOD,
      'many/profile.toml': 'cflag = "x"',
      'many/sets/web': 'nginx',
      'many/sets/ba d': 'a/b',
      'many/recipes/a.toml': 'cpv = "x"\ndescription = ""\nsource.folder = "x"\ninstall = ["x"]',
      'many/recipes/b.txt': '',
      'many/recipes/c.toml': '[',
      'many/portage/package.use/db': '# x\ndb/a [\n',
      'many/portage/package.mask': 'nginx\n',
      'many/portage/make.conf': '',
      'many/portage/make.profile/parent': '',
      'many/portage/sets/x': '',
      'many/portage/binrepos.conf': '',
    });
    const catalog = await openProfileCatalog(folder);

    expect(catalog.list().map(({ name }) => name)).toEqual(['good']);
    expect(catalog.broken()).toEqual({
      syntax: [expect.stringMatching(/^syntax\/profile\.toml, line 1: /)],
      child: ['child/profile.toml: extends = "syntax", which is broken itself.'],
      empty: ['empty/profile.toml is missing.'],
      Upper: [expect.stringContaining('Upper: a profile cannot be called so')],
      many: [
        expect.stringContaining(
          'many/profile.toml: cflag = "x": there is no such key. Did you mean "cflags"?',
        ),
        expect.stringContaining('many/sets/ba d: "ba d" is not the name of a set.'),
        expect.stringContaining('many/sets/web, line 1: "nginx" is not a valid atom.'),
        expect.stringContaining(
          'many/portage/binrepos.conf: binrepos.conf has to be a folder here',
        ),
        expect.stringContaining('many/portage/make.conf: Rookery makes make.conf itself'),
        expect.stringContaining(
          'many/portage/make.profile/parent: Rookery makes make.profile itself',
        ),
        'many/portage/package.mask, line 1: "nginx" is not a valid atom.',
        'many/portage/package.use/db, line 2: "[" is not a USE flag.',
        expect.stringContaining('many/portage/sets/x: Rookery makes sets itself'),
        expect.stringContaining('many/recipes/a.toml: cpv = "x"'),
        expect.stringContaining('many/recipes/b.txt: only files that end in .toml'),
        expect.stringMatching(/^many\/recipes\/c\.toml, line 1: /),
      ],
    });
  });

  it('refuses binary and oversized files, links that lead out, and what is no file', async () => {
    const folder = folderWith({
      'bin/profile.toml': GOOD,
      'bin/portage/nul': new Uint8Array([97, 0]),
      'bin/portage/latin': new Uint8Array([0xe9]),
      'bin/portage/big': 'x'.repeat(1024 * 1024 + 1),
      'bin/portage/fits': 'x'.repeat(1024 * 1024),
      'other/profile.toml': GOOD,
      'other/portage/env/x': 'shared',
    });
    symlinkSync('/etc/passwd', join(folder, 'bin/portage/out'));
    symlinkSync('../../other/portage/env', join(folder, 'bin/portage/env'));
    symlinkSync('gone', join(folder, 'bin/portage/dangling'));
    symlinkSync('.', join(folder, 'bin/portage/loop'));
    await runChecked(['mkfifo', join(folder, 'bin/portage/pipe')], { env: toolEnvironment() });
    symlinkSync('/etc', join(folder, 'linked'));
    symlinkSync('gone', join(folder, 'lost'));
    const faults = (await faultsOf(folder))['bin'] ?? [];

    expect(faults.filter((fault) => !fault.includes('/loop'))).toEqual([
      'bin/portage/big is larger than 1048576 bytes.',
      'bin/portage/dangling cannot be read (ENOENT).',
      'bin/portage/latin is not a text in UTF-8.',
      'bin/portage/nul is not a text in UTF-8.',
      'bin/portage/out is a link that leads out of the profiles.',
      'bin/portage/pipe is neither a file nor a folder.',
    ]);
    expect(faults.some((fault) => fault.includes('nested more than'))).toBe(true);
    expect(await faultsOf(folder)).toMatchObject({
      linked: ['linked is a link that leads out of the profiles.'],
      lost: ['lost cannot be read (ENOENT).'],
    });
    expect((await openProfileCatalog(folder)).list().map(({ name }) => name)).toEqual(['other']);
  });

  it('says which file it may not read', async () => {
    const folder = folderWith({ 'web/profile.toml': GOOD, 'web/portage/x': 'x' });
    chmodSync(join(folder, 'web/portage/x'), 0);
    const broken = await faultsOf(folder);

    const mayReadAnyway = process.getuid?.() === 0;
    expect(broken).toEqual(
      mayReadAnyway ? {} : { web: ['web/portage/x cannot be read (EACCES).'] },
    );
  });

  it('answers for names that it does not have', async () => {
    const catalog = await openProfileCatalog(
      folderWith({ 'web/profile.toml': GOOD, 'bad/profile.toml': '' }),
    );

    expect(() => catalog.get('wbe')).toThrow(
      expect.objectContaining({
        code: 'unknown-profile',
        message: 'There is no profile "wbe" to build for. Did you mean "web"?',
      }),
    );
    expect(() => catalog.get('bad')).toThrow(
      expect.objectContaining({
        code: 'profile-broken',
        details: {
          profile: 'bad',
          faults: expect.arrayContaining([expect.stringContaining('arch is missing')]),
        },
      }),
    );
    expect(() => catalog.get('__proto__')).toThrow('There is no profile "__proto__"');
  });

  it('refuses a folder that is not there', async () => {
    await expect(openProfileCatalog(join(root, 'none'))).rejects.toThrow(
      expect.objectContaining({
        code: 'profiles-unreadable',
        message: expect.stringContaining('none'),
      }),
    );
  });
});

describe('the profiles that Rookery ships', () => {
  it('can all be read, and are for two levels of one architecture', async () => {
    const catalog = await openProfileCatalog(SHIPPED);

    expect(catalog.broken()).toEqual({});
    expect(
      catalog
        .list()
        .map(({ name, arch, flags }) => [
          name,
          arch,
          instructionSetOf(flags['CFLAGS'] ?? '')?.level,
        ]),
    ).toEqual([
      ['web-x86-64-v2', 'amd64', 2],
      ['web-x86-64-v3', 'amd64', 3],
    ]);
  });

  it('have exactly the CPU flags that their -march guarantees, and what a web server needs', async () => {
    for (const profile of (await openProfileCatalog(SHIPPED)).list()) {
      const { cpuFlags, ancestors, channels, sets, portageFiles } = profile;
      expect(cpuFlags.toSorted()).toEqual(
        instructionSetOf(profile.flags['CFLAGS'] ?? '')?.cpuFlags,
      );
      expect(profile.cpuFlagsVariable).toBe('CPU_FLAGS_X86');
      expect(ancestors).toEqual(['base']);
      expect(channels).toEqual(['testing', 'stable']);
      expect(sets['web']).toContain('www-servers/nginx');
      expect(portageFiles['package.use/web']).toContain('dev-lang/php');
    }
  });
});
