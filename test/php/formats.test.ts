import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  compareManifests,
  formatManifest,
  type ManifestEntry,
  parseManifest,
  sizeOf,
} from '../../src/php/manifest.ts';
import {
  formatIndex,
  indexSignatureName,
  type PhpIndex,
  parseIndex,
} from '../../src/php/php-index.ts';
import { compareTreeIds, formatTreeId, parseTreeId } from '../../src/php/tree-id.ts';
import { formatMeta, parseMeta, type TreeMeta } from '../../src/php/tree-meta.ts';

const SHA = 'ab'.repeat(32);
const ENTRIES: ManifestEntry[] = [
  { type: 'link', path: 'lib/libx.so', target: 'libx.so.8' },
  { type: 'file', path: 'bin/php', mode: 0o755, sha256: SHA, bytes: 42 },
  { type: 'directory', path: 'bin', mode: 0o755 },
  { type: 'directory', path: 'lib', mode: 0o755 },
];
const TEXT = `rookery-php-manifest 1
id 8.2.30-zen3-r1
d 0755 - - bin
f 0755 ${SHA} 42 bin/php
d 0755 - - lib
l - - - lib/libx.so -> libx.so.8
`;

describe('the id of a tree', () => {
  it.each([
    ['8.2.30-zen3-r1', { version: '8.2.30', profile: 'zen3', revision: 1 }],
    ['8.4.0RC1-web-v3-r12', { version: '8.4.0RC1', profile: 'web-v3', revision: 12 }],
  ])('%s has its parts', (text, parts) => {
    expect(parseTreeId(text)).toEqual(parts);
    expect(formatTreeId(parts)).toBe(text);
  });

  it.each([
    '8.2.30-zen3',
    '8.2.30-zen3-r0',
    '8.2.30-zen3-r01',
    '8-zen3-r1',
    '-zen3-r1',
    '8.2-../x-r1',
    '8.2.30--r1',
  ])('%s is none', (text) => {
    expect(parseTreeId(text)).toBeUndefined();
  });

  it('is ordered as versions are', () => {
    const ids = [
      '8.2.9-z-r2',
      '8.2.9-z-r10',
      '8.2.30-z-r1',
      '8.4.0RC2-z-r1',
      '8.4.0RC10-z-r1',
      '8.4.0-z-r1',
    ];
    const sorted = ids
      .toReversed()
      .map(parseTreeId)
      .flatMap((id) => id ?? [])
      .toSorted(compareTreeIds);
    expect(sorted.map(formatTreeId)).toEqual(ids);
  });
});

describe('a MANIFEST', () => {
  it('is written sorted, and read back', () => {
    expect(formatManifest({ id: '8.2.30-zen3-r1', entries: ENTRIES })).toBe(TEXT);
    const { id, entries } = parseManifest(TEXT);
    expect(id).toBe('8.2.30-zen3-r1');
    expect(formatManifest({ id, entries })).toBe(TEXT);
    expect(sizeOf(entries)).toEqual({ files: 1, bytes: 42 });
  });

  it.each([
    ['a first line of another format', TEXT.replace('manifest 1', 'manifest 2')],
    ['no id', TEXT.replace('id 8.2.30-zen3-r1', 'id x')],
    ['a path twice', TEXT.replace('d 0755 - - lib\n', 'd 0755 - - bin\n')],
    ['lines out of order', TEXT.replace('- lib\n', '- aaa\n')],
    ['a path that leads out', TEXT.replace('bin/php', 'bin/../../x')],
    ['an absolute path', TEXT.replace(' bin/php', ' /bin/php')],
    ['a blank in a path', TEXT.replace('bin/php', 'bin/p hp')],
    ['a set-id bit', TEXT.replace('f 0755', 'f 4755')],
    ['a bit that lets others write', TEXT.replace('f 0755', 'f 0757')],
    ['a digest in capitals', TEXT.replace(SHA, SHA.toUpperCase())],
    ['a size with a zero before it', TEXT.replace(' 42 ', ' 042 ')],
    ['a link that leads out', TEXT.replace('-> libx.so.8', '-> ../../etc')],
    ['a link that leads out behind another', TEXT.replace('-> libx.so.8', '-> a/../../../x')],
    ['an absolute link', TEXT.replace('-> libx.so.8', '-> /etc/passwd')],
    ['a carriage return', TEXT.replace('42 bin/php', '42 bin/php\r')],
    ['no line feed at the end', TEXT.trimEnd()],
    ['an empty line', `${TEXT}\n`],
  ])('with %s is refused', (_, text) => {
    expect(text).not.toBe(TEXT);
    expect(() => parseManifest(text)).toThrow(
      expect.objectContaining({ code: 'php-manifest-invalid' }),
    );
  });

  it('that is changed in one byte is never read as the same', () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length - 1), fc.integer({ min: 1, max: 126 }), (at, code) => {
        const changed = TEXT.slice(0, at) + String.fromCharCode(code) + TEXT.slice(at + 1);
        fc.pre(changed !== TEXT);
        let read: string;
        try {
          read = formatManifest(parseManifest(changed));
        } catch {
          return;
        }
        expect(read).toBe(changed);
      }),
    );
  });

  it('is compared path by path', () => {
    const after: ManifestEntry[] = [
      { type: 'directory', path: 'bin', mode: 0o755 },
      { type: 'file', path: 'bin/php', mode: 0o755, sha256: SHA, bytes: 43 },
      { type: 'directory', path: 'etc', mode: 0o755 },
    ];
    const { added, removed, changed } = compareManifests(ENTRIES, after);
    expect(added.map(({ path }) => path)).toEqual(['etc']);
    expect(removed.map(({ path }) => path)).toEqual(['lib/libx.so', 'lib']);
    expect(changed.map((one) => one.after.path)).toEqual(['bin/php']);
  });
});

