import { isUtf8 } from 'node:buffer';
import type { ByteSource } from '../byte-source.ts';
import { isPlainName } from '../gpkg/layout.ts';
import type { PackageLimits } from '../limits.ts';
import { xpakRefusal } from './refusals.ts';

/*
 * An XPAK (`portage/xpak.py`). Numbers are unsigned, 32 bits, big-endian.
 *
 *   file     tarball, segment, u32 bytes of the segment, "STOP"
 *   segment  "XPAKPACK", u32 bytes of the index, u32 bytes of the data, index, data, "XPAKSTOP"
 *   index    for each key: u32 bytes of the name, name, u32 offset in the data, u32 bytes
 */
const SEGMENT_MAGIC = 'XPAKPACK';
const SEGMENT_END = 'XPAKSTOP';
const FILE_END = 'STOP';
const HEAD_BYTES = 16;
/** The end of the segment, its length and the end of the file. */
export const XPAK_TAIL_BYTES = 16;
/** What the segment has besides index and data. */
const FRAME_BYTES = HEAD_BYTES + 8;
const TRAILER_BYTES = 8;
/** Longest name that metadata.tar of a GPKG has room for. */
const KEY_BYTES = 91;

export interface XpakContents {
  /** Bytes of the image, which is what the file begins with. */
  readonly imageBytes: number;
  readonly segment: { readonly offset: number; readonly size: number };
  /** Key to bytes, in the order of the index. */
  readonly metadata: ReadonlyMap<string, Buffer>;
}

/** Whether the last bytes of a file are those of an XPAK (`portage/binpkg.py:get_binpkg_format`). */
export function isXpakTail(tail: Buffer): boolean {
  const text = tail.toString('latin1');
  return tail.length === XPAK_TAIL_BYTES && text.startsWith(SEGMENT_END) && text.endsWith(FILE_END);
}

/**
 * Finds the metadata of an XPAK from its end and reads them. Nothing but the segment is read.
 *
 * Throws `xpak-not-a-package`, `xpak-damaged`, `xpak-metadata-too-large`, `xpak-index-damaged`, `xpak-key-invalid`,
 * `xpak-key-duplicate`, `xpak-data-outside`, `xpak-data-overlap`, `xpak-image-missing`.
 */
export async function readXpak(source: ByteSource, limits: PackageLimits): Promise<XpakContents> {
  const segment = await findSegment(source);
  if (segment.size - FRAME_BYTES > limits.metadataBytes) {
    throw xpakRefusal(
      'xpak-metadata-too-large',
      `The metadata have ${segment.size} bytes, above the limit of ${limits.metadataBytes}.`,
      { details: { size: segment.size, limit: limits.metadataBytes } },
    );
  }
  const bytes = await source.read(segment.offset, segment.size);
  const { index, data } = split(bytes, segment.size);
  const metadata = readValues(readIndex(index, limits), data);
  if (segment.offset === 0) {
    throw xpakRefusal('xpak-image-missing', 'There is no image before the metadata.');
  }
  return { imageBytes: segment.offset, segment, metadata };
}

async function findSegment(
  source: ByteSource,
): Promise<{ readonly offset: number; readonly size: number }> {
  const tail = await source.read(Math.max(0, source.size - XPAK_TAIL_BYTES), XPAK_TAIL_BYTES);
  if (!isXpakTail(tail)) {
    throw xpakRefusal('xpak-not-a-package', 'The file does not end with an XPAK trailer.');
  }
  const size = tail.readUInt32BE(8);
  const offset = source.size - TRAILER_BYTES - size;
  if (size < FRAME_BYTES || offset < 0) {
    throw xpakRefusal(
      'xpak-damaged',
      `The trailer says that the metadata have ${size} bytes, of a file of ${source.size}.`,
      { details: { size, fileSize: source.size } },
    );
  }
  return { offset, size };
}

function split(bytes: Buffer, size: number): { readonly index: Buffer; readonly data: Buffer } {
  const isWhole = bytes.length === size && bytes.toString('latin1', 0, 8) === SEGMENT_MAGIC;
  if (!isWhole) {
    throw xpakRefusal('xpak-damaged', 'The metadata do not begin where the trailer says.');
  }
  const indexBytes = bytes.readUInt32BE(8);
  const dataBytes = bytes.readUInt32BE(12);
  if (FRAME_BYTES + indexBytes + dataBytes !== size) {
    throw xpakRefusal(
      'xpak-damaged',
      `An index of ${indexBytes} and data of ${dataBytes} bytes do not make metadata of ${size}.`,
      { details: { indexBytes, dataBytes, size } },
    );
  }
  const dataStart = HEAD_BYTES + indexBytes;
  return {
    index: bytes.subarray(HEAD_BYTES, dataStart),
    data: bytes.subarray(dataStart, dataStart + dataBytes),
  };
}

interface Place {
  readonly key: string;
  readonly offset: number;
  readonly size: number;
}

function readIndex(index: Buffer, limits: PackageLimits): Place[] {
  const places: Place[] = [];
  const keys = new Set<string>();
  for (let at = 0; at < index.length; ) {
    const nameBytes = at + 4 <= index.length ? index.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    const end = at + 4 + nameBytes + 8;
    if (end > index.length) {
      throw xpakRefusal('xpak-index-damaged', `The entry at byte ${at} of the index is cut off.`, {
        details: { at },
      });
    }
    const key = keyOf(index.subarray(at + 4, at + 4 + nameBytes));
    if (keys.has(key)) {
      throw xpakRefusal('xpak-key-duplicate', `The metadata key ${key} is there twice.`, {
        details: { key },
      });
    }
    keys.add(key);
    places.push({ key, offset: index.readUInt32BE(end - 8), size: index.readUInt32BE(end - 4) });
    if (places.length > limits.metadataKeys) {
      throw xpakRefusal(
        'xpak-metadata-too-large',
        `There are more than ${limits.metadataKeys} metadata keys.`,
      );
    }
    at = end;
  }
  return places;
}

function keyOf(name: Buffer): string {
  const key = name.toString('utf8');
  if (!isUtf8(name) || !isPlainName(key) || name.length > KEY_BYTES) {
    const shown = JSON.stringify(name.toString('latin1', 0, 100));
    throw xpakRefusal('xpak-key-invalid', `${shown} cannot be a metadata key.`, {
      details: { key: shown },
    });
  }
  return key;
}

/** Values must not share bytes: a small file could otherwise stand for much metadata. */
function readValues(places: readonly Place[], data: Buffer): Map<string, Buffer> {
  let free = 0;
  for (const { key, offset, size } of places.toSorted((a, b) => a.offset - b.offset)) {
    if (offset + size > data.length) {
      throw xpakRefusal(
        'xpak-data-outside',
        `The metadata key ${key} is to have bytes ${offset} to ${offset + size} of ${data.length}.`,
        { details: { key, offset, size } },
      );
    }
    if (size > 0 && offset < free) {
      throw xpakRefusal('xpak-data-overlap', `The metadata key ${key} shares bytes with another.`, {
        details: { key, offset, size },
      });
    }
    free = Math.max(free, offset + size);
  }
  return new Map(
    places.map(({ key, offset, size }) => [key, data.subarray(offset, offset + size)]),
  );
}
