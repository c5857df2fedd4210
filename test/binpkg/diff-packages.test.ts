import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { type PackageContents, readPackageContents } from '../../src/binpkg/diff-contents.ts';
import { diffPackages, isDifferent, type PackageDiff } from '../../src/binpkg/diff-packages.ts';
import { forge, IMAGE, METADATA, metadataTar, type RawEntry, tar } from './made-package.ts';
import { keysOf, makeXpak, XPAK_IMAGE } from './made-xpak.ts';

async function contents(
  image: readonly RawEntry[] = IMAGE,
  metadata: Readonly<Record<string, string>> = METADATA,
): Promise<PackageContents> {
  const bytes = await forge({ image: tar(image), metadata: metadataTar(metadata) });
  return await readPackageContents({ format: 'gpkg', source: memorySource(bytes) });
}

async function diffOf(
  image: readonly RawEntry[],
  metadata: Readonly<Record<string, string>> = METADATA,
): Promise<PackageDiff> {
  return diffPackages(await contents(), await contents(image, metadata));
}

function changed(name: string, change: Partial<RawEntry>): RawEntry[] {
  return IMAGE.map((entry) => (entry.name === name ? { ...entry, ...change } : entry));
}

describe('two packages', () => {
  it('with the same contents do not differ, whatever the times of their files', async () => {
    const diff = await diffOf(IMAGE.map((entry) => ({ ...entry, mtimeSeconds: 1 })));

    expect(diff).toEqual({ files: [], keys: [] });
    expect(isDifferent(diff, 'counts')).toBe(false);
  });

  it('do not differ when only another name of a hard link comes first', async () => {
    const swapped = IMAGE.map((entry) => {
      if (entry.name.endsWith('hello')) {
        return { ...entry, name: 'image/usr/bin/hey' };
      }
      return entry.typeflag === '1'
        ? { ...entry, name: 'image/usr/bin/hello', linkname: 'image/usr/bin/hey' }
        : entry;
    });

    expect((await diffOf(swapped)).files).toEqual([]);
  });

  it('of different formats are compared alike', async () => {
    const image = gzipSync(
      tar(XPAK_IMAGE.map((entry) => ({ ...entry, mode: 0o644, uid: 0, uname: '' }))),
    );
    const xpak = memorySource(makeXpak({ image, keys: keysOf() }));
    const before = await readPackageContents({ format: 'xpak', source: xpak });
    const { files, keys } = diffPackages(before, await contents());

    expect(keys).toEqual([]);
    expect(files).toEqual([
      expect.objectContaining({ path: 'usr/bin/hi', kind: 'changed', aspects: ['link-target'] }),
    ]);
  });

  it.each<[string, readonly RawEntry[], object]>([
    [
      'content',
      changed('image/usr/bin/hello', { content: 'jello\n' }),
      { path: 'usr/bin/hello', kind: 'changed', aspects: ['content'] },
    ],
    [
      'size',
      changed('image/usr/bin/hello', { content: 'hello, world\n' }),
      { path: 'usr/bin/hello', kind: 'changed', aspects: ['content', 'size'] },
    ],
    [
      'mode',
      changed('image/usr/bin/hello', { mode: 0o4644 }),
      { path: 'usr/bin/hello', kind: 'changed', aspects: ['mode'] },
    ],
    [
      'owner',
      changed('image/usr/bin/hello', { uid: 250 }),
      { path: 'usr/bin/hello', kind: 'changed', aspects: ['owner'] },
    ],
    [
      'link target',
      changed('image/usr/bin/hi', { linkname: 'hey' }),
      { path: 'usr/bin/hi', kind: 'changed', aspects: ['link-target'] },
    ],
    [
      'type',
      changed('image/usr/bin/hi', { typeflag: '0', linkname: '' }),
      { path: 'usr/bin/hi', kind: 'changed', aspects: ['type'] },
    ],
    [
      'a new file',
      [...IMAGE, { name: 'image/new', content: 'x' }],
      { path: 'new', kind: 'added', after: expect.objectContaining({ size: 1 }) },
    ],
    [
      'a missing file',
      IMAGE.filter(({ name }) => !name.endsWith('hi')),
      { path: 'usr/bin/hi', kind: 'removed' },
    ],
  ])('differ in %s', async (_, image, expected) => {
    const diff = await diffOf(image);

    expect(diff.files).toContainEqual(expect.objectContaining(expected));
    expect(isDifferent(diff, 'is-ignored')).toBe(true);
  });

  it('differ in metadata, key by key and word by word', async () => {
    const { keys } = await diffOf(IMAGE, {
      ...METADATA,
      SLOT: '0/2\n',
      USE: 'amd64 ssl\n',
      LICENSE: 'MIT\n',
      'hello-1.0-r1.ebuild': 'EAPI=8\n',
    });

    expect(keys).toEqual([
      { key: 'LICENSE', kind: 'added', isNoise: false, after: 'MIT' },
      { key: 'SLOT', kind: 'changed', isNoise: false, before: '0/1', after: '0/2' },
      {
        key: 'USE',
        kind: 'changed',
        isNoise: false,
        before: 'amd64 elibc_glibc',
        after: 'amd64 ssl',
        words: { added: ['ssl'], removed: ['elibc_glibc'] },
      },
      {
        key: 'hello-1.0-r1.ebuild',
        kind: 'added',
        isNoise: false,
        after: expect.stringMatching(/^7 bytes, SHA-256 [0-9a-f]{64}$/),
      },
    ]);
  });

  it('of two builds are the same but for noise', async () => {
    const diff = await diffOf(IMAGE, {
      ...METADATA,
      BUILD_TIME: '1767000001\n',
      BUILD_ID: '4',
      'environment.bz2': 'BZh9',
    });

    expect(diff.keys.map(({ key, isNoise }) => [key, isNoise])).toEqual([
      ['BUILD_ID', true],
      ['BUILD_TIME', true],
      ['environment.bz2', true],
    ]);
    expect(isDifferent(diff, 'is-ignored')).toBe(false);
    expect(isDifferent(diff, 'counts')).toBe(true);
  });
});
