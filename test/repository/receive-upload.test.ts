import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { receiveUpload } from '../../src/repository/receive-upload.ts';
import { TemporaryFiles } from '../../src/repository/temporary-files.ts';
import { digestOf } from '../../src/support/digests.ts';
import { DiskSpace } from '../../src/support/disk-space.ts';
import { namesIn } from '../../src/support/files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = join(temporaryFolder(), 'uploads');
const store = {
  uploads: new TemporaryFiles(folder),
  folder,
  maxBytes: 1000,
  space: new DiskSpace([], 0),
};
const bytes = Buffer.from('some bytes of a package');
const sha512 = digestOf('sha512', bytes);

function inPieces(...pieces: readonly Buffer[]): Readable {
  return Readable.from(pieces, { objectMode: false });
}

describe('an upload', () => {
  it('is on disk as it was sent, whatever pieces it came in', async () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      const stream = inPieces(bytes.subarray(0, at), bytes.subarray(at));
      const path = await receiveUpload(store, stream, { sha512, size: bytes.length });
      expect(await readFile(path)).toEqual(bytes);
      await store.uploads.discard(path);
    }
    expect(await namesIn(folder)).toEqual([]);
  });

  it('is refused before its first byte when too little would stay free', async () => {
    const free = await new DiskSpace([{ name: 'paths.state', path: '/' }], 1).scarcest();
    const keep = (free?.free ?? 0) + 1024 ** 4;
    const space = new DiskSpace([{ name: 'paths.state', path: '/' }], keep);
    const expected = { sha512, size: bytes.length };
    await expect(
      receiveUpload({ ...store, space }, inPieces(bytes), expected),
    ).rejects.toMatchObject({
      code: 'disk-space-low',
      message: expect.stringMatching(
        /^An upload of 0\.0 MiB was refused: \d+ MiB are free in paths\.state, and \d+ MiB have to stay free/,
      ),
      details: { folder: 'paths.state', keepFree: keep },
    });
    expect(await namesIn(folder)).toEqual([]);
    const little = new DiskSpace([{ name: 'paths.state', path: '/' }], 1);
    await store.uploads.discard(
      await receiveUpload({ ...store, space: little }, inPieces(bytes), expected),
    );
  });

  it('may come without a size', async () => {
    const path = await receiveUpload(store, inPieces(bytes), { sha512 });
    expect(await readFile(path)).toEqual(bytes);
    await store.uploads.discard(path);
  });

  it.each([
    ['upload-truncated', 'ends early', inPieces(bytes.subarray(1)), { sha512, size: bytes.length }],
    [
      'upload-digest-mismatch',
      'is too long',
      inPieces(bytes, bytes),
      { sha512, size: bytes.length },
    ],
    [
      'upload-digest-mismatch',
      'has another digest',
      inPieces(Buffer.from('x')),
      { sha512, size: 1 },
    ],
    ['upload-too-large', 'is announced too large', inPieces(bytes), { sha512, size: 1001 }],
    ['upload-too-large', 'becomes too large', inPieces(Buffer.alloc(999), bytes), { sha512 }],
  ])('is refused as %s when it %s, and leaves nothing', async (code, _how, stream, expected) => {
    await expect(receiveUpload(store, stream, expected)).rejects.toMatchObject({ code });
    expect(await namesIn(folder)).toEqual([]);
  });

  it('that breaks off is refused as truncated and leaves nothing', async () => {
    const stream = new Readable({ read: () => undefined });
    const upload = receiveUpload(store, stream, { sha512, size: bytes.length });
    stream.push(bytes.subarray(0, 5));
    stream.destroy(new Error('aborted'));
    await expect(upload).rejects.toMatchObject({ code: 'upload-truncated' });
    expect(await namesIn(folder)).toEqual([]);
  });

  it('that is refused leaves its sender connected, to be answered', async () => {
    const stream = inPieces(Buffer.alloc(600), Buffer.alloc(600), Buffer.alloc(600));
    await expect(receiveUpload(store, stream, { sha512 })).rejects.toMatchObject({
      code: 'upload-too-large',
    });
    expect(stream.destroyed).toBe(false);
    stream.destroy();
  });
});

describe('leftovers', () => {
  it('of earlier processes are removed, files of this one are kept', async () => {
    const mine = await receiveUpload(store, inPieces(bytes), { sha512 });
    const later = new TemporaryFiles(folder);
    const theirs = await receiveUpload({ ...store, uploads: later }, inPieces(bytes), { sha512 });

    await store.uploads.removeLeftovers();

    expect(await namesIn(folder)).toEqual([mine.slice(folder.length + 1)]);
    expect(theirs).not.toBe(mine);
    await store.uploads.discard(mine);
  });
});
