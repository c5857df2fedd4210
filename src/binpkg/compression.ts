import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { AppError, isAppError, messageOf } from '../support/errors.ts';
import { filterThrough } from '../support/filters.ts';
import { toolEnvironment } from '../support/processes.ts';
import type { PieceUse } from './byte-source.ts';
import { DEFAULT_LIMITS, type PackageLimits } from './limits.ts';
import { decompressZstd } from './zstd.ts';

/**
 * How a suffix is unpacked (`portage/gpkg.py:ext_list`, `portage/util/compression_probe.py:_compressors`). A
 * command reads standard input; the others are done here. The largest xz dictionary, 1.5 GiB, stays possible.
 */
const DECOMPRESSORS = {
  gz: 'gzip',
  bz2: ['bzip2', '-dc'],
  lz4: ['lz4', '-dcq'],
  lz: ['xz', '--format=lzip', '--memlimit-decompress=2GiB', '-dcq'],
  lzo: ['lzop', '-dcq'],
  xz: ['xz', '--format=xz', '--memlimit-decompress=2GiB', '-dcq'],
  zst: 'zstd',
} as const;

/** The part of a member's name after `.tar.`. */
export type CompressionSuffix = keyof typeof DECOMPRESSORS;

export interface DecompressOptions {
  /** What is unpacked, for messages: the name of a member. */
  readonly name: string;
  /** Most bytes that may come out. */
  readonly maxBytes: number;
  readonly limits?: Pick<PackageLimits, 'ratio' | 'ratioFreeBytes' | 'zstdWindowLog'>;
  /** What is done with the pieces that come out. zstd alone makes use of it. */
  readonly use?: PieceUse;
  readonly signal?: AbortSignal;
}

/** Whether Portage knows the suffix. */
export function isCompressionSuffix(text: string): text is CompressionSuffix {
  return Object.hasOwn(DECOMPRESSORS, text);
}

/**
 * Unpacks a stream to its very end.
 *
 * Throws `decompression-failed` for damaged or truncated bytes, `decompression-too-large` above `maxBytes`,
 * `decompression-ratio` for a bomb, `program-not-found`, `process-aborted`, and what the input throws.
 */
export async function* decompress(
  suffix: CompressionSuffix,
  input: AsyncIterable<Buffer>,
  options: DecompressOptions,
): AsyncGenerator<Buffer> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  const taken = { bytes: 0, failed: false };
  let size = 0;
  const output = unpack(suffix, counted(input, taken), {
    windowLog: limits.zstdWindowLog,
    use: options.use,
    signal: options.signal,
  });
  try {
    for await (const piece of output) {
      size += piece.length;
      checkSize(size, taken.bytes, options);
      yield piece;
    }
  } catch (error) {
    throw taken.failed ? error : failure(error, options.name);
  }
}

function unpack(
  suffix: CompressionSuffix,
  input: AsyncIterable<Buffer>,
  options: {
    readonly windowLog: number;
    readonly use: PieceUse | undefined;
    readonly signal: AbortSignal | undefined;
  },
): AsyncIterable<Buffer> {
  const how = DECOMPRESSORS[suffix];
  if (how === 'zstd') {
    return decompressZstd(input, options.windowLog, options.use);
  }
  if (how === 'gzip') {
    return gunzip(input);
  }
  const { signal } = options;
  return filterThrough(how, input, {
    env: toolEnvironment(),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function* gunzip(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = createGunzip();
  const fed = pipeline(Readable.from(input, { objectMode: false }), stream);
  fed.catch(() => undefined);
  const pieces: AsyncIterable<Buffer> = stream;
  yield* pieces;
  await fed;
}

/** Counts what is taken, and remembers whether it was the input that failed. */
async function* counted(
  input: AsyncIterable<Buffer>,
  taken: { bytes: number; failed: boolean },
): AsyncGenerator<Buffer> {
  const mark = taken;
  const chunks = input[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Buffer>> => {
    try {
      return await chunks.next();
    } catch (error) {
      mark.failed = true;
      throw error;
    }
  };
  try {
    for (let step = await next(); step.done !== true; step = await next()) {
      mark.bytes += step.value.length;
      yield step.value;
    }
  } finally {
    await chunks.return?.();
  }
}

function checkSize(size: number, taken: number, options: DecompressOptions): void {
  const { name, maxBytes, limits = DEFAULT_LIMITS } = options;
  if (size > maxBytes) {
    throw new AppError(
      'decompression-too-large',
      `${name} unpacks to more than ${maxBytes} bytes.`,
      { details: { name, limit: maxBytes } },
    );
  }
  if (size > limits.ratioFreeBytes && size > taken * limits.ratio) {
    throw new AppError(
      'decompression-ratio',
      `${name} unpacks ${taken} bytes to more than ${size}, above the ratio of ${limits.ratio}.`,
      { details: { name, bytes: size, compressedBytes: taken, ratio: limits.ratio } },
    );
  }
}

const OWN_CODES = [
  'decompression-too-large',
  'decompression-ratio',
  'program-not-found',
  'process-aborted',
];

function failure(error: unknown, name: string): unknown {
  if (OWN_CODES.some((code) => isAppError(error, code))) {
    return error;
  }
  return new AppError('decompression-failed', `${name} cannot be unpacked: ${messageOf(error)}`, {
    cause: error,
    details: { name },
  });
}
