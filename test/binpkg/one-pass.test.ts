import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { type ByteSource, memorySource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { type RewriteGpkgRequest, rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { type VerifiedPackage, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { compressZstd } from '../../src/binpkg/zstd.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  collect,
  type Forged,
  forge,
  IMAGE,
  MTIME,
  PretendKey,
  piecesOf,
  type RawMember,
  signatureOf,
  tar,
} from './made-package.ts';

const root = temporaryFolder();
const theirs = new PretendKey('theirs');
const ours = new PretendKey('ours', ['ours', 'theirs']);

/** Bytes that do not pack, so that the image comes in many pieces. */
function noise(bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  let word = 1;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    word = Math.imul(word, 1_664_525) + 1_013_904_223;
    made.writeInt32LE(word | 0, at);
  }
  return made;
}

const BIG = tar([...IMAGE, { name: 'image/usr/big', content: noise(3_000_001) }]);

/** A package signed by somebody else whose image is this. */
async function packageOf(image: RawMember, more: Forged = {}): Promise<Buffer> {
  const members = (usual: readonly RawMember[]): readonly RawMember[] => [
    ...usual.slice(0, 3),
    image,
    signatureOf(image, theirs),
  ];
  return await forge({ signer: theirs, members, ...more });
}

async function zstdImage(): Promise<RawMember> {
  return { name: 'image.tar.zst', content: await collect(compressZstd(piecesOf(BIG, 100_000))) };
}

async function inFile(bytes: Buffer): Promise<{ readonly file: string; readonly folder: string }> {
  const folder = await mkdtemp(join(root, 'x-'));
  const file = join(folder, 'x.gpkg.tar');
  writeFileSync(file, bytes);
  return { file, folder };
}

/** Counts the bytes that are read. */
function counting(source: ByteSource): { readonly source: ByteSource; bytes: number } {
  const counted = {
    bytes: 0,
    source: {
      size: source.size,
      read: async (offset: number, length: number) => {
        const piece = await source.read(offset, length);
        counted.bytes += piece.length;
        return piece;
      },
      stream: async function* stream(offset: number, length: number, use?: 'kept' | 'passing') {
        for await (const piece of source.stream(offset, length, use)) {
          counted.bytes += piece.length;
          yield piece;
        }
      },
    },
  };
  return counted;
}

async function sign(
  source: ByteSource,
  out: string,
  changes: Partial<RewriteGpkgRequest> = {},
): Promise<void> {
  const request = { signer: ours, out, mtimeSeconds: MTIME, ...changes };
  const options = { verifier: ours, signatures: 'required' } as const;
  await withOpenGpkg(source, options, async (opened) => await rewriteGpkg(opened, request));
}

async function verified(file: string): Promise<VerifiedPackage> {
  const source = await openByteSource(file);
  try {
    return await verifyGpkg(source, { verifier: new PretendKey('ours'), signatures: 'required' });
  } finally {
    await source.close();
  }
}

async function contentOf(file: string, name: string): Promise<Buffer> {
  const bytes = readFileSync(file);
  const member = (await verified(file)).members.find((one) => one.name === name);
  return bytes.subarray(member?.offset, (member?.offset ?? 0) + (member?.size ?? 0));
}

describe('verifying and signing', () => {
  it.each([
    ['with the metadata as they are', undefined],
    ['with other metadata', new Map([['BUILD_ID', '9']])],
  ])('reads every byte once, %s', async (_what, metadata) => {
    const image = await zstdImage();
    const { file, folder } = await inFile(await packageOf(image));
    const out = join(folder, 'out');
    const opened = await openByteSource(file);
    const counted = counting(opened);

    await sign(counted.source, out, metadata === undefined ? {} : { metadata });
    await opened.close();

    // Signatures are read to check them, and as members with a digest of their own.
    expect(counted.bytes).toBeLessThan(opened.size + 10_000);
    expect(counted.bytes).toBeGreaterThan(3_000_000);
    const again = await contentOf(out, 'image.tar.zst');
    expect(again.equals(Buffer.from(image.content ?? ''))).toBe(true);
    expect((await verified(out)).metadata.get('BUILD_ID')?.toString()).toBe(
      metadata === undefined ? '3' : '9',
    );
  });

  it('puts members that come in another order into the usual one', async () => {
    const extra = { name: 'extra', content: noise(600_000) };
    const image = await zstdImage();
    const bytes = await forge({
      signer: theirs,
      members: ([marker = image, metadata = image, signature = image]) => [
        extra,
        image,
        metadata,
        signatureOf(extra, theirs),
        signatureOf(image, theirs),
        signature,
        marker,
      ],
      order: (entries) => [...entries.slice(-1), ...entries.slice(0, -1)],
    });
    const { file, folder } = await inFile(bytes);
    const out = join(folder, 'out');
    const source = await openByteSource(file);

    await sign(source, out);
    await source.close();

    expect((await verified(out)).members.map(({ name }) => name)).toEqual([
      'gpkg-1',
      'metadata.tar.gz',
      'metadata.tar.gz.sig',
      'image.tar.zst',
      'image.tar.zst.sig',
      'extra',
      'extra.sig',
      'Manifest',
    ]);
    expect((await contentOf(out, 'extra')).equals(extra.content)).toBe(true);
    expect((await contentOf(out, 'image.tar.zst')).equals(Buffer.from(image.content ?? ''))).toBe(
      true,
    );
  });

  it.each([
    ['gz', async () => gzipSync(BIG, { level: 0 })],
    ['xz', async () => await packedBy('xz', '-0')],
    ['bz2', async () => await packedBy('bzip2', '-1')],
  ])('takes an image over byte by byte whatever unpacks it: %s', async (suffix, packed) => {
    const image = { name: `image.tar.${suffix}`, content: await packed() };
    const { file, folder } = await inFile(await packageOf(image));
    const source = await openByteSource(file);

    await sign(source, join(folder, 'out'));
    await source.close();

    expect((await contentOf(join(folder, 'out'), image.name)).equals(image.content)).toBe(true);
  });
});

async function packedBy(...command: readonly string[]): Promise<Buffer> {
  const { file } = await inFile(BIG);
  const { stdout } = await runChecked([...command, '-c', file], { env: toolEnvironment() });
  return stdout;
}

async function refused(bytes: Buffer, code: string): Promise<void> {
  const { file, folder } = await inFile(bytes);
  const source = await openByteSource(file);
  await expect(sign(source, join(folder, 'out'))).rejects.toMatchObject({ code });
  await source.close();
  expect(readdirSync(folder)).toEqual(['x.gpkg.tar']);
  expect(readFileSync(file).equals(bytes)).toBe(true);
}

describe('a package that turns out bad at its end', () => {
  it('leaves nothing when the last byte of its image is another', async () => {
    const image = await zstdImage();
    const bytes = await packageOf(image);
    const content = Buffer.from(image.content ?? '');
    const end = bytes.indexOf(content.subarray(0, 100)) + content.length - 1;
    bytes[end] = (bytes[end] ?? 0) ^ 1;

    await refused(bytes, 'gpkg-digest-mismatch');
  });

  it('leaves nothing when only the archive in it is bad', async () => {
    const { content = '' } = await zstdImage();
    const image = { name: 'image.tar.zst', content: Buffer.from(content).subarray(0, -4) };

    await refused(await packageOf(image), 'gpkg-image-damaged');
  });

  it('leaves nothing when only its signature is bad', async () => {
    const image = await zstdImage();
    const wrong = { ...signatureOf({ ...image, content: 'other' }, theirs) };
    const members = (usual: readonly RawMember[]): readonly RawMember[] => [
      ...usual.slice(0, 3),
      image,
      wrong,
    ];

    await refused(await packageOf(image, { members }), 'gpkg-signature-invalid');
  });

  it('leaves nothing when the file becomes shorter while it is read', async () => {
    const bytes = await packageOf(await zstdImage());
    const whole = memorySource(bytes);
    const cut = memorySource(bytes.subarray(0, 1_000_000));
    const folder = await mkdtemp(join(root, 'x-'));
    const shorter = {
      ...whole,
      stream: (offset: number, length: number) =>
        (length > 1_000_000 ? cut : whole).stream(offset, length),
    };

    await expect(sign(shorter, join(folder, 'out'))).rejects.toMatchObject({
      code: 'source-truncated',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is never written when its metadata are not wanted', async () => {
    const source = memorySource(await packageOf(await zstdImage()));
    const counted = counting(source);
    const out = join(root, 'not-wanted');
    const work = withOpenGpkg(counted.source, {}, async ({ head }) => {
      throw new Error(`no ${head.base}`);
    });

    await expect(work).rejects.toThrow('no hello-1.0-r1-3');
    expect(existsSync(out)).toBe(false);
    expect(counted.bytes).toBeLessThan(50_000);
  });
});
