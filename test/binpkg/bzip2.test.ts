import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { savedEnvironment } from '../../src/agent/executors/saved-environment.ts';
import { compressBzip2 } from '../../src/binpkg/bzip2.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';

async function unpacked(data: Buffer): Promise<Buffer> {
  const env = toolEnvironment();
  return (await runChecked(['bzip2', '-dc'], { env, input: compressBzip2(data) })).stdout;
}

describe('the bzip2 of an environment', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    [
      'a run of every length',
      Buffer.from(Array.from({ length: 520 }, (_, n) => `${'a'.repeat(n)}b`).join('')),
    ],
    ['a period', Buffer.from('abcabc'.repeat(300))],
    ['one byte many times', Buffer.alloc(100_000, 7)],
    ['every byte', Buffer.from(Array.from({ length: 1024 }, (_, n) => n % 256))],
    ['bytes without order', randomBytes(5000)],
    ['an environment', Buffer.from(savedEnvironment({ exported: toolEnvironment(), plain: {} }))],
    [
      'very uneven frequencies',
      Buffer.from(
        Array.from({ length: 18 }, (_, n) => String(n % 10).padEnd(2 ** (n % 14), 'z')).join(''),
      ),
    ],
  ])('gives %s back', async (_name, data) => {
    expect((await unpacked(data)).equals(data)).toBe(true);
  });

  it('gives more than one block back', async () => {
    const data = Buffer.concat([
      randomBytes(300_000),
      Buffer.alloc(500_000, 1),
      randomBytes(30_000),
    ]);
    expect((await unpacked(data)).equals(data)).toBe(true);
  });
});
