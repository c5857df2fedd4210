import { AppError } from '../../support/errors.ts';
import { StreamInput } from '../archive/byte-input.ts';
import { type TarEntry, TarReader } from '../archive/tar-reader.ts';
import { tarOf } from '../archive/tar-writer.ts';
import type { PackageLimits } from '../limits.ts';
import { expectEnd } from './archive-end.ts';
import { isPlainName, METADATA_PREFIX } from './layout.ts';
import { refusal } from './refusals.ts';

/**
 * Reads metadata.tar as it comes unpacked (`portage/gpkg.py:unpack_metadata`). Keys are in archive order.
 *
 * Throws `gpkg-metadata-path`, `gpkg-metadata-not-file`, `gpkg-metadata-duplicate`, `gpkg-metadata-too-large`, and
 * the codes of `TarReader`.
 */
export async function readMetadataArchive(
  archive: AsyncIterable<Buffer>,
  limits: PackageLimits,
): Promise<Map<string, Buffer>> {
  const metadata = new Map<string, Buffer>();
  const input = new StreamInput(archive);
  const reader = new TarReader(input, limits);
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (metadata.size >= limits.metadataKeys) {
        throw refusal(
          'gpkg-metadata-too-large',
          `There are more than ${limits.metadataKeys} metadata keys.`,
        );
      }
      const key = keyOf(entry, limits);
      if (metadata.has(key)) {
        throw refusal('gpkg-metadata-duplicate', `The metadata key ${key} is there twice.`, {
          details: { key },
        });
      }
      metadata.set(key, await contentOf(reader, entry));
    }
    await expectEnd(input, metadata.size);
  } finally {
    await input.close();
  }
  return metadata;
}

/** metadata.tar as Portage writes it: ustar, no folder entry. Throws `metadata-key-invalid`. */
export function metadataArchive(
  metadata: ReadonlyMap<string, Buffer | string>,
  mtimeSeconds: number,
): Buffer {
  const entries = [...metadata].map(([key, value]) => {
    if (!isPlainName(key) || Buffer.byteLength(key) > 100 - METADATA_PREFIX.length) {
      throw new AppError(
        'metadata-key-invalid',
        `${JSON.stringify(key)} cannot be a metadata key.`,
        {
          details: { key },
        },
      );
    }
    const path = METADATA_PREFIX + key;
    return { entry: { path, type: 'file', mtimeSeconds } as const, content: Buffer.from(value) };
  });
  return tarOf(entries, 'ustar');
}

function keyOf(entry: TarEntry, limits: PackageLimits): string {
  const details = { path: entry.path };
  const key = entry.path.slice(METADATA_PREFIX.length);
  if (!entry.path.startsWith(METADATA_PREFIX) || !isPlainName(key)) {
    throw refusal(
      'gpkg-metadata-path',
      `The entry ${JSON.stringify(entry.path)} of the metadata is not ${METADATA_PREFIX}<KEY>.`,
      { details },
    );
  }
  if (entry.type !== 'file') {
    throw refusal(
      'gpkg-metadata-not-file',
      `The metadata entry ${entry.path} is a ${entry.type}.`,
      {
        details,
      },
    );
  }
  if (entry.size > limits.metadataBytes) {
    throw refusal(
      'gpkg-metadata-too-large',
      `The metadata key ${key} has ${entry.size} bytes, above the limit of ${limits.metadataBytes}.`,
      { details },
    );
  }
  return key;
}

async function contentOf(reader: TarReader, entry: TarEntry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of reader.content(entry)) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
