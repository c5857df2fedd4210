import { describe, expect, it } from '@jest/globals';
import { cleanEnvironment } from '../../src/agent/environment.ts';
import { excludedFromBinaries, packageNameOf } from '../../src/agent/executors/excluded-atoms.ts';
import { resolveFlags } from '../../src/agent/executors/recipe-environment.ts';
import { savedEnvironment } from '../../src/agent/executors/saved-environment.ts';
import {
  bindSlots,
  type StagedPackage,
  selectStaged,
} from '../../src/agent/executors/staged-packages.ts';
import { cpuFlagsOf } from '../../src/gentoo/cpuinfo.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';

function reference(name: string): string {
  return `\${${name}}`;
}

function staged(cpv: string, slot: string, rdepend = '', built = 1): StagedPackage {
  return {
    cpv,
    slot,
    path: `${cpv}-${built}.gpkg.tar`,
    size: 1,
    sha1: '',
    buildTimeSeconds: built,
    rdepend,
    use: [],
  };
}

describe('the environment of builds', () => {
  it('has PATH, a locale and what was named, and nothing else', () => {
    const inherited = { PATH: '/bin', TOKEN: 'secret', DISTCC_HOSTS: 'a b', EMPTY: '' };
    expect(cleanEnvironment(['DISTCC_HOSTS', 'EMPTY', 'ABSENT'], inherited)).toEqual({
      PATH: '/bin',
      DISTCC_HOSTS: 'a b',
      LANG: 'C.UTF-8',
      LC_ALL: 'C.UTF-8',
      TERM: 'dumb',
    });
  });

  it('refuses a name that is none', () => {
    expect(() => cleanEnvironment(['A=B'], {})).toThrow(/"A=B"/);
  });

  it.each(['GITHUB_TOKEN', 'PGPASSWORD', 'my_secret', 'AWS_ACCESS_KEY_ID', 'SIGN_PASSPHRASE'])(
    'refuses %s, which looks like a secret',
    (name) => {
      expect(() => cleanEnvironment([name], { [name]: 'x' })).toThrow(
        expect.objectContaining({ code: 'secret-environment-name' }),
      );
    },
  );

  it('passes proxies and names that only sound like a secret', () => {
    const inherited = { http_proxy: 'http://p:3128', ACCEPT_KEYWORDS: '~amd64' };
    expect(cleanEnvironment(Object.keys(inherited), inherited)).toMatchObject(inherited);
  });
});

describe('compiler settings', () => {
  it('may refer to each other, and circles come to nothing', () => {
    expect(
      resolveFlags({
        COMMON: '-O2',
        CFLAGS: `-march=x86-64-v3 ${reference('COMMON')}`,
        CXXFLAGS: `$CFLAGS -fno-plt ${reference('MISSING')}`,
        A: `-a ${reference('B')}`,
        B: `-b ${reference('A')}`,
      }),
    ).toEqual({
      COMMON: '-O2',
      CFLAGS: '-march=x86-64-v3 -O2',
      CXXFLAGS: '-march=x86-64-v3 -O2 -fno-plt',
      A: '-a -b',
      B: '-b -a',
    });
  });
});

describe('a saved environment', () => {
  it('gives bash every value back', async () => {
    const values = {
      PLAIN: '-O2 -pipe',
      QUOTES: `it's "quoted" \\ and $HOME and \`id\``,
      LINES: "first\nsecond\ttab's",
    };
    const text = savedEnvironment({ exported: values, plain: { DESCRIPTION: 'Ein Käfer' } });
    const script = `${text}printf '%s|' "$PLAIN" "$QUOTES" "$LINES" "$DESCRIPTION"`;
    const { stdout } = await runChecked(['bash', '-c', script], { env: toolEnvironment() });
    expect(String(stdout)).toBe([...Object.values(values), 'Ein Käfer', ''].join('|'));
  });
});

describe('CPU flags', () => {
  it('are named as CPU_FLAGS_X86 names them', () => {
    const cpuinfo =
      'processor\t: 0\nflags\t\t: fpu mmx sse sse2 pni ssse3 fma cx16 sse4_1 popcnt avx2 sha_ni pclmulqdq\n';
    expect(cpuFlagsOf(cpuinfo)).toEqual(
      'avx2 fma3 mmx mmxext pclmul popcnt sha sse sse2 sse3 sse4_1 ssse3'.split(' '),
    );
  });

  it('are named as CPU_FLAGS_ARM names them', () => {
    expect(cpuFlagsOf('Features\t: fp asimd evtstrm aes crc32 sve\n')).toEqual(
      'aes crc32 neon sve vfp vfp-d32 vfpv3 vfpv4'.split(' '),
    );
  });
});

describe('what is built again', () => {
  it('is named without version, slot, repository and flags', () => {
    expect(
      [
        'app-misc/a',
        '=app-misc/a-1.0-r3',
        '>=dev-libs/lib-3d-2.0_rc1:0/2=::gentoo[x,-y]',
        '=dev-libs/b-1.2*',
        'top',
      ].map(packageNameOf),
    ).toEqual(['app-misc/a', 'app-misc/a', 'dev-libs/lib-3d', 'dev-libs/b', '*/top']);
  });

  it('is looked up in sets, which may name sets', () => {
    const sets = { web: ['app-misc/a', '@more'], more: ['app-misc/b:2', '@web'] };
    expect(excludedFromBinaries(['@web', 'app-misc/a'], sets)).toEqual([
      'app-misc/a',
      'app-misc/b',
    ]);
  });

  it("is left to Portage where a set is Portage's own", () => {
    const sets = { web: ['app-misc/a', '@system'] };
    expect(excludedFromBinaries(['@web', '@world'], sets)).toEqual([
      'app-misc/a',
      '@system',
      '@world',
    ]);
  });
});

describe('staged packages', () => {
  const offered = [
    staged('a/lib-2.0', '0/2', 'a/other !a/old || ( a/lib a/none )'),
    staged('a/lib-10.0', '0/10', 'a/other', 2),
    staged('a/lib-10.0', '0/10', 'a/other'),
    staged('a/other-1', '0'),
    staged('a/unrelated-1', '0'),
  ];

  it('are chosen by version, then by build time, with what they need to run', () => {
    expect(selectStaged(['a/lib', '!a/unrelated'], offered).map(({ path }) => path)).toEqual([
      'a/lib-10.0-2.gpkg.tar',
      'a/other-1-1.gpkg.tar',
    ]);
    expect(selectStaged(['<a/lib-3'], offered).map(({ cpv }) => cpv)).toContain('a/lib-2.0');
  });

  it('bind the slot operators of what is built with them', () => {
    const atoms = ['a/lib:=', '<a/lib-3:=', 'a/other:=', 'a/none:=', 'a/lib'];
    expect(bindSlots(atoms, offered)).toEqual([
      'a/lib:0/10=',
      '<a/lib-3:0/2=',
      'a/other:0/0=',
      'a/none:=',
      'a/lib',
    ]);
  });
});