const META: TreeMeta = {
  format: 1,
  id: '8.2.30-zen3-r1',
  php: '8.2.30',
  profile: 'zen3',
  revision: 1,
  api: '20220829',
  isThreadSafe: false,
  isDebug: false,
  sapis: ['cli', 'fpm'],
  extensions: ['pdo', 'Core', 'Zend OPcache'],
  requires: 'x86_64: libc.so.6 libssl.so.3',
  glibc: '2.34',
  build: { kind: 'import', sources: [], agent: null, when: '2026-11-30T12:00:00Z' },
};

describe('META.json', () => {
  it('has one key a line, extensions sorted', () => {
    const lines = formatMeta(META).split('\n');
    expect(lines).toContain('"requires": "x86_64: libc.so.6 libssl.so.3",');
    expect(lines).toContain('"extensions": ["Core","pdo","Zend OPcache"],');
    expect(parseMeta(formatMeta(META))).toEqual({
      ...META,
      extensions: ['Core', 'pdo', 'Zend OPcache'],
    });
  });

  it.each([
    { requires: 'two\nlines' },
    { id: 'x' },
    { sapis: [] },
    { api: '2022' },
    { more: true },
  ])('with %j is refused', (change) => {
    expect(() => parseMeta(JSON.stringify({ ...META, ...change }))).toThrow(
      expect.objectContaining({ code: 'php-meta-invalid' }),
    );
  });
});

const INDEX: PhpIndex = {
  format: 1,
  profile: 'zen3',
  serial: 17,
  created: '2026-11-30T12:00:00Z',
  channels: { testing: '8.2.31-zen3-r1', stable: '8.2.30-zen3-r1' },
  trees: [
    { id: '8.2.31-zen3-r1', manifest: SHA, bytes: 2, files: 1 },
    { id: '8.2.30-zen3-r1', manifest: SHA, bytes: 1, files: 1 },
  ],
};

describe('INDEX.json', () => {
  it('has one record a line', () => {
    expect(formatIndex(INDEX)).toBe(`{
"format": 1,
"profile": "zen3",
"serial": 17,
"created": "2026-11-30T12:00:00Z",
"channels": {
"stable": "8.2.30-zen3-r1",
"testing": "8.2.31-zen3-r1"
},
"trees": [
{"id":"8.2.30-zen3-r1","manifest":"${SHA}","bytes":1,"files":1},
{"id":"8.2.31-zen3-r1","manifest":"${SHA}","bytes":2,"files":1}
]
}
`);
    expect(parseIndex(formatIndex(INDEX)).channels).toEqual(INDEX.channels);
    expect(indexSignatureName(formatIndex(INDEX))).toMatch(/^INDEX\.json\.[0-9a-f]{16}\.sig$/);
  });

  it('stays readable when nothing is in it', () => {
    const empty = { ...INDEX, channels: {}, trees: [] };
    expect(parseIndex(formatIndex(empty))).toEqual(empty);
  });

  it.each([
    { channels: { testing: '9.9.9-zen3-r1' } },
    { serial: 0 },
    { profile: 'zen4' },
    { created: 'today' },
  ])('with %j is refused', (change) => {
    expect(() => parseIndex(JSON.stringify({ ...INDEX, ...change }))).toThrow(
      expect.objectContaining({ code: 'php-index-invalid' }),
    );
  });
});
