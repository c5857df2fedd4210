import { AppError } from '../../support/errors.ts';
import type { StreamInput } from '../archive/byte-input.ts';
import { isZero, RECORD_BYTES } from '../archive/tar-header.ts';

/** Portage reads an image by records, up to the one that ends it, and then waits for the decompressor to end. */
const PIPE_BYTES = 64 * 1024;

/**
 * Reads what follows the end of an inner archive: zeros only, as a reader that stops at the end would otherwise
 * leave bytes unseen. With `unread-tail`, no more than a pipe holds: Portage would wait for a decompressor that
 * nobody reads from (`portage/gpkg.py:tar_stream_reader.close`).
 *
 * Throws `tar-trailing-data`, and `tar-empty` for an archive without any entry.
 */
export async function expectEnd(
  input: StreamInput,
  entries: number,
  tail: 'read' | 'unread-tail' = 'read',
): Promise<void> {
  if (entries === 0) {
    throw new AppError('tar-empty', 'The archive has no entries.');
  }
  const most =
    tail === 'read'
      ? Number.POSITIVE_INFINITY
      : Math.ceil(input.position / RECORD_BYTES) * RECORD_BYTES + PIPE_BYTES;
  for await (const piece of input.pieces(Number.MAX_SAFE_INTEGER)) {
    if (!isZero(piece) || input.position > most) {
      const what = isZero(piece) ? `More than ${PIPE_BYTES} bytes` : 'Bytes other than zero';
      throw new AppError(
        'tar-trailing-data',
        `${what} follow the end of the archive, before byte ${input.position}.`,
      );
    }
  }
}
