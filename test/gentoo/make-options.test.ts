import { describe, expect, it } from '@jest/globals';
import { faultsInMakeOptions } from '../../src/gentoo/make-options.ts';

describe('faultsInMakeOptions', () => {
  it.each([
    '',
    '-j8',
    '-j8 -l8',
    '-j 8 -l 7.5',
    '-j',
    '--jobs=16 --load-average=12.5',
    '--jobs 4 --output-sync=target',
    '-k -s -Oline V=1',
    '--shuffle=random --no-print-directory',
  ])('accepts %p', (text) => {
    expect(faultsInMakeOptions(text)).toEqual([]);
  });

  it.each([
    ['-j0', '"0" cannot be the number of jobs'],
    ['-j 0', '"0" cannot be the number of jobs'],
    ['-j1.5', '"1.5" cannot be the number of jobs'],
    ['-jN', '"N" cannot be the number of jobs'],
    ['-j=4', '"=4" cannot be the number of jobs'],
    ['-j$(nproc)', '"$(nproc)" cannot be the number of jobs'],
    ['--jobs=many', '"many" cannot be the number of jobs'],
    ['-lhigh', '"high" cannot be the load'],
    ['8', '"8" is not an option for make'],
    ['j8', '"j8" is not an option for make'],
    ['--keep-gong', 'Did you mean "--keep-going"?'],
    ['-j8, -l8', '"8," cannot be'],
    ['-f other.mk', '"-f" is not an option for make'],
  ])('refuses %p', (text, sentence) => {
    expect(faultsInMakeOptions(text)[0]).toContain(sentence);
  });
});
