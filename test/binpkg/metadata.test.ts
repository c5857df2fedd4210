import { describe, expect, it } from '@jest/globals';
import { readMetadata } from '../../src/binpkg/metadata.ts';
import { METADATA } from './made-package.ts';

function bytesOf(
  changes: Readonly<Record<string, string | Buffer | undefined>> = {},
): Map<string, Buffer> {
  const bytes = new Map<string, Buffer>();
  for (const [key, value] of Object.entries({ ...METADATA, ...changes })) {
    if (value !== undefined) {
      bytes.set(key, Buffer.from(value));
    }
  }
  return bytes;
}

describe('the metadata of a package', () => {
  it('is typed', () => {
    expect(readMetadata(bytesOf())).toMatchObject({
      cpv: 'app-misc/hello-1.0-r1',
      category: 'app-misc',
      pf: 'hello-1.0-r1',
      slot: '0/1',
      eapi: '8',
      buildId: 3,
      buildTimeSeconds: 1_767_000_000,
      chost: 'x86_64-pc-linux-gnu',
      use: ['amd64', 'elibc_glibc'],
      installedBytes: 6,
    });
  });

  it('is typed to the last key', () => {
    const metadata = readMetadata(
      bytesOf({
        IUSE: '+doc -static test\n',
        IUSE_EFFECTIVE: 'amd64 doc\n',
        DEFINED_PHASES: 'compile install\n',
        INHERITED: 'multilib toolchain-funcs\n',
        DESCRIPTION: 'A  greeting\n',
        repository: 'gentoo\n',
        REPO_REVISIONS: '{"gentoo": "abc"}\n',
        EPREFIX: '/opt/gentoo\n',
        LICENSE: '|| ( MIT GPL-2+ )\n',
        RESTRICT: 'test? ( mirror )\n',
        PDEPEND: '|| ( app-misc/a app-misc/b[-x(+)] )\n',
        REQUIRES: 'x86_32: libc.so.6 x86_64: libc.so.6 libz.so.1\n',
        PROVIDES: '\n',
        'NEEDED.ELF.2':
          'X86_64;/usr/bin/a;;/opt/lib:$ORIGIN;libc.so.6,libz.so.1;x86_64\nX86_64;/usr/lib/b.so;b.so;  -  ;\n',
        CBUILD: 'x86_64-pc-linux-gnu\n',
        CTARGET: 'riscv64-unknown-linux-gnu\n',
        CFLAGS: '-O2  -pipe\n',
        CXXFLAGS: '-O3\n',
        LDFLAGS: '-Wl,-O1 -Wl,--as-needed\n',
        FEATURES: 'buildpkg  sandbox\n',
        PKGUSE: 'doc -test\n',
        COUNTER: '1234\n',
        NEEDED: '/usr/bin/a libc.so.6,libz.so.1\n/usr/lib/b c.so \n',
        FARM_NOTE: 'kept\n',
      }),
    );

    expect(metadata).toMatchObject({
      iuse: ['+doc', '-static', 'test'],
      iuseEffective: ['amd64', 'doc'],
      keywords: ['amd64', '~arm64'],
      definedPhases: ['compile', 'install'],
      inherited: ['multilib', 'toolchain-funcs'],
      description: 'A greeting',
      repository: 'gentoo',
      repoRevisions: { gentoo: 'abc' },
      eprefix: '/opt/gentoo',
      cbuild: 'x86_64-pc-linux-gnu',
      ctarget: 'riscv64-unknown-linux-gnu',
      cflags: '-O2 -pipe',
      cxxflags: '-O3',
      ldflags: '-Wl,-O1 -Wl,--as-needed',
      features: ['buildpkg', 'sandbox'],
      pkgUse: ['doc', '-test'],
      counter: 1234,
      needed: [
        { path: '/usr/bin/a', needed: ['libc.so.6', 'libz.so.1'] },
        { path: '/usr/lib/b c.so', needed: [] },
      ],
      license: '|| ( MIT GPL-2+ )',
      restrict: 'test? ( mirror )',
      dependencies: {
        PDEPEND: '|| ( app-misc/a app-misc/b[-x(+)] )',
        RDEPEND: '>=app-misc/lib-1:0/1= sys-libs/x',
        DEPEND: '',
      },
      requires: [
        { category: 'x86_32', sonames: ['libc.so.6'] },
        { category: 'x86_64', sonames: ['libc.so.6', 'libz.so.1'] },
      ],
      provides: [],
    });
    expect(metadata.neededElf).toEqual([
      {
        machine: 'X86_64',
        path: '/usr/bin/a',
        soname: '',
        runpath: '/opt/lib:$ORIGIN',
        needed: ['libc.so.6', 'libz.so.1'],
        category: 'x86_64',
      },
      {
        machine: 'X86_64',
        path: '/usr/lib/b.so',
        soname: 'b.so',
        runpath: '',
        needed: [],
        category: undefined,
      },
    ]);
    expect(metadata.text['FARM_NOTE']).toBe('kept');
    expect(readMetadata(bytesOf({ DEFINED_PHASES: '-' })).definedPhases).toEqual([]);
  });

  it.each([
    ['RDEPEND', 'app-misc/a >=app-misc/lib', '>=app-misc/lib'],
    ['DEPEND', '|| ( app-misc/a', 'At its end'],
    ['BDEPEND', 'app-misc/a ) app-misc/b', '")"'],
    ['PDEPEND', 'app-misc/a[b?,c', 'app-misc/a[b?,c'],
    ['LICENSE', 'MIT ( ', 'At its end'],
    ['RESTRICT', 'a?b? ( x )', 'a?b'],
    ['IUSE', 'good +-bad', '+-bad'],
    ['IUSE_EFFECTIVE', 'good b/d', 'b/d'],
    ['REQUIRES', 'libc.so.6', 'libc.so.6'],
    ['REQUIRES', 'x86_64: libc.so.6 x86_64: libz.so.1', 'x86_64:'],
    ['PROVIDES', 'x86_32: x86_64: libc.so.6', 'x86_64:'],
    ['PROVIDES', 'x86_64:', 'x86_64:'],
    ['NEEDED.ELF.2', 'X86_64;/usr/bin/a;;', 'X86_64;/usr/bin/a;;'],
    ['REPO_REVISIONS', '{"gentoo":', '{'],
    ['REPO_REVISIONS', '{"gentoo": 1}', '1'],
    ['EPREFIX', 'opt', 'opt'],
  ])('is refused with %s = %j, and the message names %j', (key, value, token) => {
    expect(() => readMetadata(bytesOf({ [key]: value }))).toThrow(
      expect.objectContaining({
        code: 'package-invalid-metadata',
        message: expect.stringMatching(
          new RegExp(`${key}.*${token.replaceAll(/[^A-Za-z0-9]/g, '.?.')}`, 's'),
        ),
        details: expect.objectContaining({ key }),
      }),
    );
  });

  it('is checked by the rules of its EAPI where it has one', () => {
    const slotted = { RDEPEND: 'app-misc/lib:0/1=' };

    expect(() => readMetadata(bytesOf({ ...slotted, EAPI: '4' }))).toThrow('EAPI 4');
    expect(readMetadata(bytesOf({ ...slotted, EAPI: '7-hdepend' })).eapi).toBe('7-hdepend');
  });

  it.each([undefined, '', '0\n'])('has the rules of EAPI 0 when EAPI is %j', (EAPI) => {
    const old = { EAPI, SLOT: '0', RDEPEND: 'app-misc/lib !app-misc/b', IUSE: 'doc' };

    expect(readMetadata(bytesOf(old)).eapi).toBe('0');
    for (const [key, value, why] of [
      ['SLOT', '0/1', 'SLOT has, in EAPI 0, a sub-slot: "0/1"'],
      ['IUSE', 'doc +x', 'IUSE has, in EAPI 0, a default: "+x"'],
      ['RDEPEND', 'app-misc/lib:0', 'EAPI 0 has no slots'],
      ['DEPEND', '!!app-misc/lib', 'EAPI 0 has no strong blockers'],
      ['PDEPEND', 'app-misc/lib[x]', 'EAPI 0 has no USE dependencies'],
    ] as const) {
      expect(() => readMetadata(bytesOf({ ...old, [key]: value }))).toThrow(why);
    }
  });

  it.each([
    ['1', '0', '+x', true],
    ['4', '0/1', 'x', false],
    ['5', '0/1', '-x', true],
    ['99', '0/1', '+x', true],
  ])('of EAPI %s may have SLOT %s and IUSE %s: %s', (EAPI, SLOT, IUSE, isValid) => {
    const read = (): unknown => readMetadata(bytesOf({ EAPI, SLOT, IUSE, RDEPEND: undefined }));

    if (isValid) {
      expect(read).not.toThrow();
    } else {
      expect(read).toThrow(`in EAPI ${EAPI}`);
    }
  });

  it('is checked where its flags leave something out too', () => {
    expect(() => readMetadata(bytesOf({ RDEPEND: 'x? ( app-misc/a-1 )' }))).toThrow('app-misc/a-1');
    expect(() => readMetadata(bytesOf({ RDEPEND: '=app-misc/a-1-2' }))).toThrow('BUILD_ID');
    expect(() => readMetadata(bytesOf({ LICENSE: 'x? ( MIT' }))).toThrow('At its end');
    expect(readMetadata(bytesOf({ RDEPEND: '=app-misc/a-1-2', EAPI: '99' })).eapi).toBe('99');
    expect(readMetadata(bytesOf({ LICENSE: '(MIT) ||x' })).license).toBe('(MIT) ||x');
  });

  it('folds whitespace of text and leaves out what is binary', () => {
    const { text } = readMetadata(
      bytesOf({
        'environment.bz2': Buffer.from('BZh9'),
        'hello-1.0-r1.ebuild': 'EAPI=8',
        STRANGE: Buffer.from([0xff]),
        ZERO: Buffer.from([0x41, 0]),
        NEEDED: '/usr/bin/a  libc.so.6\n/usr/bin/b\tlibc.so.6\n',
        USE: 'a\u001cb\u3000c\u2028d',
      }),
    );

    expect(text['USE']).toBe('a b c d');

    expect(text['RDEPEND']).toBe('>=app-misc/lib-1:0/1= sys-libs/x');
    expect(text['NEEDED']).toBe('/usr/bin/a libc.so.6 /usr/bin/b libc.so.6');
    expect(Object.keys(text).toSorted()).toEqual([...Object.keys(METADATA), 'NEEDED'].toSorted());
  });

  it('has defaults where Portage has them', () => {
    const metadata = readMetadata(
      bytesOf({
        EAPI: undefined,
        BUILD_ID: '',
        USE: undefined,
        CHOST: '\n',
        SIZE: undefined,
        SLOT: '0',
        RDEPEND: undefined,
      }),
    );

    expect(metadata).toMatchObject({
      eapi: '0',
      buildId: undefined,
      use: [],
      chost: undefined,
      cbuild: undefined,
      ctarget: undefined,
      cflags: undefined,
      cxxflags: undefined,
      ldflags: undefined,
      features: [],
      pkgUse: [],
      counter: undefined,
      needed: [],
      installedBytes: undefined,
    });
  });

  it('does not take a key for a property of objects', () => {
    const metadata = readMetadata(bytesOf({ __proto__x: 'x', constructor: 'a  b', toString: 'c' }));

    expect(metadata.text['constructor']).toBe('a b');
    expect(readMetadata(bytesOf()).text.hasOwnProperty.call(metadata.text, 'valueOf')).toBe(false);
  });

  it.each<[string, string | undefined]>([
    ['CATEGORY', undefined],
    ['CATEGORY', '../etc'],
    ['CATEGORY', '-x'],
    ['PF', ''],
    ['PF', 'hello-1.0/../../x'],
    ['SLOT', undefined],
    ['SLOT', '0/1/2'],
    ['SLOT', '0:1'],
    ['EAPI', '8;9'],
    ['BUILD_ID', '1x'],
    ['BUILD_ID', '-1'],
    ['BUILD_TIME', 'now'],
    ['SIZE', '1.5'],
    ['COUNTER', '-1'],
    ['CHOST', 'x86 64'],
    ['KEYWORDS', 'amd64,x86'],
    ['DEFINED_PHASES', 'a;b'],
    ['repository', 'a b'],
    ['USE', 'good *bad*'],
    ['DESCRIPTION', 'red \u001b[31m text'],
    ['RDEPEND', 'a\u0085b'],
  ])('is refused with %s = %j, by name', (key, value) => {
    expect(() => readMetadata(bytesOf({ [key]: value }))).toThrow(
      expect.objectContaining({
        code: 'package-invalid-metadata',
        message: expect.stringContaining(key),
        details: expect.objectContaining({ key }),
      }),
    );
  });

  it('is refused when CATEGORY and PF make no CPV', () => {
    expect(() => readMetadata(bytesOf({ PF: 'hello' }))).toThrow(
      expect.objectContaining({
        code: 'package-invalid-cpv',
        message: expect.stringContaining('app-misc/hello'),
      }),
    );
  });
});
