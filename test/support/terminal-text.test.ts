import { describe, expect, it } from '@jest/globals';
import { LineSplitter } from '../../src/support/line-splitter.ts';
import { plainLine, plainText } from '../../src/support/terminal-text.ts';

describe('plain text out of a terminal', () => {
  it.each([
    ['\u001b[31;01m*\u001b[0m ERROR', '* ERROR'],
    ['\u001b[01m\u001b[Kcc1:\u001b[m\u001b[K error', 'cc1: error'],
    ['\u001b]0;a title\u0007text', 'text'],
    ['\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['\u001b]0;never ended', ''],
    ['\u001bPq#0;2;0\u001b\\after', 'after'],
    ['\u009b31mred', 'red'],
    ['\u001b(Bplain\u001bc', 'plain'],
    ['\u001b', ''],
    ['\u001b[38;5', ''],
    [' 10%\r 50%\r100%', '100%'],
    ['done\r', 'done'],
    ['\r\r', ''],
    ['N\bNA\bAM\bME\bE', 'NAME'],
    ['a\tb', 'a\tb'],
    ['a\u0000b\u007fc\u0085d', 'abcd'],
    ['if (admin\u202e\u2066) {\u2069', 'if (admin) {'],
    ['ünïcode ✔', 'ünïcode ✔'],
  ])('%j is %j', (text, plain) => {
    expect(plainLine(text)).toBe(plain);
  });

  it('keeps the lines apart', () => {
    expect(plainText('\u001b[1mone\r\n 1%\r 2%\ntwo')).toBe('one\n 2%\ntwo');
    expect(plainText('\u001b]0;no end\nnext')).toBe('\nnext');
  });
});

describe('lines out of bytes', () => {
  it('are the same whatever the pieces, with their numbers and places', () => {
    const bytes = Buffer.from('öne\n\ntwo\nthree');
    const all = [
      { text: 'öne', line: 1, offset: 0 },
      { text: '', line: 2, offset: 5 },
      { text: 'two', line: 3, offset: 6 },
      { text: 'three', line: 4, offset: 10 },
    ];
    for (let size = 1; size <= bytes.length; size += 1) {
      const splitter = new LineSplitter();
      const found = [];
      for (let begin = 0; begin < bytes.length; begin += size) {
        found.push(...splitter.take(bytes.subarray(begin, begin + size)));
      }
      expect([...found, ...splitter.end()]).toEqual(all);
    }
  });

  it('of any length need no more memory than a part of them', () => {
    const splitter = new LineSplitter();
    const parts = [
      ...splitter.take(Buffer.alloc(200_000, 'x')),
      ...splitter.take(Buffer.from('\ny\n')),
    ];
    expect(parts.map(({ text, line, offset }) => [text.length, line, offset])).toEqual([
      [65_536, 1, 0],
      [65_536, 2, 65_536],
      [65_536, 3, 131_072],
      [3_392, 4, 196_608],
      [1, 5, 200_001],
    ]);
  });
});
