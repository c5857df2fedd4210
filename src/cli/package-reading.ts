import { basename, resolve } from 'node:path';
import type { ByteSource } from '../binpkg/byte-source.ts';
import { openPackageFile, type PackageFile } from '../binpkg/package-file.ts';
import type { PackageVerifier } from '../binpkg/package-signer.ts';
import { createVerifier } from '../signing/verifier.ts';
import { AppError, isAppError } from '../support/errors.ts';
import { readTextIfPresent } from '../support/files.ts';
import type { CommandContext } from './command-context.ts';
import { refuseUnlessFile } from './package-file-there.ts';
import { showBar } from './progress.ts';

/** From this size on reading a file takes long enough to show how far it is. */
const LONG_READ_BYTES = 32 * 1024 * 1024;

/**
 * Opens a package file for `work` and closes it. While a large one is read, a bar shows how far that is. What is thrown names the file.
 *
 * Throws `package-file-missing`, `package-format-unknown`, and what `work` throws.
 */
export async function withPackageFile<T>(
  context: CommandContext,
  file: string,
  work: (opened: Pick<PackageFile, 'format' | 'source'>) => Promise<T>,
): Promise<T> {
  const path = resolve(context.cwd, file);
  await refuseUnlessFile(path);
  try {
    const opened = await openPackageFile(path);
    try {
      return await withBar(context, opened, { file, work });
    } finally {
      await opened.close();
    }
  } catch (error) {
    throw isAppError(error) ? namedAfter(file, error) : error;
  }
}

/** A verifier for the armored public keys in these files; undefined for none. Throws `key-file-missing`, `public-key-invalid`. */
export async function verifierFor(
  context: CommandContext,
  keyFiles: readonly string[] | undefined,
  moreKeys: readonly string[] = [],
): Promise<PackageVerifier | undefined> {
  const keys = [...moreKeys];
  for (const file of keyFiles ?? []) {
    const text = await readTextIfPresent(resolve(context.cwd, file));
    if (text === undefined) {
      throw new AppError('key-file-missing', `There is no key file ${file}.`, {
        details: { file },
      });
    }
    keys.push(text);
  }
  return keys.length === 0 ? undefined : await createVerifier(keys, { clock: context.clock });
}

async function withBar<T>(
  context: CommandContext,
  { format, source }: PackageFile,
  task: {
    readonly file: string;
    readonly work: (opened: Pick<PackageFile, 'format' | 'source'>) => Promise<T>;
  },
): Promise<T> {
  if (source.size < LONG_READ_BYTES) {
    return await task.work({ format, source });
  }
  const label = basename(task.file);
  const bar = showBar(context.output, { label, total: source.size, unit: 'bytes' });
  try {
    return await task.work({ format, source: counted(source, bar.advance) });
  } finally {
    bar.stop();
  }
}

/** The same source; `onRead` is told how many bytes have been streamed so far. */
function counted(source: ByteSource, onRead: (bytes: number) => void): ByteSource {
  let streamed = 0;
  return {
    size: source.size,
    read: async (offset, length) => await source.read(offset, length),
    stream: async function* stream(offset, length, use) {
      for await (const piece of source.stream(offset, length, use)) {
        streamed += piece.length;
        onRead(streamed);
        yield piece;
      }
    },
  };
}

function namedAfter(file: string, error: AppError): AppError {
  return new AppError(error.code, `${file}: ${error.message}`, {
    cause: error,
    details: { ...error.details, file },
  });
}
