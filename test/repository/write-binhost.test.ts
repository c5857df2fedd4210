import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { formatIndexStanza } from '../../src/gentoo/packages-index.ts';
import { indexHeader } from '../../src/repository/index-header.ts';
import { writeBinhost } from '../../src/repository/write-binhost.ts';
import { exists } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { makeProfile } from './make-package.ts';

const folder = temporaryFolder();
const packagesFolder = join(folder, 'packages');
const GOOD = {
  CPV: 'app-misc/a-1',
  PATH: 'app-misc/a/a-1-1.gpkg.tar',
  SIZE: '5',
  MTIME: '1767000000',
  BUILD_ID: '1',
  BUILD_TIME: '1767000000',
  MD5: '0123456789abcdef0123456789abcdef',
};

const ABSENT = 'app-misc/a/a-2-1.gpkg.tar';

async function write(
  entry: Readonly<Record<string, string>>,
  size = 5,
  path = GOOD.PATH,
): Promise<string> {
  await mkdir(join(packagesFolder, 'app-misc', 'a'), { recursive: true });
  await writeFile(join(packagesFolder, GOOD.PATH), 'bytes');
  const target = join(folder, newId('binhost'));
  const one = { category: 'app-misc', path, size, stanza: formatIndexStanza(entry, 'entry') };
  const other = {
    ...one,
    path: GOOD.PATH,
    size: 5,
    stanza: formatIndexStanza({ ...GOOD, CPV: 'app-misc/b-1' }, 'entry'),
  };
  await writeBinhost({
    folder: target,
    packagesFolder,
    linkTo: (category) => join(packagesFolder, category),
    header: indexHeader(makeProfile('web')),
    timestampSeconds: 1_767_000_000,
    packages: entry['twice'] === undefined ? [one] : [one, other],
  });
  return target;
}

describe('an index that would harm its clients', () => {
  it('is not confused with a good one', async () => {
    expect(await exists(join(await write(GOOD), 'Packages.gz'))).toBe(true);
  });

  it.each<readonly [string, Record<string, string>, number, string]>([
    ['a CPV that is none', { CPV: 'app-misc/a' }, 5, GOOD.PATH],
    ['a PATH that leads elsewhere', { PATH: '../a-1-1.gpkg.tar' }, 5, '../a-1-1.gpkg.tar'],
    ['an absolute PATH', { PATH: '/app-misc/a/a-1-1.gpkg.tar' }, 5, '/app-misc/a/a-1-1.gpkg.tar'],
    ['a PATH of another package', { PATH: 'app-misc/a/a-1-2.gpkg.tar' }, 5, GOOD.PATH],
    ['a file that is not there', { PATH: ABSENT }, 5, ABSENT],
    ['a SIZE that is not that of the file', { SIZE: '6' }, 6, GOOD.PATH],
    ['a SIZE that is not that of the package', { SIZE: '6' }, 5, GOOD.PATH],
    ['no SIZE', { SIZE: '' }, 5, GOOD.PATH],
    ['no MTIME', { MTIME: '' }, 5, GOOD.PATH],
    ['no BUILD_ID', { BUILD_ID: '' }, 5, GOOD.PATH],
    ['no BUILD_TIME', { BUILD_TIME: '' }, 5, GOOD.PATH],
    ['a BUILD_TIME with a leading zero', { BUILD_TIME: '01' }, 5, GOOD.PATH],
    ['no MD5', { MD5: '' }, 5, GOOD.PATH],
    ['an MD5 in capitals', { MD5: GOOD.MD5.toUpperCase() }, 5, GOOD.PATH],
    ['the same PATH twice', { twice: 'yes' }, 5, GOOD.PATH],
  ])('is refused for %s', async (_what, change, size, path) => {
    await expect(write({ ...GOOD, ...change }, size, path)).rejects.toMatchObject({
      code: 'index-invalid',
    });
  });
});

describe('the header of an index', () => {
  it('follows CHOST and the CPU flags of the profile, and tells nothing about the builder', () => {
    const profile = makeProfile('arm', {
      arch: 'arm64',
      chost: 'aarch64-unknown-linux-musl',
      cpuFlagsVariable: 'CPU_FLAGS_ARM',
      gentooProfile: null,
      features: ['ccache'],
      use: ['secret'],
    });
    const header = indexHeader(profile);
    expect(header).toMatchObject({
      CHOST: 'aarch64-unknown-linux-musl',
      ARCH: 'arm64',
      ELIBC: 'musl',
      USE_EXPAND: 'CPU_FLAGS_ARM ELIBC KERNEL',
    });
    expect(JSON.stringify(header)).not.toMatch(/ccache|secret|TTL|PROFILE|FEATURES|-O2/);
    expect(indexHeader(makeProfile('plain', { cpuFlagsVariable: null }))['USE_EXPAND']).toBe(
      'ELIBC KERNEL',
    );
  });
});
