import type { Hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { DigestSet } from '../../support/digests.ts';
import { syncDirectory } from '../../support/files.ts';
import { type TarFormat, tarEnd, tarEntryHeader, tarPadding } from '../archive/tar-writer.ts';
import type { AnyPackageSigner, SigningStream } from '../package-signer.ts';
import { MANIFEST, MARKER, SIGNATURE_SUFFIX } from './layout.ts';
import { formatManifest, type ManifestRecord } from './manifest.ts';

/** A package file that is on disk, synced. Digests are lowercase hex of the whole file. */
export interface WrittenPackage {
  readonly size: number;
  readonly md5: string;
  readonly sha1: string;
  readonly sha512: string;
}

export interface ContainerWriterOptions {
  readonly base: string;
  readonly format: TarFormat;
  readonly signer: AnyPackageSigner | undefined;
  /** Of all headers. */
  readonly mtimeSeconds: number;
}

const BUFFER_BYTES = 256 * 1024;

/**
 * Creates `out`, lets `work` add the members, and finishes with the Manifest: members in the order they come,
 * each followed by its signature. Headers are as Portage writes them: 0644, owner 0:0 without names, records of
 * 10240 bytes. The file and its folder are synced. When anything fails, `out` is gone.
 */
export async function writeContainer(
  out: string,
  options: ContainerWriterOptions,
  work: (writer: ContainerWriter) => Promise<void>,
): Promise<WrittenPackage> {
  const handle = await fs.open(out, 'wx', 0o644);
  try {
    const file = new HashedFile(handle);
    const writer = new ContainerWriter(file, options);
    try {
      await writer.add(MARKER, 0, []);
      await work(writer);
      await writer.finish();
      await handle.chmod(0o644);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncDirectory(dirname(out));
    return file.written();
  } catch (error) {
    await fs.rm(out, { force: true });
    throw error;
  }
}

export class ContainerWriter {
  readonly #file: HashedFile;
  readonly #options: ContainerWriterOptions;
  readonly #records: ManifestRecord[] = [];

  constructor(file: HashedFile, options: ContainerWriterOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Adds a member of exactly `size` bytes, and its signature. Returns its record in the Manifest. */
  async add(
    name: string,
    size: number,
    content: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): Promise<ManifestRecord> {
    const { signer } = this.#options;
    if (signer === undefined || name === MARKER) {
      return (await this.#put(name, size, content)).record;
    }
    if (!('signStream' in signer)) {
      const { record, sha512State } = await this.#put(name, size, content);
      await this.#putSignature(name, signer.signState(sha512State));
      return record;
    }
    const stream = signer.signStream();
    try {
      const { record } = await this.#put(name, size, passingBy(content, stream));
      await this.#putSignature(name, await stream.end());
      return record;
    } catch (error) {
      stream.abandon();
      throw error;
    }
  }

  async finish(): Promise<void> {
    const text = formatManifest(this.#records);
    const { signer } = this.#options;
    const manifest = Buffer.from(signer === undefined ? text : await signer.clearSign(text));
    await this.#put(MANIFEST, manifest.length, [manifest]);
    await this.#file.write(tarEnd(this.#file.size));
    await this.#file.flush();
  }

  async #putSignature(name: string, armored: string): Promise<void> {
    const signature = Buffer.from(armored);
    await this.#put(name + SIGNATURE_SUFFIX, signature.length, [signature]);
  }

  async #put(
    name: string,
    size: number,
    content: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): Promise<{ readonly record: ManifestRecord; readonly sha512State: Hash }> {
    const { base, format, mtimeSeconds } = this.#options;
    const path = `${base}/${name}`;
    await this.#file.write(tarEntryHeader({ path, type: 'file', size, mtimeSeconds }, format));
    const digests = new DigestSet(['blake2b512', 'sha512']);
    for await (const piece of content) {
      digests.update(piece);
      await this.#file.write(piece);
    }
    if (digests.size !== size) {
      throw new Error(`${name} was to have ${size} bytes and has ${digests.size}`);
    }
    await this.#file.write(tarPadding(size));
    const sha512State = digests.copyState('sha512');
    const hex = digests.finish();
    const record = { name, size, blake2b: hex.of('blake2b512'), sha512: hex.of('sha512') };
    this.#records.push(record);
    return { record, sha512State };
  }
}

async function* passingBy(
  content: AsyncIterable<Buffer> | Iterable<Buffer>,
  stream: SigningStream,
): AsyncIterable<Buffer> {
  for await (const piece of content) {
    await stream.write(piece);
    yield piece;
  }
}

/** A file written from start to end, hashed on the way. */
class HashedFile {
  readonly #handle: fs.FileHandle;
  readonly #digests = new DigestSet(['md5', 'sha1', 'sha512']);
  #waiting: Buffer[] = [];
  #waitingBytes = 0;

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  get size(): number {
    return this.#digests.size;
  }

  async write(bytes: Buffer): Promise<void> {
    this.#digests.update(bytes);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= BUFFER_BYTES) {
      await this.flush();
    }
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done);
      done += bytesWritten;
    }
  }

  written(): WrittenPackage {
    const size = this.#digests.size;
    const digests = this.#digests.finish();
    return {
      size,
      md5: digests.of('md5'),
      sha1: digests.of('sha1'),
      sha512: digests.of('sha512'),
    };
  }
}
