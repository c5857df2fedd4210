import { describe, expect, it } from '@jest/globals';
import {
  formatBaseSystem,
  mergeBaseSystems,
  parseBaseSystem,
} from '../../src/gentoo/base-system.ts';

const TEXT = `app-shells/bash-5.3_p3:0 nls readline -plugins
sys-libs/glibc-2.41-r3:2.2 multiarch
virtual/libcrypt-2-r1:0/2
provides x86_32: libc.so.6
provides x86_64: ld-linux-x86-64.so.2 libc.so.6
`;

describe('a file base-system', () => {
  it('lists packages with slot and flags, and sonames', () => {
    const { base, faults } = parseBaseSystem(`# made on a fresh node\n\n${TEXT}`, 'p/base-system');
    expect(faults).toEqual([]);
    expect(base.packages).toContainEqual({
      cpv: 'app-shells/bash-5.3_p3',
      slot: '0',
      use: ['nls', 'readline', '-plugins'],
    });
    expect(base.sonames).toEqual([
      'x86_32: libc.so.6',
      'x86_64: ld-linux-x86-64.so.2',
      'x86_64: libc.so.6',
    ]);
    expect(formatBaseSystem(base)).toBe(TEXT);
  });

  it('has the slot 0 where none is given, and comments behind a value', () => {
    const { base } = parseBaseSystem('sys-apps/sed-4.9 acl # the tool', 'p/base-system');
    expect(base.packages).toEqual([{ cpv: 'sys-apps/sed-4.9', slot: '0', use: ['acl'] }]);
  });

  it.each([
    ['sys-apps/sed', 'sys-apps/sed'],
    ['sys-apps/sed-4.9:0/', '"0/" is not a slot.'],
    ['sys-apps/sed-4.9 a,b', '"a,b" is not a USE flag.'],
    ['sys-apps/sed-4.9 --acl', '"--acl" is not a USE flag.'],
    ['sys-apps/sed-4.9 acl -acl', '"acl" cannot be on and off.'],
    ['provides libc.so.6', '"provides" needs a multilib category'],
    ['provides x86_64:', '"provides" needs a multilib category'],
  ])('has a fault: %s', (line, sentence) => {
    const { faults } = parseBaseSystem(`${TEXT}${line}\n`, 'p/base-system');
    expect(faults).toEqual([expect.stringMatching(/^p\/base-system, line 6: /)]);
    expect(faults[0]).toContain(sentence);
  });

  it('of a profile and what it extends are taken together', () => {
    const [one, two] = ['a/b-1:0 x', 'a/b-1:0\nc/d-2:3\nprovides m: s.so'].map(
      (text) => parseBaseSystem(text, '').base,
    );
    expect(mergeBaseSystems([one, two].flatMap((base) => base ?? []))).toEqual({
      packages: [
        { cpv: 'a/b-1', slot: '0', use: [] },
        { cpv: 'c/d-2', slot: '3', use: [] },
      ],
      sonames: ['m: s.so'],
    });
  });
});
