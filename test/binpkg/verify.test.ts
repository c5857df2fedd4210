import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import {
  bareTar,
  type Forged,
  forge,
  forgedSource,
  IMAGE,
  METADATA,
  metadataTar,
  PretendKey,
  paxEntry,
  type RawEntry,
  tar,
} from './made-package.ts';

const key = new PretendKey('ours');

async function verified(forged: Forged = {}): Promise<Awaited<ReturnType<typeof verifyGpkg>>> {
  return await verifyGpkg(await forgedSource(forged), { listFiles: true });
}

function rearranged(manifest: string): string {
  return manifest
    .split('\n')
    .map((line) => {
      const [tag, name, size, first, blake2b, second, sha512] = line.split(' ');
      const hashes = ['SHA1', 'aa', second, sha512?.toUpperCase(), first, blake2b];
      return sha512 === undefined ? '' : [tag, name, size, ...hashes].join(' ');
    })
    .join('\r\n\r\n');
}

describe('a package', () => {
  it('is described by what is in it', async () => {
    const bytes = await forge();

    const found = await verifyGpkg(memorySource(bytes), { listFiles: true });

    expect(found).toMatchObject({
      base: 'hello-1.0-r1-3',
      signed: false,
      fingerprint: undefined,
      metadataMember: { name: 'metadata.tar.gz' },
      image: {
        entries: 6,
        regularFiles: 1,
        installedBytes: 6,
        files: ['usr/bin/hello', 'usr/bin/hey'],
      },
    });
    expect(found.members.map(({ name }) => name)).toEqual([
      'gpkg-1',
      'metadata.tar.gz',
      'image.tar.gz',
      'Manifest',
    ]);
    expect(Object.fromEntries([...found.metadata].map(([k, v]) => [k, v.toString()]))).toEqual(
      METADATA,
    );
    const { offset, size } = found.imageMember;
    expect(bytes.subarray(offset, offset + size).equals(gzipSync(tar(IMAGE)))).toBe(true);
  });

  it('does not list files unless asked', async () => {
    const found = await verifyGpkg(await forgedSource());

    expect(found.image.files).toBeUndefined();
  });
});

/** Portage has read the first record of an image, and a pipe holds the rest. */
const MOST_PADDED = 10_240 + 65_536;

async function padded(bytes: number): ReturnType<typeof verified> {
  const archive = bareTar(IMAGE);
  return await verified({ image: Buffer.concat([archive, Buffer.alloc(bytes - archive.length)]) });
}

describe('after the archive of an image', () => {
  it('there may be zeros, but not so many that Portage would wait for ever', async () => {
    expect((await padded(MOST_PADDED)).image.entries).toBe(6);
    await expect(padded(MOST_PADDED + 1)).rejects.toMatchObject({ code: 'gpkg-image-damaged' });
  });

  it('of metadata, which Portage reads to the end, there may be any number', async () => {
    const metadata = Buffer.concat([metadataTar(), Buffer.alloc(200_000)]);

    expect((await verified({ metadata })).metadata.size).toBe(Object.keys(METADATA).length);
  });
});

describe('what Portage accepts is accepted:', () => {
  it('members in any order', async () => {
    const shuffled = { order: (entries: readonly RawEntry[]) => entries.toReversed() };

    expect((await verified(shuffled)).members[0]?.name).toBe('Manifest');
  });

  it.each<[string, Partial<RawEntry>]>([
    ['GNU', { magic: 'gnu' }],
    ['ustar', { magic: 'ustar' }],
  ])('a container in the %s format', async (_name, form) => {
    const order = (entries: readonly RawEntry[]): readonly RawEntry[] =>
      entries.map((entry) => ({ ...entry, ...form }));

    expect((await verified({ order })).members).toHaveLength(4);
  });

  it('a container in the pax format', async () => {
    const found = await verified({
      order: (entries) =>
        entries.flatMap((entry) => [paxEntry({ path: entry.name, mtime: '1.5' }), entry]),
    });

    expect(found.base).toBe('hello-1.0-r1-3');
  });

  it('no blocks of zeros at the end, one block, and bytes behind them', async () => {
    const junk = Buffer.concat([Buffer.alloc(1024), Buffer.from('unsigned junk')]);

    for (const end of [Buffer.alloc(0), Buffer.alloc(512), Buffer.alloc(100), junk]) {
      expect((await verified({ end })).members).toHaveLength(4);
    }
  });

  it('further members that are listed, and a marker with content', async () => {
    const found = await verified({
      members: ([, ...usual]) => [
        { name: 'gpkg-1', content: 'qpkg 1.0' },
        ...usual,
        { name: 'provenance.json', content: '{}' },
      ],
    });

    expect(found.members.map(({ name }) => name)).toContain('provenance.json');
  });

  it('hashes in any order and case, further hashes, empty lines and CR LF', async () => {
    expect((await verified({ manifest: rearranged })).members).toHaveLength(4);
  });

  it('an image in the GNU or pax format, with ./ before its paths, without its folders', async () => {
    const long = `image/${'deep/'.repeat(60)}file`;
    const images: readonly (readonly RawEntry[])[] = [
      [
        { name: '././@LongLink', typeflag: 'L', magic: 'gnu', content: `${long}\0` },
        { name: 'cut', content: 'x', magic: 'gnu' },
      ],
      [paxEntry({ path: long }), { name: 'short', content: 'x' }],
      [
        { name: './image/', typeflag: '5' },
        { name: './image/file', content: 'x' },
        { name: './image/again', typeflag: '1', linkname: './image/file' },
      ],
      [{ name: 'image/usr/lib/x', content: 'x' }],
      [{ name: 'image/', typeflag: '5' }],
      [{ name: 'image/etc', typeflag: '2', linkname: '/etc' }],
    ];
    for (const image of images) {
      const found = await verified({ image: bareTar(image) });
      expect(found.image.entries).toBe(
        image.filter(({ typeflag }) => !'Lx'.includes(typeflag ?? '0')).length,
      );
    }
  });

  it('metadata as pax or GNU, and without blocks of zeros', async () => {
    const entry = { name: 'metadata/SLOT', content: '0\n' };

    for (const metadata of [
      bareTar([entry]),
      tar([{ ...entry, magic: 'gnu' }]),
      tar([paxEntry({ path: entry.name }), { ...entry, name: 'x' }]),
    ]) {
      expect((await verified({ metadata })).metadata.get('SLOT')?.toString()).toBe('0\n');
    }
  });

  it('an unsigned package where signatures are checked if present', async () => {
    const found = await verifyGpkg(await forgedSource(), { verifier: key });

    expect(found.signed).toBe(false);
  });
});

