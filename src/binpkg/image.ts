import { isUtf8 } from 'node:buffer';
import { constants, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { AppError } from '../support/errors.ts';
import {
  formatFor,
  type NewTarEntry,
  type TarFormat,
  tarEnd,
  tarEntryHeader,
  tarPadding,
} from './archive/tar-writer.ts';

export interface PackedImage {
  /** Everything in the archive, `image/` itself included. */
  readonly entries: number;
  readonly regularFiles: number;
  /** Bytes of all regular files, hard links counted once: the value of the metadata key SIZE. */
  readonly installedBytes: number;
  /** The archive. Each call reads the files again. */
  stream(): AsyncIterable<Buffer>;
}

interface Found {
  /** On disk. */
  readonly file: Buffer;
  readonly entry: NewTarEntry;
}

const PIECE_BYTES = 256 * 1024;
const SLASH = Buffer.from('/');

/**
 * An image folder as the tar that Portage puts into a package (`portage/gpkg.py:gpkg.compress`): `image/`,
 * `image/usr/bin/x` ..., sorted, symbolic links as they are, hard links found by inode, owner root, modes and
 * whole-second mtimes kept; ustar, or GNU where a name or size does not fit.
 *
 * Throws `not-a-folder`, `image-unsupported-file` (device, socket, FIFO), `image-name-not-utf8`; the stream throws
 * `image-file-changed` when a file changes while it is read.
 */
export async function packImage(folder: string): Promise<PackedImage> {
  const found: Found[] = [];
  const root = await fs.realpath(folder);
  if (!(await fs.stat(root)).isDirectory()) {
    throw new AppError('not-a-folder', `${folder} is not a folder.`, { details: { folder } });
  }
  await walk(Buffer.from(root), 'image', { found, inodes: new Map() });
  const entries = found.map(({ entry }) => entry);
  const files = entries.filter(({ type }) => type === 'file');
  const format = entries.some((entry) => formatFor(entry) === 'gnu') ? 'gnu' : 'ustar';
  return {
    entries: entries.length,
    regularFiles: files.length,
    installedBytes: files.reduce((sum, { size }) => sum + size, 0),
    stream: () => archive(found, format),
  };
}

interface Walk {
  readonly found: Found[];
  /** Device and inode to the path in the archive that holds the content. */
  readonly inodes: Map<string, string>;
}

async function walk(file: Buffer, path: string, state: Walk): Promise<void> {
  const stat = await fs.lstat(file);
  state.found.push({ file, entry: await describe({ file, path, stat }, state.inodes) });
  if (stat.isDirectory()) {
    const names = await fs.readdir(file, { encoding: 'buffer' });
    for (const name of names.toSorted((a, b) => a.compare(b))) {
      if (!isUtf8(name)) {
        throw new AppError(
          'image-name-not-utf8',
          `The name ${JSON.stringify(name.toString('latin1'))} in ${path} is not UTF-8.`,
          { details: { folder: path } },
        );
      }
      await walk(Buffer.concat([file, SLASH, name]), `${path}/${name.toString('utf8')}`, state);
    }
  }
}

async function describe(
  at: { readonly file: Buffer; readonly path: string; readonly stat: Stats },
  inodes: Map<string, string>,
): Promise<NewTarEntry> {
  const { file, path, stat } = at;
  const common = {
    path,
    size: 0,
    mode: stat.mode & 0o7777,
    owner: 'root',
    mtimeSeconds: Math.max(0, Math.floor(stat.mtimeMs / 1000)),
  };
  if (stat.isDirectory()) {
    return { ...common, type: 'directory' };
  }
  if (stat.isSymbolicLink()) {
    return { ...common, type: 'symlink', linkPath: await linkTarget(file, path) };
  }
  if (!stat.isFile()) {
    throw new AppError(
      'image-unsupported-file',
      `${path} is a device, a socket or a FIFO, which a package cannot hold.`,
      { details: { path } },
    );
  }
  const inode = `${stat.dev}:${stat.ino}`;
  const first = inodes.get(inode);
  if (first !== undefined) {
    return { ...common, type: 'hardlink', linkPath: first };
  }
  if (stat.nlink > 1) {
    inodes.set(inode, path);
  }
  return { ...common, type: 'file', size: stat.size };
}

async function linkTarget(file: Buffer, path: string): Promise<string> {
  const target = await fs.readlink(file, { encoding: 'buffer' });
  if (!isUtf8(target)) {
    throw new AppError('image-name-not-utf8', `The target of ${path} is not UTF-8.`, {
      details: { path },
    });
  }
  return target.toString('utf8');
}

async function* archive(found: readonly Found[], format: TarFormat): AsyncGenerator<Buffer> {
  let written = 0;
  const small: Buffer[] = [];
  let smallBytes = 0;
  for (const { file, entry } of found) {
    for await (const piece of entryBytes(file, entry, format)) {
      written += piece.length;
      small.push(piece);
      smallBytes += piece.length;
      if (smallBytes >= PIECE_BYTES) {
        yield Buffer.concat(small.splice(0));
        smallBytes = 0;
      }
    }
  }
  yield Buffer.concat([...small, tarEnd(written)]);
}

async function* entryBytes(
  file: Buffer,
  entry: NewTarEntry,
  format: TarFormat,
): AsyncGenerator<Buffer> {
  yield tarEntryHeader(entry, format);
  if (entry.type === 'file') {
    yield* content(file, entry);
    yield tarPadding(entry.size);
  }
}

async function* content(file: Buffer, entry: NewTarEntry): AsyncGenerator<Buffer> {
  const handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    let left = entry.size;
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, left));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) {
        throw changed(entry.path);
      }
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    const { size } = await handle.stat();
    if (size !== entry.size) {
      throw changed(entry.path);
    }
  } finally {
    await handle.close();
  }
}

function changed(path: string): AppError {
  return new AppError('image-file-changed', `${path} changed while it was packed.`, {
    details: { path },
  });
}
