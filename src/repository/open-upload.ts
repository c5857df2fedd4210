import { type ByteSource, openByteSource } from '../binpkg/byte-source.ts';
import { packageFormat } from '../binpkg/package-file.ts';
import { convertXpak } from '../binpkg/xpak/convert.ts';
import { epochSeconds } from '../support/clock.ts';
import { isAppError } from '../support/errors.ts';
import type { RepositoryContext } from './repository-context.ts';

/** An upload as a GPKG. `close` also removes what was made of it on the way. */
export interface OpenedUpload {
  readonly source: ByteSource;
  close(): Promise<void>;
}

/**
 * Opens an uploaded package file. An XPAK is converted first, because only a GPKG can be signed; anything else is given
 * as it is, for `verifyGpkg` to judge.
 *
 * Throws the codes of `convertXpak` for an XPAK.
 */
export async function openUpload(context: RepositoryContext, file: string): Promise<OpenedUpload> {
  const source = await openByteSource(file);
  try {
    return (await isXpak(source)) ? await converted(context, source) : ownedBy(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

function ownedBy(source: ByteSource & { close(): Promise<void> }): OpenedUpload {
  return { source, close: async () => await source.close() };
}

async function isXpak(source: ByteSource): Promise<boolean> {
  try {
    return (await packageFormat(source)) === 'xpak';
  } catch (error) {
    if (isAppError(error, 'package-format-unknown')) {
      return false;
    }
    throw error;
  }
}

async function converted(
  context: RepositoryContext,
  xpak: ByteSource & { close(): Promise<void> },
): Promise<OpenedUpload> {
  const out = await context.unfinished.newPath('converted');
  try {
    const mtimeSeconds = epochSeconds(context.clock);
    await convertXpak({ source: xpak, out, mtimeSeconds, clock: context.clock });
    const source = await openByteSource(out);
    return {
      source,
      close: async () => {
        await source.close();
        await xpak.close();
        await context.unfinished.discard(out);
      },
    };
  } catch (error) {
    await context.unfinished.discard(out);
    throw error;
  }
}
