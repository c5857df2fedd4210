import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { BuildLogs } from '../../src/builds/build-log.ts';
import { Locks } from '../../src/support/locks.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const NAME = { jobId: 'job-1', attempt: 1 };
const ALL = { offset: 0, maxBytes: 1e6 };

function newLogs(maxBytes = 1000): BuildLogs {
  return new BuildLogs({
    folder: mkdtempSync(join(folder, 'logs-')),
    maxBytes,
    locks: new Locks(),
  });
}

async function text(logs: BuildLogs, name = NAME): Promise<string> {
  return (await logs.read(name, ALL)).bytes.toString();
}

describe('a build log', () => {
  it('grows at its end, and passes over what it has', async () => {
    const logs = newLogs();
    expect(await logs.append(NAME, 0, Buffer.from('one '))).toBe(4);
    expect(await logs.append(NAME, 0, Buffer.from('one '))).toBe(4);
    expect(await logs.append(NAME, 4, Buffer.from('two '))).toBe(8);
    expect(await logs.append(NAME, 0, Buffer.from('one two three'))).toBe(13);
    expect(await logs.append(NAME, 2, Buffer.from('e'))).toBe(13);
    expect(await logs.append(NAME, 13, Buffer.alloc(0))).toBe(13);
    expect(await text(logs)).toBe('one two three');
  });

  it('refuses a gap and says where it ends', async () => {
    const logs = newLogs();
    await logs.append(NAME, 0, Buffer.from('1234'));
    await expect(logs.append(NAME, 5, Buffer.from('6'))).rejects.toMatchObject({
      code: 'log-gap',
      details: { size: 4 },
    });
    await expect(logs.append(NAME, -1, Buffer.from('6'))).rejects.toMatchObject({
      code: 'invalid-offset',
    });
    expect(await text(logs)).toBe('1234');
  });

  it('is the same whatever answers were lost and however pieces were repeated', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ length: fc.nat(20), back: fc.nat(15), times: fc.constantFrom(1, 2) }),
          {
            maxLength: 12,
          },
        ),
        async (pieces) => {
          const logs = newLogs();
          const whole = Buffer.from('abcdefghijklmnopqrstuvwxyz'.repeat(20));
          let sent = 0;
          for (const { length, back, times } of pieces) {
            const offset = Math.max(0, sent - back);
            for (let time = 0; time < times; time += 1) {
              sent = await logs.append(NAME, offset, whole.subarray(offset, offset + length));
            }
          }
          expect(await text(logs)).toBe(whole.subarray(0, sent).toString());
        },
      ),
      { numRuns: 30 },
    );
  });

  it('takes pieces that come at the same time one after the other', async () => {
    const logs = newLogs();
    await Promise.all([
      logs.append(NAME, 0, Buffer.from('aaaa')),
      logs.append(NAME, 4, Buffer.from('bbbb')),
      logs.append(NAME, 0, Buffer.from('aaaabbbbcc')),
    ]);
    expect(await text(logs)).toBe('aaaabbbbcc');
  });

  it('ends with a clear last line when it is full, and takes nothing more', async () => {
    const logs = newLogs(10);
    expect(await logs.append(NAME, 0, Buffer.from('12345678'))).toBe(8);
    const full = { code: 'log-too-large' };
    for (let time = 0; time < 2; time += 1) {
      await expect(logs.append(NAME, 8, Buffer.from('90abc'))).rejects.toMatchObject(full);
    }
    await expect(logs.append(NAME, 500, Buffer.from('x'))).rejects.toMatchObject(full);
    expect(await logs.append(NAME, 0, Buffer.from('12345678'))).toBeGreaterThan(10);
    expect(await text(logs)).toBe(
      '1234567890\n*** rookery: this log is cut here; it has reached the limit of 10 bytes.\n',
    );
  });

  it('may be exactly as long as the limit', async () => {
    const logs = newLogs(10);
    expect(await logs.append(NAME, 0, Buffer.from('1234567890'))).toBe(10);
    expect(await logs.append(NAME, 5, Buffer.from('67890'))).toBe(10);
    expect(await text(logs)).toBe('1234567890');
  });

  it('of each attempt stands apart, and is read in pieces', async () => {
    const logs = newLogs();
    await logs.append(NAME, 0, Buffer.from('first'));
    await logs.append({ ...NAME, attempt: 2 }, 0, Buffer.from('second'));
    expect(await text(logs)).toBe('first');
    expect(await text(logs, { ...NAME, attempt: 2 })).toBe('second');
    expect(await text(logs, { ...NAME, attempt: 3 })).toBe('');
    const piece = await logs.read(NAME, { offset: 1, maxBytes: 2 });
    expect([piece.bytes.toString(), piece.isEnd]).toEqual(['ir', false]);
    const rest = await logs.read(NAME, { offset: 3, maxBytes: 2 });
    expect([rest.bytes.toString(), rest.isEnd]).toEqual(['st', true]);
    expect((await logs.read(NAME, { offset: 99, maxBytes: 2 })).isEnd).toBe(true);
  });

  it('tells its followers that it has grown, until they leave', async () => {
    const logs = newLogs();
    let calls = 0;
    const leave = logs.follow('job-1', () => {
      calls += 1;
    });
    await logs.append(NAME, 0, Buffer.from('1'));
    await logs.append(NAME, 0, Buffer.from('1'));
    await logs.append({ jobId: 'job-2', attempt: 1 }, 0, Buffer.from('1'));
    expect(calls).toBe(1);
    leave();
    leave();
    await logs.append(NAME, 1, Buffer.from('2'));
    expect(calls).toBe(1);
  });

  it('cannot be named outside of its folder', async () => {
    await expect(
      newLogs().append({ jobId: '../..', attempt: 1 }, 0, Buffer.from('x')),
    ).rejects.toMatchObject({ code: 'path-outside-root' });
  });
});
