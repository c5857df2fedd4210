import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { memorySource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { type RewriteGpkgRequest, rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { type VerifiedPackage, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { type WriteGpkgRequest, writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import { digestFile } from '../../src/support/digests.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  forge,
  IMAGE,
  METADATA,
  MTIME,
  PretendKey,
  piecesOf,
  signatureOf,
  tar,
} from './made-package.ts';

const root = temporaryFolder();
const key = new PretendKey('ours');

async function folder(): Promise<string> {
  return await mkdtemp(join(root, 'x-'));
}

async function write(
  changes: Partial<WriteGpkgRequest> = {},
): Promise<{ readonly out: string; readonly written: Awaited<ReturnType<typeof writeGpkg>> }> {
  const at = await folder();
  const request: WriteGpkgRequest = {
    base: 'hello-1.0-r1-3',
    metadata: new Map(Object.entries(METADATA)),
    image: piecesOf(tar(IMAGE), 700),
    out: join(at, 'hello.gpkg.tar'),
    workFolder: at,
    mtimeSeconds: MTIME,
    ...changes,
  };
  return { out: request.out, written: await writeGpkg(request) };
}

async function verifyFile(path: string, verifier?: PretendKey): Promise<VerifiedPackage> {
  const source = await openByteSource(path);
  try {
    return await verifyGpkg(source, verifier === undefined ? {} : { verifier });
  } finally {
    await source.close();
  }
}

async function* failing(): AsyncGenerator<Buffer> {
  yield tar(IMAGE);
  throw new Error('the builder is gone');
}

describe('writing a package', () => {
  it('makes one that verifies, in the order of GLEP 78', async () => {
    const { out, written } = await write({ signer: key });

    const found = await verifyFile(out, key);

    expect(found.members.map(({ name }) => name)).toEqual([
      'gpkg-1',
      'metadata.tar.zst',
      'metadata.tar.zst.sig',
      'image.tar.zst',
      'image.tar.zst.sig',
      'Manifest',
    ]);
    expect(found).toMatchObject({ base: 'hello-1.0-r1-3', fingerprint: 'ours' });
    expect(found.image).toMatchObject({ entries: 6, installedBytes: 6 });
    expect(found.metadata.get('RDEPEND')?.toString()).toBe(METADATA['RDEPEND']);
    expect(written.size).toBe(statSync(out).size);
    expect(written.size % 10_240).toBe(0);
    expect(statSync(out).mode & 0o777).toBe(0o644);
  });

  it('says the digests of what it wrote', async () => {
    const { out, written } = await write();
    const { digests } = await digestFile(out, ['md5', 'sha1', 'sha512']);

    expect(written).toMatchObject({
      md5: digests.of('md5'),
      sha1: digests.of('sha1'),
      sha512: digests.of('sha512'),
    });
  });

  it('begins with the bytes by which Portage and file(1) know a package', async () => {
    const { out } = await write();

    expect(readFileSync(out).toString('latin1', 0, 100)).toContain('/gpkg-1\0');
  });

  it('is listed by GNU tar, members and contents', async () => {
    const { out } = await write();
    const list = async (command: string): Promise<string> => {
      const { stdout } = await runChecked(['sh', '-c', command, 'sh', out], {
        env: { ...toolEnvironment(), TZ: 'UTC' },
      });
      return stdout.toString('utf8').replaceAll(/ +/g, ' ');
    };

    expect(await list('tar --numeric-owner -tvf "$1"')).toMatch(
      /^-rw-r--r-- 0\/0 0 2025-12-29 09:20 hello-1\.0-r1-3\/gpkg-1\n/,
    );
    expect(await list('tar -xOf "$1" hello-1.0-r1-3/metadata.tar.zst | zstd -dc | tar -tf -')).toBe(
      Object.keys(METADATA)
        .map((name) => `metadata/${name}\n`)
        .join(''),
    );
    expect(await list('tar -xOf "$1" hello-1.0-r1-3/image.tar.zst | zstd -dc | tar -tf -')).toBe(
      'image/\nimage/usr/\nimage/usr/bin/\nimage/usr/bin/hello\nimage/usr/bin/hi\nimage/usr/bin/hey\n',
    );
  });

  it('is the same twice, byte by byte', async () => {
    const [first, second] = [await write(), await write()];

    expect(first.written.sha512).toBe(second.written.sha512);
  });

  it('keeps what it is given, whatever the keys and values are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.stringMatching(/^[A-Za-z_.][A-Za-z0-9_.-]{1,60}$/), fc.uint8Array(), {
          minKeys: 1,
          maxKeys: 8,
        }),
        async (values) => {
          const entries = Object.entries(values).map(
            ([name, value]) => [name, Buffer.from(value)] as const,
          );
          fc.pre(entries.every(([name]) => name !== '..'));
          const { out } = await write({ metadata: new Map(entries) });
          expect((await verifyFile(out)).metadata).toEqual(new Map(entries));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('writes the container in the GNU format when its folder has a long name', async () => {
    const base = 'n'.repeat(160);
    const { out } = await write({ base });

    expect(readFileSync(out).toString('latin1', 257, 265)).toBe('ustar  \0');
    expect((await verifyFile(out)).base).toBe(base);
  });

  it('leaves nothing behind when the image fails', async () => {
    const at = await folder();
    const out = join(at, 'x.gpkg.tar');

    await expect(write({ image: failing(), out, workFolder: at })).rejects.toThrow(
      'the builder is gone',
    );

    expect(readdirSync(at)).toEqual([]);
  });

  it('leaves nothing behind when signing fails', async () => {
    const at = await folder();
    const out = join(at, 'x.gpkg.tar');
    const signer = {
      fingerprint: 'x',
      signState: () => 'x',
      clearSign: async () => {
        throw new Error('the key is locked');
      },
    };

    await expect(write({ signer, out, workFolder: at })).rejects.toThrow('the key is locked');

    expect(readdirSync(at)).toEqual([]);
  });

  it('never touches a file that is there already', async () => {
    const at = await folder();
    const out = join(at, 'x.gpkg.tar');
    writeFileSync(out, 'older');

    await expect(write({ out, workFolder: at })).rejects.toMatchObject({ code: 'EEXIST' });

    expect(readFileSync(out, 'utf8')).toBe('older');
    expect(readdirSync(at)).toEqual(['x.gpkg.tar']);
  });

  it.each(['', 'a/b', '..', '.', 'a b', 'a\nb', 'x'.repeat(256)])(
    'refuses the folder name %j',
    async (base) => {
      await expect(write({ base })).rejects.toMatchObject({ code: 'gpkg-base-invalid' });
    },
  );

  it.each(['', 'a/b', '..', 'a b', 'x'.repeat(92)])('refuses the metadata key %j', async (name) => {
    await expect(write({ metadata: new Map([[name, 'x']]) })).rejects.toMatchObject({
      code: 'metadata-key-invalid',
    });
  });
});

async function rewrite(
  bytes: Buffer,
  changes: Partial<RewriteGpkgRequest> = {},
): Promise<{ readonly out: string; readonly before: VerifiedPackage }> {
  const out = join(await folder(), 'again.gpkg.tar');
  const source = memorySource(bytes);
  const before = await verifyGpkg(source);
  const request = { out, mtimeSeconds: MTIME, ...changes };
  const written = await withOpenGpkg(
    source,
    {},
    async (opened) => await rewriteGpkg(opened, request),
  );
  expect(written.sha512).toBe((await digestFile(out, ['sha512'])).digests.of('sha512'));
  return { out, before };
}

describe('rewriting a package', () => {
  it('changes, adds and removes metadata and keeps the image byte by byte', async () => {
    const { out, before } = await rewrite(await forge(), {
      metadata: new Map([
        ['BUILD_ID', '12'],
        ['USE', undefined],
        ['ROOKERY_PROVENANCE', '{}\n'],
      ]),
      signer: key,
      base: 'hello-1.0-r1-12',
    });

    const after = await verifyFile(out, key);

    expect(after).toMatchObject({ base: 'hello-1.0-r1-12', signed: true, fingerprint: 'ours' });
    expect(after.imageMember).toMatchObject({
      name: 'image.tar.gz',
      size: before.imageMember.size,
      sha512: before.imageMember.sha512,
    });
    expect([...after.metadata.keys()]).toEqual([
      ...Object.keys(METADATA).filter((name) => name !== 'USE'),
      'ROOKERY_PROVENANCE',
    ]);
    expect(after.metadata.get('BUILD_ID')?.toString()).toBe('12');
  });

  it('replaces the signatures of another key, and carries further members along', async () => {
    const other = new PretendKey('other');
    const extra = { name: 'provenance.json', content: '{"from":"there"}' };
    const bytes = await forge({
      signer: other,
      members: (usual) => [...usual, extra, signatureOf(extra, other)],
    });

    const { out } = await rewrite(bytes, { signer: key });

    const after = await verifyFile(out, key);
    expect(after.members.map(({ name }) => name)).toEqual([
      'gpkg-1',
      'metadata.tar.gz',
      'metadata.tar.gz.sig',
      'image.tar.gz',
      'image.tar.gz.sig',
      'provenance.json',
      'provenance.json.sig',
      'Manifest',
    ]);
  });

  it('without a signer leaves an unsigned package', async () => {
    const { out } = await rewrite(await forge({ signer: key }));

    expect((await verifyFile(out)).signed).toBe(false);
  });
});
