import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { SourceInput, StreamInput } from '../../src/binpkg/archive/byte-input.ts';
import { type TarEntry, TarReader } from '../../src/binpkg/archive/tar-reader.ts';
import { formatFor, tarEntryHeader, tarOf } from '../../src/binpkg/archive/tar-writer.ts';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bareTar, collect, MTIME, paxEntry, piecesOf, type RawEntry, tar } from './made-package.ts';

const folder = temporaryFolder();
const LONG = `image/${'long-folder/'.repeat(30)}file`;

interface Read extends Pick<TarEntry, 'path' | 'type' | 'linkPath' | 'size' | 'mtimeSeconds'> {
  readonly content: string;
}

async function readAll(reader: TarReader): Promise<Read[]> {
  const entries: Read[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const { path, type, linkPath, size, mtimeSeconds } = entry;
    const content = (await collect(reader.content(entry))).toString('latin1');
    entries.push({ path, type, linkPath, size, mtimeSeconds, content });
  }
  return entries;
}

async function read(bytes: Buffer, pieceSize = 10_000): Promise<Read[]> {
  return await readAll(new TarReader(new StreamInput(piecesOf(bytes, pieceSize))));
}

const LONG_NAME: RawEntry = {
  name: '././@LongLink',
  typeflag: 'L',
  magic: 'gnu',
  content: `${LONG}\0`,
};
const MIXED: readonly RawEntry[] = [
  { name: 'image/', typeflag: '5' },
  { name: 'image/a', content: 'a'.repeat(700) },
  LONG_NAME,
  { name: LONG.slice(0, 99), content: 'long', magic: 'gnu' },
  { name: '././@LongLink', typeflag: 'K', magic: 'gnu', content: `${LONG}\0` },
  { name: 'image/l', typeflag: '2', linkname: 'cut', magic: 'gnu' },
  paxEntry({ comment: 'nothing' }, 'g'),
  paxEntry({ path: 'image/pax/é', mtime: '-12.75', size: '3', uid: '77' }),
  { name: 'short', content: 'pax', size: 0 },
  paxEntry({ linkpath: LONG }),
  { name: 'image/h', typeflag: '1', linkname: 'cut' },
];
const EXPECTED: readonly Partial<Read>[] = [
  { path: 'image', type: 'directory' },
  { path: 'image/a', type: 'file', content: 'a'.repeat(700) },
  { path: LONG, type: 'file', content: 'long' },
  { path: 'image/l', type: 'symlink', linkPath: LONG },
  { path: 'image/pax/é', type: 'file', content: 'pax', mtimeSeconds: -13 },
  { path: 'image/h', type: 'hardlink', linkPath: LONG },
];

