import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Dirent } from 'node:fs';
import { lstat, mkdir, readdir, readlink, rename, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Header, type Pack, pack } from 'tar-stream';
import { AppError, isAppError, isErrno } from '../support/errors.ts';
import { syncDirectory, syncFile } from '../support/files.ts';
import { newId } from '../support/ids.ts';

export interface SourceArchive {
  /** Of the .tar.gz: its name, and what the agent checks. */
  readonly sha512: string;
  /** Of the tar inside, whatever made the gzip of it: equal for equal trees. */
  readonly contentSha256: string;
  readonly size: number;
}

export interface SourceLimits {
  /** Bytes of all files together. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export const SOURCE_LIMITS: SourceLimits = { maxBytes: 2 ** 30, maxEntries: 200_000 };

/**
 * Packs a source folder as .tar.gz into `<sources>/<sha512>`. The same tree gives the same bytes: names are sorted,
 * owners and times left out, modes reduced to whether a file can be executed. Symbolic links are kept as they are.
 *
 * Throws `source-missing`, `source-too-large`, `source-unsupported` for devices, sockets and pipes,
 * `source-changed` when a file changes while it is read. Nothing stays behind then.
 */
export async function packSource(
  folder: string,
  sources: string,
  limits: SourceLimits = SOURCE_LIMITS,
): Promise<SourceArchive> {
  const entries = await listEntries(folder, limits);
  await mkdir(sources, { recursive: true });
  const temporary = join(sources, `.${newId('tmp')}`);
  try {
    const archive = await writeArchive(folder, entries, temporary);
    await syncFile(temporary);
    await rename(temporary, join(sources, archive.sha512));
    await syncDirectory(sources);
    return archive;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

type Entry = ReturnType<Pack['entry']>;

type EntryHeader = Partial<Header> & Pick<Header, 'name' | 'size' | 'type'>;

interface SourceEntry {
  /** Relative to the source folder. */
  readonly name: string;
  readonly header: EntryHeader;
}

async function listEntries(folder: string, limits: SourceLimits): Promise<SourceEntry[]> {
  const entries: SourceEntry[] = [];
  let bytes = 0;
  const folders = [''];
  for (let inside = folders.pop(); inside !== undefined; inside = folders.pop()) {
    for (const child of await childrenOf(folder, inside)) {
      const entry = await describe(folder, join(inside, child.name));
      entries.push(entry);
      bytes += entry.header.size;
      if (bytes > limits.maxBytes || entries.length > limits.maxEntries) {
        throw new AppError(
          'source-too-large',
          `The source folder ${folder} has more than ${limits.maxBytes} bytes or ${limits.maxEntries} entries.`,
        );
      }
      if (entry.header.type === 'directory') {
        folders.push(entry.name);
      }
    }
  }
  return entries.toSorted((one, other) =>
    Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)),
  );
}

async function childrenOf(folder: string, inside: string): Promise<Dirent[]> {
  if (!isAbsolute(folder)) {
    throw new AppError('source-missing', `The source folder ${folder} is not an absolute path.`);
  }
  try {
    return await readdir(join(folder, inside), { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      throw new AppError('source-missing', `There is no source folder ${join(folder, inside)}.`, {
        cause: error,
      });
    }
    throw error;
  }
}

async function describe(folder: string, name: string): Promise<SourceEntry> {
  const path = join(folder, name);
  const stat = await lstat(path);
  const fixed = { name, uid: 0, gid: 0, mtime: new Date(0) };
  if (stat.isSymbolicLink()) {
    const linkname = await readlink(path);
    return { name, header: { ...fixed, type: 'symlink', linkname, mode: 0o777, size: 0 } };
  }
  if (stat.isDirectory()) {
    return { name, header: { ...fixed, type: 'directory', mode: 0o755, size: 0 } };
  }
  if (stat.isFile()) {
    const mode = (stat.mode & 0o100) === 0 ? 0o644 : 0o755;
    return { name, header: { ...fixed, type: 'file', mode, size: stat.size } };
  }
  throw new AppError(
    'source-unsupported',
    `${name} in the source folder ${folder} is neither a file nor a folder nor a symbolic link.`,
  );
}

async function writeArchive(
  folder: string,
  entries: readonly SourceEntry[],
  path: string,
): Promise<SourceArchive> {
  const archive = pack();
  const content = createHash('sha256');
  const file = createHash('sha512');
  let size = 0;
  const written = pipeline(
    archive,
    tap((chunk) => {
      content.update(chunk);
    }),
    createGzip({ level: 6 }),
    tap((chunk) => {
      file.update(chunk);
      size += chunk.byteLength;
    }),
    createWriteStream(path, { flags: 'wx', mode: 0o644 }),
  );
  const filled = fill(archive, folder, entries).catch((error: unknown) => {
    archive.destroy(new Error('the source could not be read'));
    throw error;
  });
  const faults = (await Promise.allSettled([written, filled])).flatMap((result) =>
    result.status === 'rejected' ? [{ reason: result.reason as unknown }] : [],
  );
  const fault = faults.find(({ reason }) => isAppError(reason)) ?? faults[0];
  if (fault !== undefined) {
    throw fault.reason;
  }
  return { sha512: file.digest('hex'), contentSha256: content.digest('hex'), size };
}

function tap(look: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      look(chunk);
      done(null, chunk);
    },
  });
}

async function fill(archive: Pack, folder: string, entries: readonly SourceEntry[]): Promise<void> {
  for (const { name, header } of entries) {
    if (header.type === 'file') {
      await addFile(archive, join(folder, name), header);
    } else {
      archive.entry(header);
    }
  }
  archive.finalize();
}

async function addFile(archive: Pack, path: string, header: EntryHeader): Promise<void> {
  const { size } = header;
  const entry = archive.entry(header);
  // What destroys the entry is told where it happened: by the archive, or below.
  entry.on('error', () => undefined);
  let read = 0;
  const chunks: AsyncIterable<Buffer> = createReadStream(path);
  for await (const chunk of chunks) {
    read += chunk.byteLength;
    if (read > size) {
      break;
    }
    if (!entry.write(chunk)) {
      await happened(entry, 'drain');
    }
  }
  if (read !== size) {
    throw new AppError('source-changed', `The source file ${path} changed while it was read.`);
  }
  const finished = happened(entry, 'finish');
  entry.end(undefined);
  await finished;
}

/** Waits for an event of an entry; it may be destroyed instead, when the archive cannot be written. */
async function happened(entry: Entry, event: 'drain' | 'finish'): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onEvent = (): void => {
      entry.off('close', onClose);
      resolve();
    };
    const onClose = (): void => {
      entry.off(event, onEvent);
      reject(new Error('the archive was given up'));
    };
    entry.once(event, onEvent);
    entry.once('close', onClose);
  });
}
