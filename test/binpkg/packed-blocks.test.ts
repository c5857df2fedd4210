import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { blockName, packBlocks, readPackedBlocks } from '../../src/binpkg/pkgdir/packed-blocks.ts';

const blocksOf = (texts: readonly string[]) =>
  texts.map((text) => ({ name: blockName(Buffer.from(text)), bytes: Buffer.from(text) }));

describe('packed blocks', () => {
  it('unpack to one text, and are found again', async () => {
    const blocks = blocksOf(['header\n', 'one\n'.repeat(1000), '', 'ünï\n']);
    const packed = Buffer.concat(await packBlocks(blocks, new Map()));
    expect(gunzipSync(packed)).toEqual(Buffer.concat(blocks.map(({ bytes }) => bytes)));
    const found = readPackedBlocks(packed);
    expect([...found.keys()]).toEqual(blocks.map(({ name }) => name));
    expect(Buffer.concat([...found.values()])).toEqual(packed);
  });

  it('that are known are taken over byte by byte', async () => {
    const [kept] = blocksOf(['kept']);
    const member = Buffer.from('anything');
    const known = new Map([[kept?.name ?? '', member]]);
    const packed = Buffer.concat(await packBlocks(blocksOf(['new', 'kept']), known));
    expect(packed.subarray(-member.length)).toEqual(member);
    expect(gunzipSync(packed.subarray(0, -member.length)).toString()).toBe('new');
  });

  it('are none in what somebody else wrote, or in what is cut off', async () => {
    const packed = Buffer.concat(await packBlocks(blocksOf(['one', 'two']), new Map()));
    const foreign: Buffer[] = [
      gzipSync('text'),
      Buffer.concat([packed, gzipSync('x')]),
      randomBytes(300),
    ];
    for (let end = 1; end < packed.length; end += 1) {
      foreign.push(packed.subarray(0, end));
    }
    const whole = readPackedBlocks(packed).get(blockName(Buffer.from('one')));
    for (const bytes of foreign) {
      const isFirst = bytes.length === whole?.length;
      expect([bytes.length, readPackedBlocks(bytes).size]).toEqual([bytes.length, isFirst ? 1 : 0]);
    }
  });
});
