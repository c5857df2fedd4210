import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { DigestSet } from '../../support/digests.ts';
import { syncDirectory, writeAll } from '../../support/files.ts';
import { type TarFormat, tarEnd, tarEntryHeader, tarPadding } from '../archive/tar-writer.ts';
import type { AnyPackageSigner, SigningStream } from '../package-signer.ts';
import { MANIFEST, MARKER, SIGNATURE_SUFFIX } from './layout.ts';
import { formatManifest, type ManifestRecord } from './manifest.ts';
import type { MemberDigests } from './member-stream.ts';

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

/** A member whose header is written. */
export interface NewMember {
  /** The bytes in pieces of any size; each is copied before this returns. */
  write(piece: Buffer): Promise<void>;
  /** Given the digests of exactly what was written. The state is used up. */
  end(digests: MemberDigests): Promise<ManifestRecord>;
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
      writer.abandon();
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
  #stream: SigningStream | undefined;

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
    return await pour(content, await this.begin(name, size));
  }

  /** The same for bytes that are digested by whoever brings them: they were verified on the way. */
  async begin(name: string, size: number): Promise<NewMember> {
    const member = await this.#begin(name, size);
    const { signer } = this.#options;
    if (signer === undefined || name === MARKER) {
      return member;
    }
    if ('signStream' in signer) {
      return this.#streamed(member, name, signer.signStream());
    }
    return {
      write: async (piece) => await member.write(piece),
      end: async (digests) => {
        const record = await member.end(digests);
        await this.#put(name + SIGNATURE_SUFFIX, signer.signState(digests.sha512State));
        return record;
      },
    };
  }

  /** Ends what signs a member that was begun and never ended. */
  abandon(): void {
    this.#stream?.abandon();
  }

  #streamed(member: NewMember, name: string, stream: SigningStream): NewMember {
    this.#stream = stream;
    return {
      write: async (piece) => {
        await stream.write(piece);
        await member.write(piece);
      },
      end: async (digests) => {
        const record = await member.end(digests);
        const signature = await stream.end();
        this.#stream = undefined;
        await this.#put(name + SIGNATURE_SUFFIX, signature);
        return record;
      },
    };
  }

  async finish(): Promise<void> {
    const text = formatManifest(this.#records);
    const { signer } = this.#options;
    await this.#put(MANIFEST, signer === undefined ? text : await signer.clearSign(text));
    await this.#file.write(tarEnd(this.#file.size));
    await this.#file.flush();
  }

  async #put(name: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await pour([bytes], await this.#begin(name, bytes.length));
  }

  async #begin(name: string, size: number): Promise<NewMember> {
    const { base, format, mtimeSeconds } = this.#options;
    const path = `${base}/${name}`;
    await this.#file.write(tarEntryHeader({ path, type: 'file', size, mtimeSeconds }, format));
    const start = this.#file.size;
    return {
      write: async (piece) => await this.#file.write(piece),
      end: async ({ blake2b, sha512 }) => {
        const written = this.#file.size - start;
        if (written !== size) {
          throw new Error(`${name} was to have ${size} bytes and has ${written}`);
        }
        await this.#file.write(tarPadding(size));
        const record = { name, size, blake2b, sha512 };
        this.#records.push(record);
        return record;
      },
    };
  }
}

async function pour(
  content: AsyncIterable<Buffer> | Iterable<Buffer>,
  member: NewMember,
): Promise<ManifestRecord> {
  const digests = new DigestSet(['blake2b512', 'sha512']);
  for await (const piece of content) {
    digests.update(piece);
    await member.write(piece);
  }
  const sha512State = digests.copyState('sha512');
  const hex = digests.finish();
  return await member.end({
    blake2b: hex.of('blake2b512'),
    sha512: hex.of('sha512'),
    sha512State,
  });
}

/** A file written from start to end, hashed on the way. One buffer is filled while the other is being written. */
class HashedFile {
  readonly #handle: fs.FileHandle;
  readonly #digests = new DigestSet(['md5', 'sha1', 'sha512']);
  #filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #other = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #filled = 0;
  /** Stays rejected once a write has failed. */
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  get size(): number {
    return this.#digests.size;
  }

  /** Copies the bytes: their memory may be used again afterwards. */
  async write(bytes: Buffer): Promise<void> {
    this.#digests.update(bytes);
    for (let done = 0; done < bytes.length; ) {
      const copied = bytes.copy(this.#filling, this.#filled, done);
      done += copied;
      this.#filled += copied;
      if (this.#filled === BUFFER_BYTES) {
        await this.#writeBehind();
      }
    }
  }

  async flush(): Promise<void> {
    await this.#writeBehind();
    await this.#writing;
  }

  async #writeBehind(): Promise<void> {
    await this.#writing;
    this.#writing = writeAll(this.#handle, this.#filling.subarray(0, this.#filled));
    this.#writing.catch(() => undefined);
    [this.#filling, this.#other, this.#filled] = [this.#other, this.#filling, 0];
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
