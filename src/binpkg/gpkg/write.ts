import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryFolder } from '../../support/files.ts';
import type { AnyPackageSigner } from '../package-signer.ts';
import { compressZstd, type ZstdOptions } from '../zstd.ts';
import { type WrittenPackage, writeContainer } from './container-writer.ts';
import { checkBase, containerFormat } from './layout.ts';
import { metadataArchive } from './metadata-archive.ts';

export type { WrittenPackage } from './container-writer.ts';

export interface WriteGpkgRequest {
  /** Folder name inside the container: `<PF>-<BUILD_ID>`. */
  readonly base: string;
  /** Key to value, written in this order. Text gets no line end added. */
  readonly metadata: ReadonlyMap<string, Buffer | string>;
  /** An uncompressed tar of `image/...`, such as `PackedImage.stream()` gives. */
  readonly image: AsyncIterable<Buffer>;
  /** zstd, 1 to 22. Default 3. */
  readonly level?: number;
  /** Worker threads. Default 1. */
  readonly threads?: number;
  /** Absent: the package is not signed. */
  readonly signer?: AnyPackageSigner;
  /** Created; must not exist yet. Its folder is synced too. */
  readonly out: string;
  /** For the compressed image until its size is known. Nothing is left in it. */
  readonly workFolder: string;
  /** Of all headers. */
  readonly mtimeSeconds: number;
}

/**
 * Writes a complete package in the order of GLEP 78. When it fails, `out` does not exist.
 *
 * Throws `gpkg-base-invalid`, `metadata-key-invalid`, `zstd-options`, the system's `EEXIST`, and what the image
 * stream throws.
 */
export async function writeGpkg(request: WriteGpkgRequest): Promise<WrittenPackage> {
  const { base, signer, out, workFolder, mtimeSeconds } = request;
  checkBase(base);
  const options = zstdOptions(request);
  const metadata = await packMetadata(request.metadata, mtimeSeconds, options);
  return await withTemporaryFolder(workFolder, async (folder) => {
    const image = join(folder, 'image.tar.zst');
    const { packed, unpacked } = await packImageTar(request.image, image, options);
    const format = containerFormat(base, unpacked);
    return await writeContainer(out, { base, format, signer, mtimeSeconds }, async (writer) => {
      await writer.add('metadata.tar.zst', metadata.length, [metadata]);
      await writer.add('image.tar.zst', packed, piecesOf(image));
    });
  });
}

/** metadata.tar.zst in memory. Throws `metadata-key-invalid`. */
export async function packMetadata(
  metadata: ReadonlyMap<string, Buffer | string>,
  mtimeSeconds: number,
  options: ZstdOptions = {},
): Promise<Buffer> {
  const archive = metadataArchive(metadata, mtimeSeconds);
  const pieces: Buffer[] = [];
  for await (const piece of compressZstd(once(archive), options)) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function zstdOptions({ level, threads }: WriteGpkgRequest): ZstdOptions {
  return {
    ...(level === undefined ? {} : { level }),
    ...(threads === undefined ? {} : { threads }),
  };
}

async function packImageTar(
  image: AsyncIterable<Buffer>,
  path: string,
  options: ZstdOptions,
): Promise<{ readonly packed: number; readonly unpacked: number }> {
  const size = { packed: 0, unpacked: 0 };
  const counted = async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of image) {
      size.unpacked += piece.length;
      yield piece;
    }
  };
  const handle = await fs.open(path, 'wx', 0o600);
  try {
    for await (const piece of compressZstd(counted(), options)) {
      size.packed += piece.length;
      await handle.appendFile(piece);
    }
  } finally {
    await handle.close();
  }
  return size;
}

function piecesOf(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: 256 * 1024 });
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
