import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { memorySource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { type VerifiedPackage, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { packageFormat } from '../../src/binpkg/package-file.ts';
import { convertXpak } from '../../src/binpkg/xpak/convert.ts';
import { XPAK_REFUSALS } from '../../src/binpkg/xpak/refusals.ts';
import { verifyXpak } from '../../src/binpkg/xpak/verify.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { xpakCases } from './hostile-xpak.ts';
import { collect, forge, METADATA, MTIME, PretendKey, type RawEntry, tar } from './made-package.ts';
import { keysOf, makeXpak, XPAK_IMAGE, xpakImage } from './made-xpak.ts';

const folder = temporaryFolder();
const victim = join(folder, 'outside', 'victim');
mkdirSync(join(folder, 'outside'));
writeFileSync(victim, 'untouched');
let outs = 0;

function newOut(): string {
  outs += 1;
  return join(folder, `out-${outs}.gpkg.tar`);
}

async function pressed(command: readonly string[], bytes: Buffer): Promise<Buffer> {
  const { stdout } = await runChecked(command, { env: toolEnvironment(), input: bytes });
  return stdout;
}

async function converted(
  bytes: Buffer,
  more: Partial<Parameters<typeof convertXpak>[0]> = {},
): Promise<{ readonly verified: VerifiedPackage; readonly out: string; readonly tar: Buffer }> {
  const out = newOut();
  await convertXpak({ source: memorySource(bytes), out, mtimeSeconds: MTIME, ...more });
  const source = await openByteSource(out);
  const verified = await verifyGpkg(source, { listFiles: true });
  const { offset, size } = verified.imageMember;
  const image = await pressed(['zstd', '-dc'], await collect(source.stream(offset, size)));
  await source.close();
  return { verified, out, tar: image };
}

describe('an XPAK', () => {
  it('is verified: metadata, entries and digests of what is stored', async () => {
    const bytes = makeXpak();
    const verified = await verifyXpak(memorySource(bytes), { listFiles: true });

    expect(Object.fromEntries([...verified.metadata].map(([k, v]) => [k, String(v)]))).toEqual(
      METADATA,
    );
    expect(verified.image).toEqual({
      entries: 6,
      regularFiles: 1,
      installedBytes: 6,
      files: ['usr/bin/hello', 'usr/bin/hey'],
    });
    expect(verified.storedImage).toMatchObject({
      compression: 'gz',
      size: verified.segment.offset,
    });
    expect(verified.segment.offset + verified.segment.size + 8).toBe(bytes.length);
  });

  it.each<[string, readonly string[]]>([
    ['gz', ['gzip', '-c']],
    ['bz2', ['bzip2', '-c']],
    ['xz', ['xz', '-c']],
    ['lz4', ['lz4', '-c']],
    ['lz', ['lzip', '-c']],
    ['lzo', ['lzop', '-c']],
    ['zst', ['zstd', '-c']],
    ['tar', ['cat']],
  ])('whose image is %s is read and converted', async (compression, command) => {
    const image = await pressed(command, xpakImage());
    const bytes = makeXpak({ image });

    const verified = await verifyXpak(memorySource(bytes));
    const { verified: gpkg } = await converted(bytes);

    expect(verified.storedImage.compression).toBe(compression);
    expect(gpkg.image).toMatchObject({ entries: 6, regularFiles: 1, installedBytes: 6 });
  });

  it('is told from a GPKG by its content', async () => {
    const gpkg = await forge();
    const reordered = await forge({ order: (entries) => entries.toReversed() });

    expect(await packageFormat(memorySource(makeXpak()))).toBe('xpak');
    expect(await packageFormat(memorySource(gpkg))).toBe('gpkg');
    expect(await packageFormat(memorySource(reordered))).toBe('gpkg');
    expect(await packageFormat(memorySource(Buffer.concat([gpkg, makeXpak()])))).toBe('gpkg');
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(2000), Buffer.from('XPAKSTOP')]) {
      await expect(packageFormat(memorySource(bytes))).rejects.toMatchObject({
        code: 'package-format-unknown',
      });
    }
  });
});

