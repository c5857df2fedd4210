import { describe, expect, it } from '@jest/globals';
import { readProfileDocument } from '../../src/gentoo/profile-document.ts';
import { readRecipeDocument } from '../../src/gentoo/recipe-document.ts';

const faultsOf = (value: unknown): readonly string[] =>
  readProfileDocument(value, 'web/profile.toml').faults;

describe('readProfileDocument', () => {
  it('takes every key', () => {
    const document = {
      description: 'x',
      abstract: false,
      extends: 'base',
      arch: 'amd64',
      chost: 'x86_64-pc-linux-gnu',
      cflags: '',
      cxxflags: '',
      cppflags: '',
      fflags: '',
      fcflags: '',
      ldflags: '',
      rustflags: '',
      goflags: '',
      'cpu-flags': ['avx2', '-sse4a', '-*'],
      'gentoo-profile': 'gentoo:default/linux/amd64/23.0',
      use: ['php_targets_php8-3', '-X', '-*'],
      features: ['-news', 'parallel-fetch'],
      makeopts: '-j8',
      executor: 'source',
      channels: ['testing'],
      promotion: { stable: { nodes: 2, checks: ['http'], soak: '24h', within: '7d' } },
      impact: {
        package: [{ match: 'app-misc/our-*', effect: 'disruptive', reason: 'ours' }],
        program: [{ match: 'our-worker*', effect: 'none', order: 0, reason: 'ours' }],
      },
      'build-root': { kind: 'prefix', path: '/srv/{profile}' },
    };

    expect(readProfileDocument(document, 'x')).toEqual({ document, faults: [] });
  });

  it.each([
    [{ cflag: '-O2' }, 'cflag = "-O2": there is no such key. Did you mean "cflags"?'],
    [{ path: '/x' }, 'path = "/x": there is no such key. "path" belongs into [build-root].'],
    [{ zzz: 1 }, 'zzz = 1: there is no such key. Known here: description, abstract, '],
    [{ cflags: ['-O2'] }, 'cflags = ["-O2"]: it has to be a text in quotes.'],
    [
      { cflags: '-O2\n-g' },
      'cflags = "-O2\\n-g": it has to be one line without control characters.',
    ],
    [{ abstract: 'yes' }, 'abstract = "yes": it has to be true or false.'],
    [{ use: 'x' }, 'use = "x": it has to be a list.'],
    [{ use: ['ok', 'b ad'] }, 'use[1] = "b ad": it has to be a USE flag'],
    [{ 'cpu-flags': ['AVX2'] }, 'cpu-flags[0] = "AVX2": it has to be a word of CPU_FLAGS_*'],
    [{ features: ['Test'] }, 'features[0] = "Test": it has to be a word of FEATURES'],
    [
      { executor: 'portge' },
      'executor = "portge": it has to be "portage" or "source". Did you mean "portage"?',
    ],
    [
      { impact: { package: [{ match: 'x', effect: 'none', reason: 'x' }] } },
      'impact.package[0].match = "x": it has to be category/package, "*" for any characters of either.',
    ],
    [
      { impact: { program: [{ match: 'x', effect: 'rebot', reason: 'x' }] } },
      'impact.program[0].effect = "rebot": it has to be "none" or "service-restart" or "disruptive" or "reboot". Did you mean "reboot"?',
    ],
    [
      { impact: { program: [{ match: 'x', effect: 'none', reason: 'x', ordr: 1 }] } },
      'impact.program[0].ordr = 1: there is no such key. Did you mean "order"?',
    ],
    [{ channels: [] }, 'channels = []: it needs at least one channel.'],
    [{ channels: ['a', 'a'] }, 'channels = ["a","a"]: it names a channel twice.'],
    [{ channels: ['Stable'] }, 'channels[0] = "Stable": it has to be of small letters'],
    [{ extends: '../x' }, 'extends = "../x": it has to be of small letters'],
    [{ chost: 'x86_64' }, 'chost = "x86_64": it has to look like "x86_64-pc-linux-gnu".'],
    [{ arch: '~amd64' }, 'arch = "~amd64": it has to be a word of Gentoo'],
    [{ 'gentoo-profile': '/abs' }, 'gentoo-profile = "/abs": it has to be a path below'],
    [{ 'gentoo-profile': 'a/../b' }, 'gentoo-profile = "a/../b": it has to be a path below'],
    [{ 'build-root': 'host' }, 'build-root = "host": it has to be a table.'],
    [
      { 'build-root': {} },
      'build-root.kind is missing; it has to be "host", "chroot" or "prefix".',
    ],
    [
      { 'build-root': { kind: 'chrot' } },
      'build-root.kind = "chrot": it has to be "host", "chroot" or "prefix". Did you mean "chroot"?',
    ],
    [
      { 'build-root': { kind: 'chroot' } },
      'build-root.path is missing; it has to be a text in quotes.',
    ],
    [
      { 'build-root': { kind: 'chroot', path: 'x' } },
      'build-root.path = "x": it has to be an absolute path',
    ],
    [
      { 'build-root': { kind: 'chroot', path: '//' } },
      'build-root.path = "//": it has to be an absolute path, not the root',
    ],
    [
      { 'build-root': { kind: 'chroot', path: '/a/../..' } },
      'build-root.path = "/a/../..": it may not have ".." in it.',
    ],
    [
      { 'build-root': { kind: 'host', pth: '/' } },
      'build-root.pth = "/": there is no such key. Did you mean "path"?',
    ],
  ])('refuses %j', (document, sentence) => {
    expect(faultsOf(document)).toEqual([expect.stringContaining(`web/profile.toml: ${sentence}`)]);
  });

  it('reports everything at once', () => {
    expect(faultsOf({ cflag: 'x', use: ['a b'], channels: [], arch: 1 })).toHaveLength(4);
  });
});

