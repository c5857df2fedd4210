import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { type CompressionSuffix, decompress } from '../../src/binpkg/compression.ts';
import { compressZstd } from '../../src/binpkg/zstd.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { collect, piecesOf } from './made-package.ts';

const COMPRESSORS: Readonly<Record<CompressionSuffix, readonly string[]>> = {
  gz: ['gzip', '-c'],
  bz2: ['bzip2', '-c'],
  lz4: ['lz4', '-cq'],
  lz: ['lzip', '-c'],
  lzo: ['lzop', '-c'],
  xz: ['xz', '-c'],
  zst: ['zstd', '-c', '-q'],
};
const SUFFIXES: readonly CompressionSuffix[] = ['gz', 'bz2', 'lz4', 'lz', 'lzo', 'xz', 'zst'];
const TEXT = Buffer.from('many words that repeat themselves\n'.repeat(30_000));
const MANY = 1 << 30;
const env = toolEnvironment();

async function pack(suffix: CompressionSuffix, bytes: Buffer): Promise<Buffer> {
  const { stdout } = await runChecked(COMPRESSORS[suffix], { env, input: bytes });
  return stdout;
}

async function isInstalled(suffix: CompressionSuffix): Promise<boolean> {
  const { exitCode } = await run(['sh', '-c', `command -v ${COMPRESSORS[suffix][0]}`], { env });
  return exitCode === 0;
}

const installed = new Set<CompressionSuffix>();
for (const suffix of SUFFIXES) {
  if (await isInstalled(suffix)) {
    installed.add(suffix);
  }
}

async function unpack(
  suffix: CompressionSuffix,
  bytes: Buffer,
  options: {
    readonly pieceSize?: number;
    readonly maxBytes?: number;
    readonly ratio?: number;
  } = {},
): Promise<Buffer> {
  const { pieceSize = 50_000, maxBytes = MANY, ratio = 1_000_000 } = options;
  return await collect(
    decompress(suffix, piecesOf(bytes, pieceSize), {
      name: `x.${suffix}`,
      maxBytes,
      limits: { ratio, ratioFreeBytes: 100_000, zstdWindowLog: 31 },
    }),
  );
}

async function* broken(): AsyncGenerator<Buffer> {
  yield gzipSync(TEXT).subarray(0, 20);
  throw new Error('the disk is gone');
}

describe.each(
  SUFFIXES.map((suffix) => ({
    suffix,
    note: installed.has(suffix) ? '' : ` (skipped: no ${COMPRESSORS[suffix][0]} on PATH)`,
  })),
)('decompressing $suffix$note', ({ suffix }) => {
  const test = installed.has(suffix) ? it : it.skip;

  test('gives the bytes back', async () => {
    expect((await unpack(suffix, await pack(suffix, TEXT))).equals(TEXT)).toBe(true);
  });

  test('gives back two streams in a row, or says that it cannot', async () => {
    const packed = await pack(suffix, TEXT);
    if (suffix === 'lzo') {
      const two = unpack(suffix, Buffer.concat([packed, packed]));
      await expect(two).rejects.toMatchObject({ code: 'decompression-failed' });
      return;
    }

    const twice = await unpack(suffix, Buffer.concat([packed, packed]));
    expect(twice.equals(Buffer.concat([TEXT, TEXT]))).toBe(true);
  });

  test('refuses what is cut off, damaged, empty or something else', async () => {
    const packed = await pack(suffix, TEXT);
    const damaged = Buffer.from(packed);
    damaged.fill(0xa5, packed.length >> 1, (packed.length >> 1) + 8);

    for (const bytes of [
      packed.subarray(0, packed.length - 5),
      packed.subarray(0, 10),
      damaged,
      Buffer.from('not compressed at all, but long enough'),
    ]) {
      await expect(unpack(suffix, bytes)).rejects.toMatchObject({ code: 'decompression-failed' });
    }
  });

  test('stops a bomb at the ratio, and a large one at the size', async () => {
    const bomb = await pack(suffix, Buffer.alloc(30_000_000));

    await expect(unpack(suffix, bomb, { ratio: 50 })).rejects.toMatchObject({
      code: 'decompression-ratio',
    });
    await expect(unpack(suffix, bomb, { maxBytes: 1_000_000 })).rejects.toMatchObject({
      code: 'decompression-too-large',
    });
  });
});

