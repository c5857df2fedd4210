import { AppError } from '../../support/errors.ts';
import type { StreamInput } from '../archive/byte-input.ts';
import { isZero } from '../archive/tar-header.ts';

/**
 * Reads what follows the end of an inner archive: zeros only, as a reader that stops at the end would otherwise
 * leave bytes unseen (and Portage would wait for a decompressor that nobody reads from).
 *
 * Throws `tar-trailing-data`, and `tar-empty` for an archive without any entry.
 */
export async function expectEnd(input: StreamInput, entries: number): Promise<void> {
  if (entries === 0) {
    throw new AppError('tar-empty', 'The archive has no entries.');
  }
  for await (const piece of input.pieces(Number.MAX_SAFE_INTEGER)) {
    if (!isZero(piece)) {
      throw new AppError(
        'tar-trailing-data',
        `Bytes other than zero follow the end of the archive, before byte ${input.position}.`,
      );
    }
  }
}