describe('readRecipeDocument', () => {
  const RECIPE = {
    cpv: 'app-misc/web-1.0',
    description: 'x',
    source: { folder: '../src' },
    install: ['make install'],
  };
  const read = (more: object): readonly string[] =>
    readRecipeDocument({ ...RECIPE, ...more }, 'web/recipes/x.toml').faults;

  it('takes a recipe and fills in what it leaves out', () => {
    expect(readRecipeDocument(RECIPE, 'x').recipe).toMatchObject({
      slot: '0',
      depend: [],
      license: '',
    });
    expect(read({ depend: ['a/b:0='], rdepend: ['>=a/c-1'], slot: '2/3' })).toEqual([]);
  });

  it.each([
    [
      { cpv: 'web-1.0' },
      'cpv = "web-1.0": "web-1.0" is not category/package-version: the category is missing.',
    ],
    [{ slot: '1/2/3' }, 'slot = "1/2/3": it has to be a slot or slot/sub-slot.'],
    [{ depend: ['a/b', 'nginx'] }, 'depend[1] = "nginx": "nginx" is not a valid atom.'],
    [
      { rdepend: ['a/b::gentoo'] },
      'rdepend[0] = "a/b::gentoo": "a/b::gentoo" is not a valid atom: EAPI 8 has no repositories.',
    ],
    [{ description: 'a\nb' }, 'description = "a\\nb": it has to be one line.'],
    [{ install: [] }, 'install = []: it needs at least one line.'],
    [{ instal: ['x'] }, 'instal = ["x"]: there is no such key. Did you mean "install"?'],
    [
      { source: { fold: 'x' } },
      'source = {"fold":"x"}: it needs a "folder", or a "url" and its "sha512"',
    ],
    [
      { source: { url: 'file:///etc/passwd', sha512: 'a'.repeat(128) } },
      'source.url = "file:///etc/passwd": it has to begin with https://',
    ],
  ])('refuses %j', (more, sentence) => {
    expect(read(more)).toEqual([expect.stringContaining(`web/recipes/x.toml: ${sentence}`)]);
  });
});
