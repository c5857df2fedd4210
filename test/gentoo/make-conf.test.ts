import { describe, expect, it } from '@jest/globals';
import { formatMakeConf, formatMakeConfVariable } from '../../src/gentoo/make-conf.ts';
import { resolveProfiles } from '../../src/gentoo/resolve-profile.ts';
import { COMPLETE, sourceOf } from './profile-samples.ts';

describe('formatMakeConf', () => {
  it('shows a profile in the words of Portage, in a fixed order', () => {
    const { profiles } = resolveProfiles([
      sourceOf('web', {
        ...COMPLETE,
        goflags: '-v',
        ldflags: '',
        'cpu-flags': ['sse', 'avx'],
        'gentoo-profile': 'default/linux/amd64/23.0',
        use: ['ssl', '-X'],
        features: ['-news'],
        makeopts: '-j4 -l5',
      }),
    ]);

    expect(profiles.map(formatMakeConf)).toEqual([
      `# Made by Rookery from the hardware profile web.
# make.profile: default/linux/amd64/23.0
CHOST="x86_64-pc-linux-gnu"
CFLAGS="-O2 -pipe"
CXXFLAGS="-O2 -pipe"
FFLAGS="-O2 -pipe"
FCFLAGS="-O2 -pipe"
LDFLAGS=""
GOFLAGS="-v"
CPU_FLAGS_X86="sse avx"
USE="ssl -X"
FEATURES="-news"
MAKEOPTS="-j4 -l5"
`,
    ]);
  });

  it('writes nothing for words that are not there', () => {
    const { profiles } = resolveProfiles([
      sourceOf('web', { ...COMPLETE, arch: 'riscv', chost: 'riscv64-unknown-linux-gnu' }),
    ]);

    expect(profiles.map(formatMakeConf).join('')).not.toMatch(
      /USE|CPU_FLAGS|MAKEOPTS|FEATURES|make\.profile/,
    );
  });
});

describe('formatMakeConfVariable', () => {
  it.each([
    ['-O2 -march=x86-64', '-O2 -march=x86-64'],
    ['-Wl,-rpath,$ORIGIN', '-Wl,-rpath,\\$ORIGIN'],
    ['${CFLAGS}', '\\${CFLAGS}'],
    ['-DX="y z"', '-DX=\\"y z\\"'],
    ["-DX='$y'", "-DX='$y'"],
    ['a\\b', 'a\\b'],
    ['a\\', 'a\\\\\\\\'],
    ['a\\\\b', 'a\\\\\\\\\\b'],
  ])('quotes %j', (value, quoted) => {
    expect(formatMakeConfVariable('CFLAGS', value)).toBe(`CFLAGS="${quoted}"\n`);
  });

  it.each([
    ['CFLAGS', 'a\nb'],
    ['CFLAGS', 'a\u0000'],
    ['C FLAGS', 'a'],
    ['USE="x"\nY', 'a'],
  ])('refuses %j with %j', (name, value) => {
    expect(() => formatMakeConfVariable(name, value)).toThrow(
      expect.objectContaining({ code: 'invalid-make-conf-value' }),
    );
  });
});
