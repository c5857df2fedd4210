import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { parseCpv } from '../../gentoo/cpv.ts';
import { INDEXED_METADATA_KEYS } from '../../gentoo/index-entry.ts';
import { formatIndexStanza } from '../../gentoo/packages-index.ts';
import { foldWhitespace } from '../../gentoo/whitespace.ts';
import { AppError, isAppError, isErrno } from '../../support/errors.ts';
import { type ByteSource, memorySource } from '../byte-source.ts';
import { readGpkgMetadata } from '../gpkg/read-metadata.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { PackageVerifier } from '../package-signer.ts';
import { readXpak } from '../xpak/segment.ts';
import { type PackagePlace, readPackagePath } from './package-path.ts';
import { reduceDependencies } from './reduced-dependencies.ts';

export interface ReadRequest {
  /** Relative to the PKGDIR. */
  readonly path: string;
  /** Digests that are known to be right; then the bytes are not hashed. Lowercase hex. */
  readonly digests?: FileDigests | undefined;
}

export interface FileDigests {
  readonly md5: string;
  readonly sha1: string;
}

/** A package as it stands in the index. */
export interface ReadPackage {
  readonly kind: 'package';
  readonly path: string;
  readonly size: number;
  readonly cpv: string;
  /** Complete, with what an index may give in its header instead. */
  readonly stanza: string;
}

/** A file that Portage would leave out of the index. */
export interface RefusedFile {
  readonly kind: 'refused';
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** Files up to this size are read at once. */
const WHOLE_BYTES = 8 * 1024 * 1024;
/** Small enough for both digests to find it in the processor's cache. */
const PIECE_BYTES = 128 * 1024;
const ATTEMPTS = 3;
const BUILD_ID = /^[+-]?[0-9]+(?:_[0-9]+)*$/;
const MAX_BUILD_ID_LENGTH = 100;

/** Reads packages, one at a time. Everything but signatures is done on this thread. */
export class PackageReader {
  readonly #pkgdir: string;
  readonly #verifier: PackageVerifier | undefined;
  readonly #buffer = Buffer.allocUnsafeSlow(WHOLE_BYTES);

  constructor(pkgdir: string, verifier?: PackageVerifier) {
    this.#pkgdir = pkgdir;
    this.#verifier = verifier;
  }

  /**
   * The entry of a package, as `emaint --fix binhost` makes it
   * (`portage/dbapi/bintree.py:_populate_local`, `_pkgindex_entry`, `_eval_use_flags`). Throws the system's errors
   * but for those of a file that cannot be opened.
   */
  async read(request: ReadRequest): Promise<ReadPackage | RefusedFile> {
    try {
      return await this.#readSteady(request);
    } catch (error) {
      if (isAppError(error)) {
        const { code, message } = error;
        return { kind: 'refused', path: request.path, code, message };
      }
      throw error;
    }
  }

  /** A file that is being written meanwhile is read again. */
  async #readSteady(request: ReadRequest): Promise<ReadPackage> {
    const place = readPackagePath(request.path);
    if (typeof place === 'string') {
      throw new AppError('package-misplaced', `Portage passes it over: ${place}.`);
    }
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const fd = open(join(this.#pkgdir, request.path));
      try {
        const before = fstatSync(fd, { bigint: true });
        const found = await this.#readOpen(fd, before, { request, place });
        if (isSame(before, fstatSync(fd, { bigint: true }))) {
          return found;
        }
      } finally {
        closeSync(fd);
      }
    }
    throw new AppError('package-unsteady', 'It is being written while it is read.');
  }

