import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { StreamInput } from '../../src/binpkg/archive/byte-input.ts';
import { type TarEntry, TarReader } from '../../src/binpkg/archive/tar-reader.ts';
import { packImage } from '../../src/binpkg/image.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { collect, MTIME, piecesOf } from './made-package.ts';

const root = temporaryFolder();

function newImage(): string {
  const image = mkdtempSync(join(root, 'image-'));
  mkdirSync(join(image, 'usr/bin'), { recursive: true });
  writeFileSync(join(image, 'usr/bin/hello'), 'hello\n', { mode: 0o755 });
  return image;
}

async function entriesOf(bytes: Buffer): Promise<TarEntry[]> {
  const reader = new TarReader(new StreamInput(piecesOf(bytes, 4096)));
  const entries: TarEntry[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    entries.push(entry);
  }
  return entries;
}

describe('an image folder', () => {
  it('becomes a tar as Portage writes it', async () => {
    const image = newImage();
    chmodSync(join(image, 'usr/bin/hello'), 0o4711);
    utimesSync(join(image, 'usr/bin/hello'), MTIME, MTIME + 0.9);
    symlinkSync('hello', join(image, 'usr/bin/hi'));
    linkSync(join(image, 'usr/bin/hello'), join(image, 'usr/bin/hey'));
    mkdirSync(join(image, 'usr/bin-é'));

    const packed = await packImage(image);
    const entries = await entriesOf(await collect(packed.stream()));

    expect(packed).toMatchObject({ entries: 7, regularFiles: 1, installedBytes: 6 });
    expect(entries).toMatchObject([
      { path: 'image', type: 'directory' },
      { path: 'image/usr', type: 'directory' },
      { path: 'image/usr/bin', type: 'directory' },
      { path: 'image/usr/bin/hello', type: 'file', size: 6, mode: 0o4711, mtimeSeconds: MTIME },
      { path: 'image/usr/bin/hey', type: 'hardlink', linkPath: 'image/usr/bin/hello' },
      { path: 'image/usr/bin/hi', type: 'symlink', linkPath: 'hello' },
      { path: 'image/usr/bin-é', type: 'directory' },
    ]);
    expect(entries.every(({ uid, gid, uname }) => uid + gid === 0 && uname === 'root')).toBe(true);
  });

  it('is unpacked by GNU tar into the same folder, long names included', async () => {
    const image = newImage();
    const deep = join(image, 'd'.repeat(120), 'e'.repeat(120));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'f'.repeat(150)), Buffer.alloc(300_000, 'z'));
    symlinkSync('t'.repeat(200), join(deep, 'link'));
    writeFileSync(join(image, 'empty'), '');
    const target = mkdtempSync(join(root, 'target-'));

    const bytes = await collect((await packImage(image)).stream());
    await runChecked(['tar', '-C', target, '-xf', '-'], { env: toolEnvironment(), input: bytes });

    await runChecked(['diff', '-r', '--no-dereference', image, join(target, 'image')], {
      env: toolEnvironment(),
    });
    expect(bytes.length % 10_240).toBe(0);
  });

  it('is refused when it holds a socket or a FIFO', async () => {
    const withFifo = newImage();
    await runChecked(['mkfifo', join(withFifo, 'fifo')], { env: toolEnvironment() });
    const withSocket = newImage();
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(join(withSocket, 'socket'), resolve);
    });

    await expect(packImage(withFifo)).rejects.toMatchObject({
      code: 'image-unsupported-file',
      message: expect.stringContaining('image/fifo'),
    });
    await expect(packImage(withSocket)).rejects.toMatchObject({ code: 'image-unsupported-file' });
    server.close();
  });

  it('is refused when a name or a link target is not UTF-8', async () => {
    const image = newImage();
    writeFileSync(Buffer.concat([Buffer.from(`${image}/x`), Buffer.from([0xff])]), '');
    const linked = newImage();
    symlinkSync(Buffer.from([0xff]), join(linked, 'link'));

    await expect(packImage(image)).rejects.toMatchObject({ code: 'image-name-not-utf8' });
    await expect(packImage(linked)).rejects.toMatchObject({ code: 'image-name-not-utf8' });
  });

  it.each([3, 9])('is refused when a file has become %d bytes long meanwhile', async (size) => {
    const image = newImage();
    const packed = await packImage(image);
    truncateSync(join(image, 'usr/bin/hello'), size);

    await expect(collect(packed.stream())).rejects.toMatchObject({ code: 'image-file-changed' });
  });

  it('must be a folder', async () => {
    const image = newImage();

    await expect(packImage(join(image, 'usr/bin/hello'))).rejects.toMatchObject({
      code: 'not-a-folder',
    });
    await expect(packImage(join(image, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