describe('decompressing', () => {
  it('throws what the input throws', async () => {
    for (const suffix of ['gz', 'zst', 'xz'] as const) {
      const output = decompress(suffix, broken(), { name: 'x', maxBytes: MANY });
      await expect(collect(output)).rejects.toThrow(
        suffix === 'zst' ? /cannot be unpacked/ : 'the disk is gone',
      );
    }
  });
});

describe('zstd', () => {
  it('gives back what it packed, in pieces of any size and with any options', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 700 }),
        fc.constantFrom({}, { level: 1 }, { level: 19 }, { threads: 2 }),
        async (bytes, pieceSize, options) => {
          const data = Buffer.from(bytes);
          const packed = await collect(compressZstd(piecesOf(data, pieceSize), options));
          expect((await unpack('zst', packed, { pieceSize })).equals(data)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([0, 1, 32_768, 32_769, 33_000, 300_000])(
    'packs %i bytes of a stream whose pieces are overwritten, and says in front how many are short',
    async (length) => {
      const data = randomBytes(length);
      const piece = Buffer.alloc(1000);
      const overwritten = async function* overwritten(): AsyncGenerator<Buffer> {
        for (let start = 0; start < length; start += piece.length) {
          yield await Promise.resolve(piece.subarray(0, data.copy(piece, 0, start)));
        }
      };
      const packed = await collect(compressZstd(overwritten()));

      expect((await unpack('zst', packed)).equals(data)).toBe(true);
      // RFC 8878: the descriptor follows the magic number; these bits tell that the size of the content is there.
      const isSaid = ((packed[4] ?? 0) & 0b1110_0000) !== 0;
      expect(isSaid).toBe(length <= 32_768);
    },
  );

  it('ends its input when nobody takes the rest', async () => {
    let isEnded = false;
    const endless = async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          yield await Promise.resolve(randomBytes(20_000_000));
        }
      } finally {
        isEnded = true;
      }
    };
    for await (const piece of compressZstd(endless())) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(isEnded).toBe(true);
  });

  it('unpacks every piece size and stays usable after a damaged frame', async () => {
    const packed = await collect(compressZstd(piecesOf(TEXT, 10_000)));
    const damaged = Buffer.from(packed);
    damaged.fill(0, 20, 60);

    await expect(unpack('zst', damaged)).rejects.toMatchObject({ code: 'decompression-failed' });
    for (let pieceSize = 1; pieceSize <= 40; pieceSize += 1) {
      expect((await unpack('zst', packed, { pieceSize })).equals(TEXT)).toBe(true);
    }
  });

  it('writes what the zstd program reads', async () => {
    if (!installed.has('zst')) {
      return;
    }
    const packed = await collect(compressZstd(piecesOf(TEXT, 100_000), { level: 9, threads: 2 }));
    const { stdout } = await runChecked(['zstd', '-dc'], { env, input: packed });
    expect(stdout.equals(TEXT)).toBe(true);
  });

  it('reads a window of 2 GiB only where that is allowed', async () => {
    if (!installed.has('zst')) {
      return;
    }
    const { stdout } = await runChecked(['zstd', '-c', '-q', '--long=31'], { env, input: TEXT });
    const reading = (zstdWindowLog: number): Promise<Buffer> =>
      collect(
        decompress('zst', piecesOf(stdout, 1000), {
          name: 'x',
          maxBytes: MANY,
          limits: { ratio: 1_000_000, ratioFreeBytes: 0, zstdWindowLog },
        }),
      );

    expect((await reading(31)).equals(TEXT)).toBe(true);
    await expect(reading(27)).rejects.toMatchObject({ code: 'decompression-failed' });
  });

  it.each([{ level: 0 }, { level: 23 }, { level: 1.5 }, { threads: 0 }, { threads: 1000 }])(
    'refuses the options %j',
    async (options) => {
      await expect(collect(compressZstd(piecesOf(TEXT, 1000), options))).rejects.toMatchObject({
        code: 'zstd-options',
      });
    },
  );
});

describe('bzip2', () => {});
