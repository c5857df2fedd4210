import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { decompressZstd } from '../../src/binpkg/zstd.ts';
import { BuildLogs } from '../../src/builds/build-log.ts';
import { PackedLog, packLog } from '../../src/builds/packed-log.ts';
import { isAppError } from '../../src/support/errors.ts';
import { Locks } from '../../src/support/locks.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const NAME = { jobId: 'job-1', attempt: 1 };
/** Three frames: text that packs well, bytes that do not, and a rest. */
const LOG = Buffer.concat([
  Buffer.from('checking for gcc... gcc\n'.repeat(30_000)),
  randomBytes(700_000),
  Buffer.from('the end\n'),
]);

function newLogs(): { logs: BuildLogs; path: string } {
  const place = mkdtempSync(join(folder, 'logs-'));
  const logs = new BuildLogs({ folder: place, maxBytes: 1e9, locks: new Locks() });
  return { logs, path: join(place, 'job-1/1.log') };
}

async function packedFile(content: Buffer): Promise<string> {
  const path = join(mkdtempSync(join(folder, 'packed-')), '1.log');
  await writeFile(path, content);
  await packLog(path);
  return `${path}.zst`;
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => 'no error',
    (error: unknown) => (isAppError(error) ? error.code : error),
  );
}

describe('a packed log', () => {
  it('is zstd for everybody who reads zstd, and smaller', async () => {
    const file = await readFile(await packedFile(LOG));
    async function* pieces(): AsyncGenerator<Buffer> {
      yield file;
    }
    const plain: Buffer[] = [];
    for await (const piece of decompressZstd(pieces(), 27)) {
      plain.push(piece);
    }
    expect(Buffer.concat(plain).equals(LOG)).toBe(true);
    expect(file.length).toBeLessThan(LOG.length * 0.6);
  });

  it('gives every part of itself', async () => {
    const log = await PackedLog.over(await open(await packedFile(LOG)));
    expect(log.size).toBe(LOG.length);
    for (const offset of [0, 1, 524_287, 524_288, 524_289, 1_048_570, LOG.length - 3]) {
      for (const length of [1, 10, 100_000, 600_000]) {
        const part = await log.read(offset, length);
        expect(part.length).toBeGreaterThan(0);
        expect(part.equals(LOG.subarray(offset, offset + part.length))).toBe(true);
      }
    }
    expect(await log.read(LOG.length, 10)).toHaveLength(0);
    expect(await log.read(LOG.length + 10, 10)).toHaveLength(0);
    await log.close();
  });

  it('may be empty', async () => {
    const log = await PackedLog.over(await open(await packedFile(Buffer.alloc(0))));
    expect([log.size, (await log.read(0, 5)).length]).toEqual([0, 0]);
    await log.close();
  });

  it('that is damaged is refused, wherever the damage is', async () => {
    const file = await packedFile(Buffer.from('some text\n'.repeat(100_000)));
    const good = await readFile(file);
    for (let place = 0; place < good.length; place += 1) {
      const bad = Buffer.from(good);
      bad[place] = (bad[place] ?? 0) ^ 0x41;
      await writeFile(file, bad);
      const read = async (): Promise<Buffer> => {
        const log = await PackedLog.over(await open(file));
        try {
          return Buffer.concat([await log.read(0, 600_000), await log.read(524_288, 600_000)]);
        } finally {
          await log.close();
        }
      };
      const code = await codeOf(read());
      // A flipped bit of the skippable header, or of the descriptor, changes nothing of what is read.
      expect(['log-damaged', 'no error']).toContain(code);
      if (place < 50) {
        expect([place, code]).toEqual([place, 'log-damaged']);
      }
    }
    for (const length of [0, 1, 8, 9, 20, good.length - 1]) {
      await writeFile(file, good.subarray(0, length));
      expect(await codeOf(open(file).then(async (handle) => await PackedLog.over(handle)))).toBe(
        'log-damaged',
      );
    }
  });
});

describe('the log of an attempt that has ended', () => {
  it('reads as before, takes no more, and is packed once', async () => {
    const { logs, path } = newLogs();
    await logs.append(NAME, 0, LOG);
    expect(await logs.openPacked(NAME)).toBeUndefined();
    expect(await logs.unpacked('job-1')).toEqual([1]);

    await Promise.all([logs.pack(NAME), logs.pack(NAME)]);

    expect([existsSync(path), existsSync(`${path}.zst`)]).toEqual([false, true]);
    expect(await logs.unpacked('job-1')).toEqual([]);
    expect(await logs.size(NAME)).toBe(LOG.length);
    const part = await logs.read(NAME, { offset: 600_000, maxBytes: 1000 });
    expect(part.bytes.equals(LOG.subarray(600_000, 601_000))).toBe(true);
    expect(part.isEnd).toBe(false);
    const end = await logs.read(NAME, { offset: LOG.length - 8, maxBytes: 1000 });
    expect([end.bytes.toString(), end.isEnd]).toEqual(['the end\n', true]);
    expect(await codeOf(logs.append(NAME, LOG.length, Buffer.from('late')))).toBe('stale-attempt');
    const packed = await logs.openPacked(NAME);
    const bytes = packed && (await buffer(packed.stream));
    expect(bytes?.equals(await readFile(`${path}.zst`))).toBe(true);
  });

  it('is taken up where a killed process was packing it', async () => {
    const { logs, path } = newLogs();
    await logs.append(NAME, 0, LOG);
    await writeFile(`${path}.packing`, 'half');
    await logs.pack(NAME);
    await writeFile(path, LOG);
    await logs.pack(NAME);
    expect(existsSync(path)).toBe(false);
    expect((await logs.read(NAME, { offset: 0, maxBytes: 24 })).bytes.toString()).toBe(
      'checking for gcc... gcc\n',
    );
  });

  it('that never was stays unpacked', async () => {
    const { logs } = newLogs();
    await logs.pack(NAME);
    expect(await logs.size(NAME)).toBeUndefined();
    expect(await logs.openPacked(NAME)).toBeUndefined();
  });
});