describe('a signed package', () => {
  it('is accepted with the key that signed it, in both modes', async () => {
    const source = await forgedSource({ signer: key });

    for (const signatures of ['required', 'if-present'] as const) {
      const found = await verifyGpkg(source, { verifier: key, signatures });
      expect(found).toMatchObject({ signed: true, fingerprint: 'ours' });
    }
  });

  it('is checked for its form when there is no verifier', async () => {
    const found = await verifyGpkg(await forgedSource({ signer: new PretendKey('anyone') }));

    expect(found).toMatchObject({ signed: true, fingerprint: undefined });
  });

  it('takes the Manifest from inside the signed text', async () => {
    await expect(
      verifyGpkg(await forgedSource({ signer: key, manifest: (text) => `- ${text}` })),
    ).resolves.toMatchObject({ signed: true });
  });

  it('is refused when the signature of its marker is wrong, which need not be there', async () => {
    const source = await forgedSource({
      signer: key,
      members: ([marker, ...rest]) => {
        const signature = signatureFor(rest);
        return marker === undefined
          ? rest
          : [marker, { ...signature, name: 'gpkg-1.sig' }, ...rest];
      },
    });

    await expect(verifyGpkg(source, { verifier: key })).rejects.toMatchObject({
      code: 'gpkg-signature-invalid',
    });
  });
});

function signatureFor(
  members: readonly { readonly name: string; readonly content?: Buffer | string }[],
) {
  const signature = members.find(({ name }) => name.endsWith('.sig'));
  return { name: '', content: signature?.content ?? '' };
}

describe('a package that is cut off', () => {
  it('is refused at every byte up to the end of the last member, and never crashes', async () => {
    const forged: Forged = { metadata: tar([{ name: 'metadata/SLOT', content: '0\n' }]) };
    const bytes = await forge({ ...forged, end: Buffer.alloc(0) });

    for (let length = 0; length < bytes.length; length += 1) {
      await expect(verifyGpkg(memorySource(bytes.subarray(0, length)))).rejects.toMatchObject({
        code: expect.stringMatching(/^gpkg-/),
      });
    }
    await expect(verifyGpkg(memorySource(bytes))).resolves.toBeDefined();
  }, 60_000);
});

describe('a package with one changed byte', () => {
  it('is refused, or the byte is one that means nothing', async () => {
    const bytes = await forge({ signer: key });
    const original = await verifyGpkg(memorySource(bytes), { verifier: key });

    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (index, change) => {
          const damaged = Buffer.from(bytes);
          damaged[index] = (damaged[index] ?? 0) ^ change;
          try {
            const found = await verifyGpkg(memorySource(damaged), { verifier: key });
            expect(found.metadata).toEqual(original.metadata);
            expect(found.imageMember.sha512).toBe(original.imageMember.sha512);
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^gpkg-/) });
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('names the digest, not the damage, when an archive was changed', async () => {
    const bytes = await forge();
    const { imageMember } = await verifyGpkg(memorySource(bytes));
    bytes[imageMember.offset + 30] = (bytes[imageMember.offset + 30] ?? 0) ^ 0xff;

    await expect(verifyGpkg(memorySource(bytes))).rejects.toMatchObject({
      code: 'gpkg-digest-mismatch',
      details: { name: 'image.tar.gz' },
    });
  });
});

describe('the image', () => {
  it('is walked in bounded memory', async () => {
    const zeros = Buffer.alloc(200 * 1024 * 1024);
    const image = tar([{ name: 'image/zeros', content: zeros }]);
    const bytes = await forge({ image });
    const before = process.memoryUsage().rss;

    const found = await verifyGpkg(memorySource(bytes), { limits: { ratio: 10_000 } });

    expect(found.image.installedBytes).toBe(zeros.length);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('keeps the metadata in archive order', async () => {
    const found = await verified({ metadata: metadataTar({ B: '1', A: '2', C: '3' }) });

    expect([...found.metadata.keys()]).toEqual(['B', 'A', 'C']);
  });
});