describe('a converted XPAK', () => {
  it('holds the same metadata byte for byte, in the same order, but for CONTENTS', async () => {
    const environment = Buffer.from([0x42, 0x5a, 0x68, 0x39, 0, 0xff, 0x0a]);
    const metadata = {
      ...METADATA,
      'environment.bz2': environment,
      CONTENTS: 'dir /usr\n',
      EMPTY: '',
    };
    const { verified } = await converted(makeXpak({ keys: keysOf(metadata) }));

    const keys = Object.keys(metadata).filter((key) => key !== 'CONTENTS');
    expect([...verified.metadata.keys()]).toEqual(keys);
    expect(verified.metadata.get('environment.bz2')).toEqual(environment);
    expect(verified.metadata.get('RDEPEND')?.toString()).toBe(METADATA['RDEPEND']);
    expect(verified).toMatchObject({ base: 'hello-1.0-r1-3', signed: false });
  });

  it('holds the same files below image/: content, modes, owners, links, times', async () => {
    const { tar: archive, verified } = await converted(makeXpak());
    const target = join(folder, 'unpacked');
    mkdirSync(target);
    const listing = await pressed(['tar', '-tvf', '-', '--full-time', '--utc'], archive);
    await pressed(['tar', '-xf', '-', '-C', target, '--no-same-owner'], archive);

    expect(verified.image.files).toEqual(['usr/bin/hello', 'usr/bin/hey']);
    expect(readFileSync(join(target, 'image/usr/bin/hey'), 'utf8')).toBe('hello\n');
    expect(readFileSync(join(target, 'image/usr/bin/hi'), 'utf8')).toBe('hello\n');
    const lines = listing.toString().trim().split('\n');
    expect(lines.map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      'drwxr-xr-x 0/0 0 2025-12-29 09:20:00 image/',
      'drwxr-xr-x 0/0 0 2025-12-29 09:20:00 image/usr/',
      'drwxr-xr-x 0/0 0 2025-12-29 09:20:00 image/usr/bin/',
      '-rwsr-xr-x portage/0 6 2025-12-29 09:20:00 image/usr/bin/hello',
      'lrwxrwxrwx 0/0 0 2025-12-29 09:20:00 image/usr/bin/hi -> ./hello',
      'hrw-r--r-- 0/0 0 2025-12-29 09:20:00 image/usr/bin/hey link to image/usr/bin/hello',
    ]);
  });

  it('keeps what only GNU and pax headers have room for', async () => {
    const long = `./${'folder-of-some-length/'.repeat(12)}file`;
    const entries: RawEntry[] = [
      { name: '././@LongLink', typeflag: 'L', magic: 'gnu', content: `${long}\0` },
      { name: 'cut', content: 'deep', magic: 'gnu', uid: 3_000_000, mtimeSeconds: -5 },
    ];
    const { verified, tar: archive } = await converted(makeXpak({ image: tar(entries) }));
    const listing = await pressed(['tar', '--numeric-owner', '-tvf', '-'], archive);

    expect(verified.image.files).toEqual([long.slice(2)]);
    expect(listing.toString()).toContain('3000000/0');
  });

  it('has a further symbolic link for a hard link to one, which Portage could not unpack', async () => {
    const image = xpakImage({ name: './usr/bin/ho', typeflag: '1', linkname: './usr/bin/hi' });
    const { out } = await converted(makeXpak({ image }));
    const source = await openByteSource(out);
    const links: string[] = [];
    await verifyGpkg(source, {
      visit: async ({ path, type, linkPath }) => {
        links.push(...(type === 'symlink' ? [`${path} -> ${linkPath}`] : []));
      },
    });
    await source.close();

    expect(links).toEqual(['usr/bin/hi -> ./hello', 'usr/bin/ho -> ./hello']);
  });

  it('is signed when a key is given, and has the wanted folder', async () => {
    const key = new PretendKey('ours');
    const { out } = await converted(makeXpak(), { signer: key, base: 'other-name' });
    const source = await openByteSource(out);

    const verified = await verifyGpkg(source, { verifier: key, signatures: 'required' });
    await source.close();

    expect(verified).toMatchObject({ base: 'other-name', signed: true, fingerprint: 'ours' });
  });

  it('of an empty image has the image folder alone', async () => {
    const empty = tar([{ name: './', typeflag: '5' }]);
    const { verified } = await converted(makeXpak({ image: empty }));

    expect(verified.image).toMatchObject({ entries: 1, regularFiles: 0, files: [] });
  });

  it('is not there when the XPAK is refused at its last entry', async () => {
    const bytes = makeXpak({ image: xpakImage({ name: './dev/null', typeflag: '3' }) });
    const out = newOut();
    const before = readdirSync(folder);

    await expect(
      convertXpak({ source: memorySource(bytes), out, mtimeSeconds: MTIME }),
    ).rejects.toMatchObject({ code: 'xpak-image-device' });
    expect(readdirSync(folder)).toEqual(before);
  });
});

const usual = makeXpak();
const HOSTILE = xpakCases(victim);

describe('an XPAK is refused for', () => {
  it.each(HOSTILE)('$what: $code', async ({ code, made, bytes, options }) => {
    const source = memorySource(bytes ?? makeXpak(made));
    const out = newOut();

    await expect(verifyXpak(source, options)).rejects.toMatchObject({ code });
    if (options?.signatures === undefined) {
      await expect(
        convertXpak({ source, out, mtimeSeconds: MTIME, limits: options?.limits ?? {} }),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:xpak-|package-invalid-metadata)/),
      });
    }
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(readdirSync(folder)).not.toContain(out.slice(folder.length + 1));
  });

  it('taking too long', async () => {
    const clock = new ManualClock();
    const source = memorySource(usual);
    const slow = {
      ...source,
      stream: (offset: number, length: number) => {
        clock.advance(500);
        return source.stream(offset, length);
      },
    };

    await expect(verifyXpak(slow, { clock, limits: { timeMs: 400 } })).rejects.toMatchObject({
      code: 'xpak-time-exceeded',
    });
  });

  it('every reason there is, by a case of this file', () => {
    const reached = [...HOSTILE.map(({ code }) => code), 'xpak-time-exceeded'];

    expect([...new Set(reached)].toSorted()).toEqual(Object.keys(XPAK_REFUSALS).toSorted());
  });

  it('being cut off at any byte', async () => {
    for (let size = 0; size < usual.length; size += 1) {
      await expect(verifyXpak(memorySource(usual.subarray(0, size)))).rejects.toMatchObject({
        code: expect.stringMatching(/^xpak-/),
      });
    }
  });
});

describe('the verification of an XPAK', () => {
  it('stops when it is told to', async () => {
    const stop = new AbortController();
    stop.abort();

    await expect(verifyXpak(memorySource(usual), { signal: stop.signal })).rejects.toMatchObject({
      code: 'verification-aborted',
    });
  });

  it('accepts paths without ./ and folders without entries', async () => {
    const image = tar(
      XPAK_IMAGE.filter(({ name }) => name.length > 8).map((entry) => ({
        ...entry,
        name: entry.name.slice(2),
      })),
    );
    const { image: summary } = await verifyXpak(memorySource(makeXpak({ image })));

    expect(summary.regularFiles).toBe(1);
  });
});
