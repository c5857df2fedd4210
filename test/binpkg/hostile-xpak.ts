import { dirname } from 'node:path';
import type { XpakRefusal } from '../../src/binpkg/xpak/refusals.ts';
import type { VerifyXpakOptions } from '../../src/binpkg/xpak/verify.ts';
import { bareTar, type RawEntry, tar } from './made-package.ts';
import { keysOf, type MadeXpak, makeXpak, u32, xpakImage } from './made-xpak.ts';

/** An XPAK that has to be refused, and why. */
export interface HostileXpak {
  readonly what: string;
  readonly code: XpakRefusal;
  readonly made?: MadeXpak;
  readonly bytes?: Buffer;
  readonly options?: VerifyXpakOptions;
}

const usual = makeXpak();
function withImage(...more: readonly RawEntry[]): MadeXpak {
  return { image: xpakImage(...more) };
}

function patched(offset: number, bytes: Buffer): MadeXpak {
  return {
    segment: (segment) => {
      bytes.copy(segment, offset);
      return segment;
    },
  };
}

/** The usual XPAK, made wrong in one way each; some of them aim at the file `victim`. */
export function xpakCases(victim: string): readonly HostileXpak[] {
  return [...segmentCases(victim), ...storedImageCases(), ...pathCases(victim)];
}

function segmentCases(victim: string): readonly HostileXpak[] {
  return [
    { what: 'nothing', code: 'xpak-not-a-package', bytes: Buffer.alloc(0) },
    { what: 'a lost last byte', code: 'xpak-not-a-package', bytes: usual.subarray(0, -1) },
    {
      what: 'bytes after the end',
      code: 'xpak-not-a-package',
      bytes: Buffer.concat([usual, Buffer.from('x')]),
    },
    {
      what: 'a segment larger than the file',
      code: 'xpak-damaged',
      made: { trailerSize: 2 ** 31 },
    },
    { what: 'a segment of 4 GiB', code: 'xpak-damaged', made: { trailerSize: 2 ** 32 - 1 } },
    { what: 'a segment of no bytes', code: 'xpak-damaged', made: { trailerSize: 0 } },
    { what: 'a segment one byte off', code: 'xpak-damaged', made: { trailerSize: 200 } },
    { what: 'a huge index', code: 'xpak-damaged', made: patched(8, u32(2 ** 32 - 1)) },
    { what: 'a huge data part', code: 'xpak-damaged', made: patched(12, u32(2 ** 32 - 1)) },
    { what: 'too little data', code: 'xpak-damaged', made: patched(12, u32(1)) },
    {
      what: 'a name longer than the index',
      code: 'xpak-index-damaged',
      made: patched(16, u32(2 ** 32 - 1)),
    },
    {
      what: 'an index cut within a number',
      code: 'xpak-index-damaged',
      made: { keys: [], segment: () => Buffer.from('XPAKPACK\0\0\0\x02\0\0\0\0\0\0XPAKSTOP') },
    },
    {
      what: 'a value past the data',
      code: 'xpak-data-outside',
      made: { keys: [{ name: 'A', value: 'a', size: 2 }] },
    },
    {
      what: 'a value far past the data',
      code: 'xpak-data-outside',
      made: { keys: [{ name: 'A', value: 'a', offset: 2 ** 32 - 1, size: 1 }] },
    },
    {
      what: 'two keys for the same bytes',
      code: 'xpak-data-overlap',
      made: {
        keys: [
          { name: 'A', value: 'abc' },
          { name: 'B', value: 'def', offset: 2 },
        ],
      },
    },
    { what: 'a key twice', code: 'xpak-key-duplicate', made: { keys: [...keysOf(), ...keysOf()] } },
    {
      what: 'a key with ../',
      code: 'xpak-key-invalid',
      made: { keys: [{ name: '../../victim' }] },
    },
    { what: 'an absolute key', code: 'xpak-key-invalid', made: { keys: [{ name: victim }] } },
    { what: 'a key ..', code: 'xpak-key-invalid', made: { keys: [{ name: '..' }] } },
    { what: 'a key without name', code: 'xpak-key-invalid', made: { keys: [{ name: '' }] } },
    { what: 'a key with NUL', code: 'xpak-key-invalid', made: { keys: [{ name: 'A\0B' }] } },
    {
      what: 'a key that is not UTF-8',
      code: 'xpak-key-invalid',
      made: { keys: [{ name: Buffer.from([0xff]) }] },
    },
    {
      what: 'a key of 92 bytes',
      code: 'xpak-key-invalid',
      made: { keys: [{ name: 'K'.repeat(92) }] },
    },
    {
      what: 'more keys than allowed',
      code: 'xpak-metadata-too-large',
      options: { limits: { metadataKeys: 3 } },
    },
    {
      what: 'more metadata than allowed',
      code: 'xpak-metadata-too-large',
      options: { limits: { metadataBytes: 50 } },
    },
    {
      what: 'a demand for signatures',
      code: 'xpak-unsigned',
      options: { signatures: 'required' },
    },
  ];
}

