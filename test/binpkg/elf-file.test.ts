import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { readElf, readElfHeader, readIsaLevel } from '../../src/binpkg/elf/elf-file.ts';
import { machineName, multilibCategory } from '../../src/binpkg/elf/machine.ts';
import { type ElfForm, makeElf } from './made-elf.ts';

const FORM: ElfForm = {
  soname: 'libhi.so.1',
  needed: ['libc.so.6', 'libm.so.6'],
  runpath: '$ORIGIN/../lib',
  rpath: '/opt/lib',
  flags1: 0x08000001,
  isaBits: 0b111,
};

describe('an ELF file', () => {
  it.each([
    [true, false],
    [true, true],
    [false, false],
    [false, true],
  ])('is read with 64 bit: %s, big endian: %s', async (is64, bigEndian) => {
    const elf = await readElf(memorySource(makeElf({ ...FORM, is64, bigEndian, flags: 0x1234 })));

    expect(elf).toEqual({
      is64,
      bigEndian,
      type: 3,
      machine: 62,
      flags: 0x1234,
      soname: 'libhi.so.1',
      needed: ['libc.so.6', 'libm.so.6'],
      rpath: '/opt/lib',
      runpath: '$ORIGIN/../lib',
      pie: true,
      isaLevel: 3,
    });
  });

  it('has a soname only when it is a shared object, and no level when nothing says one', async () => {
    const elf = await readElf(memorySource(makeElf({ soname: 'x', type: 2 })));

    expect(elf).toMatchObject({ soname: undefined, pie: false, isaLevel: undefined });
  });

  it.each([
    [1, 1],
    [0b10, 2],
    [0b1011, 4],
  ] as const)('needs by the bits %d the x86 level %d', async (isaBits, level) => {
    expect((await readElf(memorySource(makeElf({ isaBits }))))?.isaLevel).toBe(level);
  });

  it('is nothing when the file is something else', async () => {
    for (const text of [
      '',
      '\x7fELF',
      '#!/bin/sh\n'.repeat(10),
      `\x7fELF\x03\x01${'x'.repeat(60)}`,
    ]) {
      expect(await readElf(memorySource(Buffer.from(text, 'latin1')))).toBeUndefined();
    }
  });

  it('is refused, or read, when it is cut off anywhere', async () => {
    const bytes = makeElf(FORM);
    for (let length = 0; length < bytes.length; length += 1) {
      await expectElfOrDamage(bytes.subarray(0, length));
    }
    await expect(readElf(memorySource(bytes.subarray(0, 200)))).rejects.toMatchObject({
      code: 'elf-damaged',
    });
  });

  it('never crashes the reader, whatever is changed in it', async () => {
    const bytes = makeElf(FORM);
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.integer({ min: 4, max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 })),
          { minLength: 1, maxLength: 8 },
        ),
        async (changes) => {
          const damaged = Buffer.from(bytes);
          for (const [index, value] of changes) {
            damaged[index] = value;
          }
          await expectElfOrDamage(damaged);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('is refused when a table lies outside of it, and loses a name that does', async () => {
    const beyond = makeElf(FORM);
    beyond.writeUInt32LE(beyond.length, 32);
    const strings = makeElf({ needed: ['libc.so.6', 'libm.so.6'] });
    strings.writeUInt32LE(strings.length, strings.indexOf(Buffer.from([1, 0, 0, 0, 0]), 232) + 8);

    await expect(readElf(memorySource(beyond))).rejects.toThrow('reaches past the end');
    expect((await readElf(memorySource(strings)))?.needed).toEqual(['libm.so.6']);
    expect(await readElfHeader(memorySource(beyond))).toMatchObject({
      machine: 62,
      needed: [],
      pie: undefined,
    });
  });

  it.each([null, '.dynsty', '.dyn', ''])(
    'has no names when the section of its strings is named %j',
    async (dynamicStrings) => {
      const elf = await readElf(memorySource(makeElf({ ...FORM, dynamicStrings })));

      expect(elf).toMatchObject({ needed: [], soname: undefined, runpath: undefined, pie: true });
    },
  );

  it('has the last run path of several, and the names up to the entry that ends them', async () => {
    const rpath = ['/first', '/second'];
    const bytes = makeElf({ rpath, needed: ['a', 'b', 'c'] });
    const dynamic = bytes.indexOf(Buffer.from([2, 0, 0, 0, 4, 0, 0, 0]), 64);
    bytes.writeUInt32LE(16, dynamic + 32);

    expect((await readElf(memorySource(makeElf({ rpath }))))?.rpath).toBe('/second');
    expect((await readElf(memorySource(bytes)))?.needed).toEqual(['a', 'b', 'c']);
  });

  it('says nothing of the x86 level of another machine', async () => {
    for (const [machine, level] of [
      [62, 3],
      [3, 3],
      [183, undefined],
    ] as const) {
      const source = memorySource(makeElf({ machine, isaBits: 0b111 }));
      expect((await readElf(source))?.isaLevel).toBe(level);
      expect(await readIsaLevel(source)).toBe(level);
    }
  });

  it('is no ELF file with a header that is not whole or of another version', async () => {
    const bytes = makeElf();
    const version = Buffer.from(bytes);
    version[6] = 2;

    for (const other of [bytes.subarray(0, 63), version]) {
      expect(await readElf(memorySource(other))).toBeUndefined();
      expect(await readElfHeader(memorySource(other))).toBeUndefined();
    }
  });

  it('is held to limits', async () => {
    const many = makeElf({ needed: Array.from({ length: 5000 }, () => 'x'.repeat(300)) });
    await expect(readElf(memorySource(many))).rejects.toThrow('1048576 in all');
    const bytes = makeElf({ needed: ['x'.repeat(50), 'b', 'c', 'd'] });

    for (const limits of [
      { elfEntries: 2, elfStringBytes: 100 },
      { elfEntries: 5, elfStringBytes: 100 },
      { elfEntries: 100, elfStringBytes: 40 },
    ]) {
      await expect(readElf(memorySource(bytes), limits)).rejects.toMatchObject({
        code: 'elf-damaged',
      });
    }
  });
});

async function expectElfOrDamage(bytes: Buffer): Promise<void> {
  try {
    await readElf(memorySource(bytes));
  } catch (error) {
    expect(error).toMatchObject({ code: 'elf-damaged' });
  }
}

describe('the multilib category', () => {
  it.each<[string, string | undefined, ElfForm]>([
    ['X86_64', 'x86_64', { machine: 62 }],
    ['X86_64', 'x86_x32', { machine: 62, is64: false }],
    ['386', 'x86_32', { machine: 3, is64: false }],
    ['AARCH64', 'arm_64', { machine: 183 }],
    ['ARM', 'arm_32', { machine: 40, is64: false }],
    ['PPC64', 'ppc_64', { machine: 21, bigEndian: true }],
    ['RISCV', 'riscv_lp64d', { machine: 243, flags: 5 }],
    ['RISCV', 'riscv_lp64', { machine: 243, flags: 1 }],
    ['RISCV', 'riscv_ilp32d', { machine: 243, flags: 5, is64: false }],
    ['RISCV', undefined, { machine: 243, flags: 4 }],
    ['LOONGARCH', 'loong_lp64d', { machine: 258, flags: 0x43 }],
    ['MIPS', 'mips_n64', { machine: 8 }],
    ['MIPS', 'mips_n32', { machine: 8, flags: 0x20, is64: false }],
    ['MIPS', 'mips_o32', { machine: 8, flags: 0x1000, is64: false }],
    ['MIPS', undefined, { machine: 8, is64: false }],
    ['IA_64', 'ia64_64', { machine: 50 }],
    ['UNKNOWN_TYPE', undefined, { machine: 999 }],
    ['UNKNOWN_TYPE', 'bpf_64', { machine: 247 }],
    ['UNKNOWN_TYPE', 'amdgpu_64', { machine: 224 }],
    ['UNKNOWN_TYPE', 'e2k_64', { machine: 175 }],
    ['UNKNOWN_TYPE', 'arc_32', { machine: 195, is64: false }],
    ['UNKNOWN_TYPE', undefined, { machine: 6 }],
    ['ARC_A5', 'arc_32', { machine: 93, is64: false }],
    ['ALTERA_NIOS2', 'nios2_32', { machine: 113, is64: false }],
    ['VIDEOCORE', undefined, { machine: 95 }],
    ['ALPHA', 'alpha_64', { machine: 0x9026 }],
    ['NONE', undefined, { machine: 0 }],
  ])('of %s is %s', async (name, category, form) => {
    const elf = await readElf(memorySource(makeElf(form)));

    expect(elf === undefined ? undefined : machineName(elf)).toBe(name);
    expect(elf === undefined ? undefined : multilibCategory(elf)).toBe(category);
  });
});
