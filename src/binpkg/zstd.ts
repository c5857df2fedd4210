import binding from 'zstd-napi/binding.js';
import { AppError } from '../support/errors.ts';
import type { PieceUse } from './byte-source.ts';

const OUTPUT_BYTES = 256 * 1024;
const INPUT_BYTES = 256 * 1024;
/** So little is packed in less time than another thread takes to begin. */
const SHORT_BYTES = 32 * 1024;

/**
 * Unpacks zstd frames one after the other (RFC 8878), skippable frames included. Every stream has a context of
 * its own: the library's shared one stays broken after a damaged frame.
 *
 * With `passing`, a piece is overwritten when the next one is taken.
 *
 * Throws `zstd-truncated`; damaged frames, foreign bytes and windows above `windowLog` as the library's error.
 */
export async function* decompressZstd(
  input: AsyncIterable<Buffer>,
  windowLog: number,
  use: PieceUse = 'kept',
): AsyncGenerator<Buffer> {
  const context = new binding.DCtx();
  context.setParameter(binding.DParameter.windowLogMax, windowLog);
  const own = use === 'passing' ? Buffer.allocUnsafeSlow(OUTPUT_BYTES) : undefined;
  let expected = -1;
  for await (const chunk of input) {
    let rest = chunk;
    for (let more = rest.length > 0; more; ) {
      const output = own ?? Buffer.allocUnsafeSlow(OUTPUT_BYTES);
      const [hint, produced, consumed] = context.decompressStream(output, rest);
      expected = hint;
      rest = rest.subarray(consumed);
      if (produced > 0) {
        yield output.subarray(0, produced);
      }
      more = rest.length > 0 || (produced === OUTPUT_BYTES && hint !== 0);
    }
  }
  if (expected !== 0) {
    throw new AppError('zstd-truncated', 'The zstd data ends within a frame.');
  }
}

export interface ZstdOptions {
  /** 1 to 22. Default 3. */
  readonly level?: number;
  /** Worker threads. Default 1, which keeps the work off this thread. */
  readonly threads?: number;
}

/** Packs a stream into one zstd frame with a checksum. Throws `zstd-options` for a level or number out of range. */
export async function* compressZstd(
  input: AsyncIterable<Buffer>,
  options: ZstdOptions = {},
): AsyncGenerator<Buffer> {
  const context = compressor(options);
  const pieces = input[Symbol.asyncIterator]();
  const { start, isAll } = await startOf(pieces);
  if (isAll) {
    // Said beforehand, it needs neither a thread nor the megabytes of a stream of unknown length.
    context.setParameter(binding.CParameter.nbWorkers, 0);
    context.setPledgedSrcSize(start.length);
    yield* drive(context, start, binding.EndDirective.end);
    return;
  }
  for await (const chunk of withStart(start, pieces)) {
    for (let offset = 0; offset < chunk.length; offset += INPUT_BYTES) {
      const piece = chunk.subarray(offset, offset + INPUT_BYTES);
      yield* drive(context, piece, binding.EndDirective.continue);
    }
  }
  yield* drive(context, Buffer.alloc(0), binding.EndDirective.end);
}

/** A copy of the first bytes of a stream, of all of them when it is short. */
async function startOf(
  pieces: AsyncIterator<Buffer>,
): Promise<{ readonly start: Buffer; readonly isAll: boolean }> {
  const taken: Buffer[] = [];
  let length = 0;
  while (length <= SHORT_BYTES) {
    const next = await pieces.next();
    if (next.done === true) {
      return { start: Buffer.concat(taken), isAll: true };
    }
    taken.push(Buffer.from(next.value));
    length += next.value.length;
  }
  return { start: Buffer.concat(taken), isAll: false };
}

async function* withStart(start: Buffer, pieces: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield start;
    yield* { [Symbol.asyncIterator]: () => pieces };
  } finally {
    await pieces.return?.();
  }
}

function compressor(options: ZstdOptions): InstanceType<typeof binding.CCtx> {
  const { level = 3, threads = 1 } = options;
  if (!Number.isInteger(level) || level < 1 || level > 22) {
    throw new AppError('zstd-options', `${level} is not a zstd level from 1 to 22.`);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > 64) {
    throw new AppError('zstd-options', `${threads} is not a number of threads from 1 to 64.`);
  }
  const context = new binding.CCtx();
  context.setParameter(binding.CParameter.compressionLevel, level);
  context.setParameter(binding.CParameter.checksumFlag, 1);
  context.setParameter(binding.CParameter.nbWorkers, threads);
  return context;
}

/** Feeds a piece until all is taken; at the end, until all has come out. */
function* drive(
  context: InstanceType<typeof binding.CCtx>,
  piece: Buffer,
  directive: number,
): Generator<Buffer> {
  const ending = directive === binding.EndDirective.end;
  let rest = piece;
  for (let more = true; more; ) {
    const output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    const [left, produced, consumed] = context.compressStream2(output, rest, directive);
    rest = rest.subarray(consumed);
    if (produced > 0) {
      yield output.subarray(0, produced);
    }
    more = ending ? left > 0 : rest.length > 0;
  }
}