function storedImageCases(): readonly HostileXpak[] {
  return [
    { what: 'no image', code: 'xpak-image-missing', made: { image: Buffer.alloc(0) } },
    {
      what: 'an image of no known compression',
      code: 'xpak-image-compression',
      made: { image: Buffer.from('PK\x03\x04 and so on') },
    },
    {
      what: 'bzip2 with smaller blocks, which Portage does not know',
      code: 'xpak-image-compression',
      made: { image: Buffer.from('BZh1 and so on') },
    },
    {
      what: 'a damaged compression',
      code: 'xpak-image-damaged',
      made: { image: Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(100)]) },
    },
    {
      what: 'an archive cut within an entry',
      code: 'xpak-image-damaged',
      made: { image: bareTar([{ name: './a', content: 'x', size: 5000 }]) },
    },
    {
      what: 'bytes after the archive',
      code: 'xpak-image-damaged',
      made: { image: Buffer.concat([xpakImage(), Buffer.from('more')]) },
    },
    {
      what: 'a larger image than allowed',
      code: 'xpak-image-too-large',
      options: { limits: { imageBytes: 1000 } },
    },
    {
      what: 'a bomb',
      code: 'xpak-ratio-exceeded',
      options: { limits: { ratio: 2, ratioFreeBytes: 1000 } },
    },
    {
      what: 'more entries than allowed',
      code: 'xpak-image-too-many-entries',
      options: { limits: { imageEntries: 3 } },
    },
    {
      what: 'a deeper path than allowed',
      code: 'xpak-image-path-too-long',
      options: { limits: { pathDepth: 3 } },
    },
  ];
}

function pathCases(victim: string): readonly HostileXpak[] {
  const link: RawEntry = { name: './etc', typeflag: '2', linkname: dirname(victim) };
  return [
    { what: 'an absolute path', code: 'xpak-image-absolute', made: withImage({ name: victim }) },
    {
      what: 'a path upwards',
      code: 'xpak-image-traversal',
      made: withImage({ name: './../outside/victim' }),
    },
    { what: 'a path with a dot', code: 'xpak-image-outside', made: withImage({ name: './a/./b' }) },
    { what: 'a path with //', code: 'xpak-image-outside', made: withImage({ name: './a//b' }) },
    {
      what: 'a root that is a link',
      code: 'xpak-image-outside',
      made: { image: tar([{ name: '.', typeflag: '2', linkname: '/' }]) },
    },
    {
      what: 'a path twice, once without ./',
      code: 'xpak-image-duplicate',
      made: withImage({ name: 'usr/bin/hello' }),
    },
    {
      what: 'the root twice',
      code: 'xpak-image-duplicate',
      made: withImage({ name: './', typeflag: '5' }),
    },
    { what: 'a FIFO', code: 'xpak-image-device', made: withImage({ name: './p', typeflag: '6' }) },
    {
      what: 'a hard link to a file outside',
      code: 'xpak-image-hardlink',
      made: withImage({ name: './h', typeflag: '1', linkname: victim }),
    },
    {
      what: 'a hard link to a later file',
      code: 'xpak-image-hardlink',
      made: withImage({ name: './h', typeflag: '1', linkname: './later' }, { name: './later' }),
    },
    {
      what: 'a link without a target',
      code: 'xpak-image-link',
      made: { image: xpakImage({ name: './l', typeflag: '2' }) },
    },
    {
      what: 'a file through a link',
      code: 'xpak-image-through-symlink',
      made: withImage(link, { name: './etc/victim', content: 'taken' }),
    },
  ];
}
