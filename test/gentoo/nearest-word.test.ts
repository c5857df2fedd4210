import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { editDistance, nearestWord, suggestion } from '../../src/gentoo/nearest-word.ts';

const KEYS = ['cflags', 'cxxflags', 'cpu-flags', 'channels', 'gentoo-profile', 'use'];

describe('nearestWord', () => {
  it.each([
    ['cflag', 'cflags'],
    ['CFLAGS', 'cflags'],
    ['cpu_flags', 'cpu-flags'],
    ['chanels', 'channels'],
    ['cahnnels', 'channels'],
    ['gentoo-profil', 'gentoo-profile'],
    ['uses', 'use'],
    ['colour', undefined],
    ['', undefined],
  ])('%j was meant to be %j', (word, meant) => {
    expect(nearestWord(word, KEYS)).toBe(meant);
  });

  it('asks only where there is something to ask', () => {
    expect(suggestion('cflag', KEYS)).toBe(' Did you mean "cflags"?');
    expect(suggestion('colour', KEYS)).toBe('');
  });
});

describe('editDistance', () => {
  it.each([
    ['kitten', 'sitting', 3],
    ['ab', 'ba', 1],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('%j to %j is %d', (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
  });

  it('is symmetric, and 0 for the same word alone', () => {
    const word = fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', 'c') });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});