  async #readOpen(
    fd: number,
    stat: BigIntStats,
    { request, place }: { readonly request: ReadRequest; readonly place: PackagePlace },
  ): Promise<ReadPackage> {
    const size = Number(stat.size);
    if (!stat.isFile() || size === 0) {
      throw new AppError('package-empty', 'It is empty, or not a regular file.');
    }
    const whole = size <= WHOLE_BYTES ? readAt(fd, this.#buffer, 0, size) : undefined;
    const source = whole === undefined ? fileSource(fd, size) : memorySource(whole);
    const values = indexValues(await this.#metadata(source, place), place);
    const digests = request.digests ?? hashFile(fd, whole);
    const stanza = formatIndexStanza(
      {
        ...values.entry,
        CPV: values.cpv,
        PATH: request.path,
        SIZE: String(size),
        MTIME: String(stat.mtimeNs / 1_000_000_000n),
        MD5: digests.md5,
        SHA1: digests.sha1,
      },
      'entry',
    );
    return { kind: 'package', path: request.path, size, cpv: values.cpv, stanza };
  }

  async #metadata(source: ByteSource, place: PackagePlace): Promise<ReadonlyMap<string, Buffer>> {
    if (place.kind === 'xpak') {
      return (await readXpak(source, DEFAULT_LIMITS)).metadata;
    }
    const verifier = this.#verifier;
    return await readGpkgMetadata(source, verifier === undefined ? {} : { verifier });
  }
}

/** Throws `package-misplaced`, `package-invalid-metadata`, and what `reduceDependencies` throws. */
function indexValues(
  metadata: ReadonlyMap<string, Buffer>,
  place: PackagePlace,
): { readonly cpv: string; readonly entry: Record<string, string> } {
  const valueOf = (key: string): string =>
    foldWhitespace(metadata.get(key)?.toString('utf8') ?? '');
  const [category, pf, slot] = ['CATEGORY', 'PF', 'SLOT'].map(valueOf);
  if (!category || !pf || !slot) {
    throw new AppError(
      'package-invalid-metadata',
      'One of the metadata keys CATEGORY, PF and SLOT is missing or empty.',
    );
  }
  if (pf !== place.pf || category !== (place.category ?? category)) {
    throw new AppError(
      'package-misplaced',
      `Portage passes it over: it is ${category}/${pf}, which does not belong to this place.`,
    );
  }
  const { cpv } = parseCpv(`${category}/${pf}`);
  const entry: Record<string, string> = {};
  for (const key of INDEXED_METADATA_KEYS) {
    entry[key === 'repository' ? 'REPO' : key] = valueOf(key);
  }
  entry['BUILD_ID'] = buildIdOf(valueOf('BUILD_ID'));
  return { cpv, entry: reduceDependencies(entry) };
}

/** What Python's `int` takes, as it writes it. */
function buildIdOf(text: string): string {
  if (text === '') {
    return '';
  }
  if (text.length > MAX_BUILD_ID_LENGTH || !BUILD_ID.test(text)) {
    throw new AppError(
      'package-invalid-metadata',
      `BUILD_ID is ${JSON.stringify(text.slice(0, MAX_BUILD_ID_LENGTH))}.`,
    );
  }
  return String(BigInt(text.replaceAll(/[+_]/g, '')));
}

function open(file: string): number {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    for (const [errno, why] of [
      ['EACCES', 'there is no permission to read it'],
      ['ENOENT', 'it has vanished'],
      ['ELOOP', 'it is a symbolic link'],
    ] as const) {
      if (isErrno(error, errno)) {
        throw new AppError('package-unreadable', `The file cannot be read: ${why}.`, {
          cause: error,
        });
      }
    }
    throw error;
  }
}

function isSame(before: BigIntStats, after: BigIntStats): boolean {
  return before.size === after.size && before.mtimeNs === after.mtimeNs;
}

/** Bytes of the file, in the buffer. Throws `source-truncated`. */
function readAt(fd: number, buffer: Buffer, position: number, length: number): Buffer {
  for (let done = 0; done < length; ) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) {
      throw new AppError('source-truncated', 'The file ends early.');
    }
    done += count;
  }
  return buffer.subarray(0, length);
}

/** A large file: what is read of it, headers mostly, is read as it is asked for. */
function fileSource(fd: number, size: number): ByteSource {
  const read = (offset: number, length: number): Buffer => {
    const wanted = Math.max(0, Math.min(length, size - offset));
    return readAt(fd, Buffer.allocUnsafe(wanted), offset, wanted);
  };
  return {
    size,
    read: async (offset, length) => read(offset, length),
    stream: async function* stream(offset, length) {
      for (let done = 0; done < length; ) {
        const piece = read(offset + done, Math.min(PIECE_BYTES, length - done));
        if (piece.length === 0) {
          throw new AppError('source-truncated', `The file ends early, at or before byte ${size}.`);
        }
        done += piece.length;
        yield piece;
      }
    },
  };
}

function hashFile(fd: number, whole: Buffer | undefined): FileDigests {
  const md5 = createHash('md5');
  const sha1 = createHash('sha1');
  const update = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      md5.update(piece);
      sha1.update(piece);
    }
  };
  if (whole === undefined) {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES * 4);
    let position = 0;
    for (let count = -1; count !== 0; position += count) {
      count = readSync(fd, piece, 0, piece.length, position);
      update(piece.subarray(0, count));
    }
  } else {
    update(whole);
  }
  return { md5: md5.digest('hex'), sha1: sha1.digest('hex') };
}
