import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { memorySource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { readVersionNeeds } from '../../src/binpkg/elf/version-needs.ts';
import { isAppError } from '../../src/support/errors.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { makeElf } from './made-elf.ts';

/** `readelf -V`, of binutils: a name for each version that is asked for. */
async function asReadelfSays(file: string): Promise<string[]> {
  const { stdout } = await runChecked(['readelf', '-V', '--wide', file], {
    env: toolEnvironment(),
  });
  const text = stdout.toString('utf8');
  const needs = text.slice(text.indexOf('Version needs section'));
  return [...needs.matchAll(/ Name: (\S+) +Flags:/g)].map((match) => match[1] ?? '');
}

async function needsOf(file: string): Promise<string[]> {
  const source = await openByteSource(file);
  try {
    return await readVersionNeeds(source);
  } finally {
    await source.close();
  }
}

describe('the versions that an ELF file asks for', () => {
  it.each([process.execPath, '/bin/sh', '/usr/bin/gpg'])(
    'are what readelf says of %s',
    async (file) => {
      const needs = await needsOf(file);

      expect(needs.toSorted()).toEqual([...new Set(await asReadelfSays(file))].toSorted());
      expect(needs.some((need) => need.startsWith('GLIBC_2.'))).toBe(true);
    },
  );

  it('are none for a file that asks for none, and for what is no ELF file', async () => {
    expect(await readVersionNeeds(memorySource(makeElf({ needed: ['libc.so.6'] })))).toEqual([]);
    expect(await readVersionNeeds(memorySource(Buffer.from('#!/bin/sh\n')))).toEqual([]);
  });

  it('are never read past the end, wherever the file is cut', async () => {
    const whole = readFileSync('/bin/sh');
    const all = await readVersionNeeds(memorySource(whole));
    for (let size = 0; size < whole.length; size += 509) {
      const source = memorySource(whole.subarray(0, size));
      const found = await readVersionNeeds(source).catch((error: unknown) => {
        expect(isAppError(error, 'elf-damaged')).toBe(true);
        return [];
      });
      expect(all).toEqual(expect.arrayContaining(found));
    }
  });
});
