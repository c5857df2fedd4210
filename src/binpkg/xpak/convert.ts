import { dirname } from 'node:path';
import type { Clock } from '../../support/clock.ts';
import { type NewTarEntry, tarEnd, tarEntryHeader, tarPadding } from '../archive/tar-writer.ts';
import type { ByteSource } from '../byte-source.ts';
import type { ImageEntry, ImageSummary } from '../gpkg/image-archive.ts';
import { IMAGE_FOLDER } from '../gpkg/layout.ts';
import { type WrittenPackage, writeGpkg } from '../gpkg/write.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import { readMetadata } from '../metadata.ts';
import type { AnyPackageSigner } from '../package-signer.ts';
import { XpakImage } from './image.ts';
import { readXpak } from './segment.ts';

export interface ConvertXpakRequest {
  readonly source: ByteSource;
  /** Absent: the GPKG is not signed. */
  readonly signer?: AnyPackageSigner;
  /** Created; must not exist yet. Its folder is synced too. */
  readonly out: string;
  /** Folder name inside the container. Default: `<PF>-<BUILD_ID>`, or `<PF>` without a BUILD_ID. */
  readonly base?: string;
  /** Of all headers of the container and metadata; those of the image keep their own. */
  readonly mtimeSeconds: number;
  /** For the compressed image until its size is known. Nothing is left in it. Default: the folder of `out`. */
  readonly workFolder?: string;
  /** zstd, 1 to 22. Default 3. */
  readonly level?: number;
  readonly threads?: number;
  readonly limits?: Partial<PackageLimits>;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface ConvertedPackage extends WrittenPackage {
  /** `category/PF`. */
  readonly cpv: string;
  readonly image: ImageSummary;
}

const PIECE_BYTES = 256 * 1024;
/** Written at merge time; `portage/xpak.py:xpak` leaves it out too. */
const NOT_TAKEN_OVER: ReadonlySet<string> = new Set(['CONTENTS']);

/**
 * Verifies an XPAK and writes it as a GPKG in one pass over its bytes. Metadata are taken over byte by byte, all but
 * CONTENTS; so are content, type, mode, owner and time of everything in the image. Extended attributes are not: a
 * GPKG holds none.
 *
 * The archive is written anew, and compressed with zstd, because a GPKG demands `image/` before every path
 * (`portage/gpkg.py:gpkg.decompress`) where an XPAK has `./` or nothing. The stored bytes can never be kept: an
 * archive whose names happen to begin with `image/` means a folder `/image`.
 *
 * When it fails, `out` does not exist. Throws the codes of `verifyXpak`, `readMetadata` and `writeGpkg`.
 */
export async function convertXpak(request: ConvertXpakRequest): Promise<ConvertedPackage> {
  const { source, out, level, threads, signer } = request;
  const limits = { ...DEFAULT_LIMITS, ...request.limits };
  const contents = await readXpak(source, limits);
  const { cpv, pf, buildId } = readMetadata(contents.metadata);
  const image = new XpakImage(source, contents.imageBytes, { ...request, limits });
  const written = await writeGpkg({
    base: request.base ?? (buildId === undefined ? pf : `${pf}-${buildId}`),
    metadata: new Map([...contents.metadata].filter(([key]) => !NOT_TAKEN_OVER.has(key))),
    image: inPieces(rewritten(image)),
    ...(level === undefined ? {} : { level }),
    ...(threads === undefined ? {} : { threads }),
    ...(signer === undefined ? {} : { signer }),
    out,
    workFolder: request.workFolder ?? dirname(out),
    mtimeSeconds: request.mtimeSeconds,
  });
  return { ...written, cpv, image: image.summary() };
}

/** The image as a GNU tar of `image/...`: that format has room for every name, size, owner and time. */
async function* rewritten(image: XpakImage): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const { entry, content } of image.entries()) {
    const header = tarEntryHeader(entryBelowImage(entry), 'gnu');
    const padding = tarPadding(entry.size);
    bytes += header.length + entry.size + padding.length;
    yield header;
    yield* content;
    yield padding;
  }
  yield tarEnd(bytes);
}

function entryBelowImage(entry: ImageEntry): NewTarEntry {
  const { type, size, mode, uid, gid, uname, gname, mtimeSeconds } = entry;
  return {
    path: below(entry.path),
    type,
    linkPath: type === 'hardlink' ? below(entry.linkPath) : entry.linkPath,
    size,
    mode,
    ownership: { uid, gid, uname, gname },
    mtimeSeconds,
  };
}

function below(path: string): string {
  return path === '' ? IMAGE_FOLDER : `${IMAGE_FOLDER}/${path}`;
}

/** Joins small pieces, which cost more to compress one by one. */
async function* inPieces(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes >= PIECE_BYTES) {
      yield Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
    }
  }
  if (bytes > 0) {
    yield Buffer.concat(waiting);
  }
}