describe('the tar reader', () => {
  it('reads ustar, GNU and pax entries', async () => {
    expect(await read(tar(MIXED))).toMatchObject(EXPECTED);
  });

  it('reads the same whatever the size of the pieces', async () => {
    const bytes = tar(MIXED);
    const sizes = [...Array.from({ length: 130 }, (_, index) => index + 1), 511, 512, 513, 1024];

    for (const size of sizes) {
      expect(await read(bytes, size)).toMatchObject(EXPECTED);
    }
    expect(await readAll(new TarReader(new SourceInput(memorySource(bytes))))).toMatchObject(
      EXPECTED,
    );
  });

  it('passes over what was not read of an entry', async () => {
    const reader = new TarReader(new StreamInput(piecesOf(tar(MIXED), 100)));
    const paths: string[] = [];
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      paths.push(entry.path);
      for await (const piece of reader.content(entry)) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
    }
    expect(paths).toEqual(EXPECTED.map(({ path }) => path));
  });

  it('takes an entry of the old format, named like a folder, for one', async () => {
    expect(await read(tar([{ name: 'x/', typeflag: '\0' }]))).toMatchObject([
      { path: 'x', type: 'directory' },
    ]);
  });

  it('needs no blocks of zeros at the end, and reads nothing behind them', async () => {
    const bytes = bareTar(MIXED);

    expect(await read(bytes)).toMatchObject(EXPECTED);
    expect(await read(Buffer.concat([bytes, Buffer.alloc(512), bytes]))).toMatchObject(EXPECTED);
  });

  it('refuses an archive cut off anywhere but between entries', async () => {
    const entries: RawEntry[] = [
      { name: 'a', content: 'x'.repeat(600) },
      { name: 'b', content: 'y' },
    ];
    const bytes = bareTar(entries);
    const whole = new Set([0, 512 + 1024, bytes.length]);

    for (let length = 0; length <= bytes.length; length += 1) {
      const reading = read(bytes.subarray(0, length));
      if (whole.has(length)) {
        expect((await reading).length).toBeLessThanOrEqual(2);
      } else {
        await expect(reading).rejects.toMatchObject({ code: 'tar-truncated' });
      }
    }
  });

  it('says while the content is read that it is cut off', async () => {
    const bytes = bareTar([{ name: 'a', content: 'x', size: 2000 }]);
    const reader = new TarReader(new StreamInput(piecesOf(bytes, 300)));
    const entry = await reader.next();

    expect(entry?.size).toBe(2000);
    await expect(
      collect(entry === undefined ? piecesOf(bytes, 1) : reader.content(entry)),
    ).rejects.toMatchObject({ code: 'tar-truncated' });
  });

  it.each<[string, string, readonly RawEntry[]]>([
    ['tar-ambiguous', 'a file named like a folder', [{ name: 'x/' }]],
    ['tar-ambiguous', 'two long names', [LONG_NAME, LONG_NAME, { name: 'x' }]],
    [
      'tar-ambiguous',
      'a long name and a pax path',
      [paxEntry({ path: 'x' }), LONG_NAME, { name: 'y' }],
    ],
    [
      'tar-ambiguous',
      'two pax headers',
      [paxEntry({ path: 'x' }), paxEntry({ path: 'y' }), { name: 'z' }],
    ],
    ['tar-ambiguous', 'a path for all entries', [paxEntry({ path: 'x' }, 'g'), { name: 'y' }]],
    ['tar-pax', 'a sparse file of pax', [paxEntry({ 'GNU.sparse.major': '1' }), { name: 'y' }]],
    ['tar-pax', 'a size that is no number', [paxEntry({ size: '1e3' }), { name: 'y' }]],
    ['tar-pax', 'an uid that is no number', [paxEntry({ uid: '-1' }), { name: 'y' }]],
    ['tar-pax', 'a time that is no number', [paxEntry({ mtime: 'now' }), { name: 'y' }]],
    [
      'tar-pax',
      'a record with a wrong length',
      [{ name: 'p', typeflag: 'x', content: '99 path=x\n' }, { name: 'y' }],
    ],
    [
      'tar-pax',
      'a record without a key',
      [{ name: 'p', typeflag: 'x', content: '5 =x\n' }, { name: 'y' }],
    ],
    [
      'tar-pax',
      'a record twice',
      [{ name: 'p', typeflag: 'x', content: '9 path=a\n9 path=b\n' }, { name: 'y' }],
    ],
    ['tar-type-unsupported', 'a sparse file of GNU', [{ name: 's', typeflag: 'S', magic: 'gnu' }]],
    ['tar-type-unsupported', 'a volume label', [{ name: 'v', typeflag: 'V', magic: 'gnu' }]],
    ['tar-size', 'a folder with content', [{ name: 'd', typeflag: '5', content: 'x' }]],
    ['tar-size', 'a link with content', [{ name: 'l', typeflag: '2', content: 'x' }]],
    ['tar-extension-too-large', 'an endless name', [{ name: 'n', typeflag: 'L', size: 8 ** 10 }]],
    ['tar-truncated', 'a long name of nothing', [LONG_NAME]],
    ['tar-truncated', 'a size beyond the end', [{ name: 'f', size: 8 ** 10 }]],
  ])('refuses with %s: %s', async (code, _what, entries) => {
    await expect(read(tar(entries))).rejects.toMatchObject({ code });
  });

  it('never crashes on a damaged archive', async () => {
    const bytes = tar(MIXED);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (index, change) => {
          const damaged = Buffer.from(bytes);
          damaged[index] = (damaged[index] ?? 0) ^ change;
          try {
            await read(damaged);
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^tar-/) });
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('reads a long name whose beginning in the header ends inside of a character', async () => {
    const name = `a${'\u00e9'.repeat(70)}`;
    mkdirSync(join(folder, 'cut'));
    writeFileSync(join(folder, 'cut', name), 'content');
    const { stdout } = await runChecked(
      ['tar', '-C', join(folder, 'cut'), '--format=gnu', '-cf', '-', name],
      {
        env: toolEnvironment(),
      },
    );

    expect(await read(stdout)).toMatchObject([{ path: name, content: 'content' }]);
  });

  it.each(['ustar', 'gnu', 'pax', 'v7'])('reads what GNU tar writes as %s', async (format) => {
    const root = join(folder, format);
    const deep = format === 'v7' || format === 'ustar' ? 'd' : 'd'.repeat(120);
    mkdirSync(join(root, 'image', deep), { recursive: true });
    writeFileSync(join(root, 'image', deep, 'file'), 'content');
    symlinkSync('file', join(root, 'image', deep, 'link'));
    const { stdout } = await runChecked(
      ['tar', '-C', root, `--format=${format}`, '--sort=name', '-cf', '-', 'image'],
      { env: toolEnvironment() },
    );

    expect(await read(stdout)).toMatchObject([
      { path: 'image', type: 'directory' },
      { path: `image/${deep}`, type: 'directory' },
      { path: `image/${deep}/file`, content: 'content' },
      { path: `image/${deep}/link`, type: 'symlink', linkPath: 'file' },
    ]);
  });
});

describe('the tar writer', () => {
  const entry = fc.record({
    path: fc
      .array(fc.stringMatching(/^[a-zé]{1,60}$/), { minLength: 1, maxLength: 6 })
      .map((segments) => segments.join('/')),
    content: fc.uint8Array({ maxLength: 1500 }),
  });

  it('writes what the reader reads', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (files) => {
        const entries = files.map(({ path, content }) => ({
          entry: { path, type: 'file', mtimeSeconds: MTIME } as const,
          content: Buffer.from(content),
        }));
        const bytes = tarOf(entries, 'gnu');
        expect(bytes.length % 10_240).toBe(0);
        expect(await read(bytes)).toEqual(
          files.map(({ path, content }) => ({
            path,
            type: 'file',
            mtimeSeconds: MTIME,
            linkPath: '',
            size: content.length,
            content: Buffer.from(content).toString('latin1'),
          })),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('gives a name of more than 100 bytes an entry of its own in the GNU format', () => {
    const path = 'n'.repeat(150);
    const blocks = tarEntryHeader({ path, type: 'file', size: 1, mtimeSeconds: MTIME }, 'gnu');

    expect(blocks).toHaveLength(3 * 512);
    expect(blocks.toString('latin1', 0, 13)).toBe('././@LongLink');
    expect(blocks.toString('latin1', 124, 135)).toBe('00000000227');
    expect(blocks.toString('latin1', 156, 157)).toBe('L');
    expect(blocks.toString('latin1', 512, 512 + 151)).toBe(`${path}\0`);
    expect(blocks.toString('latin1', 1024, 1124)).toBe('n'.repeat(100));
    expect(formatFor({ path, type: 'file', size: 1, mtimeSeconds: MTIME })).toBe('gnu');
  });
});
