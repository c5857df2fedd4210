import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  decodeTarHeader,
  encodeTarHeader,
  fitsUstar,
  type NewTarHeader,
} from '../../src/binpkg/archive/tar-header.ts';

const HEADER: NewTarHeader = {
  name: 'mtdev-1.1.7-1/gpkg-1',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeSeconds: 0o14725110524,
  typeflag: '0',
  linkname: '',
  magic: 'ustar',
  uname: '',
  gname: '',
};

/** Field by field, as Python's tarfile wrote it into a package of a real builder. */
const GOLDEN = Buffer.concat([
  Buffer.from('mtdev-1.1.7-1/gpkg-1'.padEnd(100, '\0')),
  Buffer.from('0000644|0000000|0000000|00000000000|14725110524|010723| 0'.replaceAll('|', '\0')),
  Buffer.alloc(100),
  Buffer.from('ustar\x0000'),
  Buffer.alloc(247),
]);

function withSum(block: Buffer): Buffer {
  const copy = Buffer.from(block);
  copy.fill(' ', 148, 156);
  const sum = copy.reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

const name = fc
  .array(fc.stringMatching(/^[a-zé+_.-]{1,40}$/), { minLength: 1, maxLength: 6 })
  .map((segments) => segments.join('/'));
const header = fc.record({
  name,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0o7777777 }),
  gid: fc.integer({ min: 0, max: 0o7777777 }),
  size: fc.integer({ min: 0, max: 8 ** 11 - 1 }),
  mtimeSeconds: fc.integer({ min: 0, max: 8 ** 11 - 1 }),
  typeflag: fc.constantFrom('0', '1', '2', '5'),
  linkname: fc.stringMatching(/^[a-z/]{0,100}$/),
  magic: fc.constant('ustar' as const),
  uname: fc.stringMatching(/^[a-z]{0,31}$/),
  gname: fc.stringMatching(/^[a-z]{0,31}$/),
});

describe('a tar header', () => {
  it('has exactly the bytes that Portage writes', () => {
    expect(GOLDEN).toHaveLength(512);
    expect(encodeTarHeader(HEADER).equals(GOLDEN)).toBe(true);
    expect(decodeTarHeader(GOLDEN)).toEqual(HEADER);
  });

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(header, (fields) => {
        fc.pre(fitsUstar(fields));
        expect(decodeTarHeader(encodeTarHeader(fields))).toEqual(fields);
      }),
    );
  });

  it('splits a long name at the first slash that leaves a name of 100 bytes', () => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(20)}/${'f'.repeat(79)}`;

    const block = encodeTarHeader({ ...HEADER, name: long });

    expect(block.toString('latin1', 345, 500).replace(/\0+$/, '')).toBe('d'.repeat(90));
    expect(decodeTarHeader(block)?.name).toBe(long);
    expect(fitsUstar({ name: 'x'.repeat(101), linkname: '', size: 0 })).toBe(false);
    expect(fitsUstar({ name: `${'d'.repeat(156)}/x`, linkname: '', size: 0 })).toBe(false);
    expect(() => encodeTarHeader({ ...HEADER, name: 'x'.repeat(101) })).toThrow(
      expect.objectContaining({ code: 'tar-name-too-long' }),
    );
  });

  it('holds numbers above eight octal digits in base 256 in the GNU format only', () => {
    const size = 9_000_000_000_000;

    const block = encodeTarHeader({ ...HEADER, size, mtimeSeconds: -5, magic: 'gnu' });

    expect(block[124]).toBe(0x80);
    expect(decodeTarHeader(block)).toMatchObject({ size, mtimeSeconds: -5, magic: 'gnu' });
    expect(() => encodeTarHeader({ ...HEADER, size })).toThrow(
      expect.objectContaining({ code: 'tar-number' }),
    );
  });

  it('is nothing when it is all zeros', () => {
    expect(decodeTarHeader(Buffer.alloc(512))).toBeUndefined();
  });

  it('is refused after any change of one byte', () => {
    for (let index = 0; index < 512; index += 1) {
      const block = Buffer.from(GOLDEN);
      block[index] = (block[index] ?? 0) ^ 0x01;
      const insideSum = index >= 148 && index < 156;
      if (!insideSum) {
        expect(() => decodeTarHeader(block)).toThrow(
          expect.objectContaining({ code: 'tar-checksum' }),
        );
      }
    }
  });

  it.each([
    ['octal with a wrong digit', '0000000000x\0'],
    ['a minus sign', '-0000000001\0'],
    ['a size beyond 2^53 in base 256', Buffer.from('80ffffffffffffffffffffff', 'hex')],
    ['a negative size in base 256', Buffer.from('ffffffffffffffffffffffff', 'hex')],
  ])('is refused with %s', (_name, field) => {
    const block = Buffer.from(GOLDEN);
    Buffer.from(field).copy(block, 124);

    expect(() => decodeTarHeader(withSum(block))).toThrow(
      expect.objectContaining({ code: 'tar-number' }),
    );
  });

  it.each([329, 337])('is refused with a device number at byte %i that is none', (offset) => {
    const block = Buffer.from(GOLDEN);
    block.write('zzzzzzzz', offset, 'latin1');

    expect(() => decodeTarHeader(withSum(block))).toThrow(
      expect.objectContaining({ code: 'tar-number' }),
    );
  });

  it('has no owner whose name is not UTF-8', () => {
    const block = Buffer.from(GOLDEN);
    block.write('j\xf6rg', 265, 'latin1');
    block.write('k\xf6ln', 297, 'latin1');

    expect(decodeTarHeader(withSum(block))).toEqual(HEADER);
  });

  it('is refused when a name is not UTF-8', () => {
    const block = Buffer.from(GOLDEN);
    block[3] = 0xff;

    expect(() => decodeTarHeader(withSum(block))).toThrow(
      expect.objectContaining({ code: 'tar-name-not-utf8' }),
    );
  });

  it('never makes the reader crash, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (bytes) => {
        try {
          decodeTarHeader(withSum(Buffer.from(bytes)));
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^tar-/) });
        }
      }),
    );
  });
});
