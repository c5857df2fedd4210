import { describe, expect, it } from '@jest/globals';
import { type HardwareProfile, hardwareProfileSchema } from '../../src/gentoo/profile.ts';
import type { ProfileDocument } from '../../src/gentoo/profile-document.ts';
import { type ProfileSource, resolveProfiles } from '../../src/gentoo/resolve-profile.ts';
import { COMPLETE, sourceOf } from './profile-samples.ts';

function resolved(...sources: readonly ProfileSource[]): HardwareProfile {
  const { profiles, broken } = resolveProfiles(sources);
  expect(broken).toEqual({});
  const profile = profiles.at(-1);
  if (profile === undefined) {
    throw new Error('no profile came out');
  }
  return profile;
}

const faultsOf = (
  ...sources: readonly ProfileSource[]
): Readonly<Record<string, readonly string[]>> => resolveProfiles(sources).broken;

const base = (document: ProfileDocument, more: Partial<ProfileSource> = {}): ProfileSource =>
  sourceOf('base', { ...COMPLETE, abstract: true, ...document }, more);

function row(match: string) {
  return { match, effect: 'none', reason: 'ours' } as const;
}

describe('resolveProfiles', () => {
  it('fills in what nobody says', () => {
    const profile = resolved(sourceOf('web', COMPLETE));

    expect(hardwareProfileSchema.parse(profile)).toEqual({
      name: 'web',
      description: '',
      ancestors: [],
      arch: 'amd64',
      chost: 'x86_64-pc-linux-gnu',
      flags: {
        CFLAGS: '-O2 -pipe',
        CXXFLAGS: '-O2 -pipe',
        FFLAGS: '-O2 -pipe',
        FCFLAGS: '-O2 -pipe',
      },
      cpuFlags: [],
      cpuFlagsVariable: 'CPU_FLAGS_X86',
      gentooProfile: null,
      use: [],
      features: [],
      makeopts: '',
      buildRoot: { kind: 'host' },
      executor: 'portage',
      channels: ['testing', 'stable'],
      sets: {},
      portageFiles: {},
      recipes: {},
    });
  });

  it('replaces single values by the nearest, and names the ancestors from near to far', () => {
    const profile = resolved(
      sourceOf('a', {
        ...COMPLETE,
        makeopts: '-j1',
        channels: ['x'],
        executor: 'source',
        description: 'far',
      }),
      sourceOf('b', { extends: 'a', abstract: true, makeopts: '-j2', cflags: '-O3' }),
      sourceOf('c', { extends: 'b', 'gentoo-profile': 'default/linux', description: 'near' }),
    );

    expect(profile).toMatchObject({
      name: 'c',
      description: 'near',
      ancestors: ['b', 'a'],
      makeopts: '-j2',
      channels: ['x'],
      executor: 'source',
      gentooProfile: 'default/linux',
      flags: { CFLAGS: '-O3', CXXFLAGS: '-O3' },
    });
  });

  it('adds up words; "-x" takes x away and still switches off what Portage has by default', () => {
    const profile = resolved(
      base({
        use: ['ssl', 'X', '-doc'],
        features: ['news', 'a'],
        'cpu-flags': ['sse', 'avx', 'aes'],
      }),
      sourceOf('web', {
        extends: 'base',
        use: ['-X', 'doc', 'zstd', 'ssl'],
        features: ['-news', '-sandbox'],
        'cpu-flags': ['-avx', 'avx2', '-sse4a'],
      }),
    );

    expect(profile.use).toEqual(['-X', 'doc', 'zstd', 'ssl']);
    expect(profile.features).toEqual(['a', '-news', '-sandbox']);
    expect(profile.cpuFlags).toEqual(['sse', 'aes', 'avx2']);
  });

  it('forgets everything before "-*"', () => {
    const profile = resolved(
      base({ use: ['ssl'], 'cpu-flags': ['sse'] }),
      sourceOf('web', { extends: 'base', use: ['-*', 'zstd'], 'cpu-flags': ['-*', 'avx'] }),
    );

    expect(profile.use).toEqual(['-*', 'zstd']);
    expect(profile.cpuFlags).toEqual(['avx']);
  });

  it('resolves references between compiler settings after merging', () => {
    const profile = resolved(
      base({
        cxxflags: '${CFLAGS} -fno-x',
        ldflags: '-Wl,-O1 -Wl,-rpath,$ORIGIN',
        goflags: '$LDFLAGS',
      }),
      sourceOf('web', { extends: 'base', cflags: '-O3' }),
    );

    expect(profile.flags).toEqual({
      CFLAGS: '-O3',
      CXXFLAGS: '-O3 -fno-x',
      FFLAGS: '-O3',
      FCFLAGS: '-O3',
      LDFLAGS: '-Wl,-O1 -Wl,-rpath,$ORIGIN',
      GOFLAGS: '-Wl,-O1 -Wl,-rpath,$ORIGIN',
    });
  });

  it('puts the name of each profile into the path of the build root', () => {
    const root = base({ 'build-root': { kind: 'prefix', path: '/srv/{profile}/{profile}' } });
    const { profiles } = resolveProfiles([
      root,
      sourceOf('a', { extends: 'base' }),
      sourceOf('b', { extends: 'base', 'build-root': { kind: 'host' } }),
    ]);

    expect(profiles.map(({ buildRoot }) => buildRoot)).toEqual([
      { kind: 'prefix', path: '/srv/a/a' },
      { kind: 'host' },
    ]);
  });

  it('merges sets, files and recipes by name', () => {
    const recipe = {
      cpv: 'a/b-1',
      slot: '0',
      description: '',
      homepage: '',
      license: '',
      source: { folder: '/x' },
      depend: [],
      rdepend: [],
      build: [],
      install: ['true'],
    };
    const profile = resolved(
      base(
        {},
        {
          sets: { web: ['a/a'], db: ['a/d'] },
          portageFiles: { 'package.use/a': 'far', 'package.use/b': 'far' },
          recipes: { 'a/b-1': recipe, 'a/b-2': { ...recipe, cpv: 'a/b-2' } },
        },
      ),
      sourceOf(
        'web',
        { extends: 'base' },
        {
          sets: { web: ['a/b'] },
          portageFiles: { 'package.use/a': 'near' },
          recipes: { 'a/b-1': { ...recipe, slot: '1' } },
        },
      ),
    );

    expect(profile.sets).toEqual({ web: ['a/b'], db: ['a/d'] });
    expect(profile.portageFiles).toEqual({ 'package.use/a': 'near', 'package.use/b': 'far' });
    expect(Object.values(profile.recipes).map(({ cpv, slot }) => `${cpv}:${slot}`)).toEqual([
      'a/b-1:1',
      'a/b-2:0',
    ]);
  });

  it('puts rows about upgrades before those of what it extends', () => {
    const far = { package: [row('a/far')], program: [{ ...row('far'), order: 7 }] };
    const near = { package: [row('a/near')], program: [row('near')] };
    const profile = resolved(
      base({ impact: far }),
      sourceOf('web', { extends: 'base', impact: near }),
    );

    expect(hardwareProfileSchema.parse(profile).impact).toEqual({
      packages: [row('a/near'), row('a/far')],
      programs: [
        { ...row('near'), order: 500 },
        { ...row('far'), order: 7 },
      ],
    });
  });

  it('leaves abstract profiles out, and does not ask them to be complete', () => {
    expect(resolveProfiles([sourceOf('base', { abstract: true })])).toEqual({
      profiles: [],
      broken: {},
    });
  });
});

describe('a profile is broken, and says so,', () => {
  it('when a setting is missing that nobody gives', () => {
    expect(faultsOf(sourceOf('web', { arch: 'amd64' }))['web']).toEqual([
      'web/profile.toml: chost is missing, here and in what it extends.',
      'web/profile.toml: cflags is missing, here and in what it extends.',
    ]);
  });

  it('when extends names nothing', () => {
    expect(faultsOf(base({}), sourceOf('web', { extends: 'bsae' }))).toEqual({
      web: ['web/profile.toml: extends = "bsae": there is no such profile. Did you mean "base"?'],
    });
  });

  it('when extends goes in a circle, for each on the way', () => {
    const broken = faultsOf(
      sourceOf('a', { ...COMPLETE, extends: 'b' }),
      sourceOf('b', { ...COMPLETE, extends: 'a' }),
      sourceOf('c', { ...COMPLETE, extends: 'a' }),
      sourceOf('d', { ...COMPLETE, extends: 'd' }),
    );

    expect(broken).toEqual({
      a: ['a/profile.toml: extends = "b" goes in a circle: a -> b -> a.'],
      b: ['b/profile.toml: extends = "a" goes in a circle: b -> a -> b.'],
      c: ['c/profile.toml: extends = "a" goes in a circle: c -> a -> b -> a.'],
      d: ['d/profile.toml: extends = "d" goes in a circle: d -> d.'],
    });
  });

  it('when what it extends is broken, near or far, and stops no other', () => {
    const { profiles, broken } = resolveProfiles([
      sourceOf('far', undefined, { faults: ['far/profile.toml, line 1: no.'] }),
      sourceOf('mid', { ...COMPLETE, extends: 'far' }),
      sourceOf('near', { ...COMPLETE, extends: 'mid' }),
      sourceOf('other', COMPLETE),
      sourceOf('set', COMPLETE, { faults: ['set/sets/web, line 1: no.'] }),
      sourceOf('on-set', { ...COMPLETE, extends: 'set' }),
    ]);

    expect(profiles.map(({ name }) => name)).toEqual(['other']);
    expect(broken).toEqual({
      far: ['far/profile.toml, line 1: no.'],
      mid: ['mid/profile.toml: extends = "far", which is broken itself.'],
      near: [
        'near/profile.toml: extends = "mid", which is made from "far", which is broken itself.',
      ],
      set: ['set/sets/web, line 1: no.'],
      'on-set': ['on-set/profile.toml: extends = "set", which is broken itself.'],
    });
  });

  it('when values do not go together', () => {
    const broken = faultsOf(
      sourceOf('chost', { ...COMPLETE, chost: 'aarch64-unknown-linux-gnu' }),
      sourceOf('flags', {
        ...COMPLETE,
        arch: 'riscv',
        chost: 'riscv64-unknown-linux-gnu',
        'cpu-flags': ['avx'],
      }),
      sourceOf('name', { ...COMPLETE, cxxflags: '${CFLAG} -g' }),
      sourceOf('circle', { ...COMPLETE, cflags: '$CXXFLAGS' }),
      sourceOf('odd', { ...COMPLETE, arch: 'constructor', 'cpu-flags': ['avx'] }),
      base({}, { portageFiles: { 'package.use': 'x' } }),
      sourceOf('files', { extends: 'base' }, { portageFiles: { 'package.use/web': 'x' } }),
    );

    expect(broken).toMatchObject({
      chost: [
        'chost/profile.toml: chost = "aarch64-unknown-linux-gnu" is not a CHOST of arch = "amd64".',
      ],
      flags: [
        'flags/profile.toml: cpu-flags = ["avx"]: Gentoo has no CPU_FLAGS variable for arch = "riscv".',
      ],
      name: [
        'name/profile.toml: cxxflags = "${CFLAG} -g": there is no ${CFLAG}. Did you mean "CFLAGS"?',
      ],
      odd: [expect.stringContaining('arch = "constructor"')],
      files: [
        'files/profile.toml: portage/package.use is a file here and a folder there, with what it extends.',
      ],
    });
    expect(broken['circle']?.[0]).toBe(
      'circle/profile.toml: cflags = "$CXXFLAGS" goes in a circle: CFLAGS -> CXXFLAGS -> CFLAGS.',
    );
  });

  it('when a word is none that Gentoo, make or Portage know', () => {
    const broken = faultsOf(
      sourceOf('arch', { ...COMPLETE, arch: 'amd46' }),
      sourceOf('cpu', { ...COMPLETE, 'cpu-flags': ['sse', 'avx3', '-sse5'] }),
      sourceOf('arm', {
        ...COMPLETE,
        arch: 'arm64',
        chost: 'aarch64-unknown-linux-gnu',
        'cpu-flags': ['neon', 'sse2'],
      }),
      sourceOf('jobs', { ...COMPLETE, makeopts: '-j0 --job=2' }),
      sourceOf('sets', COMPLETE, { sets: { web: ['a/b', '@wbe', '@db', '@system'], db: [] } }),
      base({ 'cpu-flags': ['avxx'] }, { sets: { web: ['@later'], low: ['@nowhere'] } }),
      sourceOf('web', { extends: 'base' }, { sets: { later: ['@preserved-rebuild'] } }),
    );

    expect(broken).toEqual({
      arch: ['arch/profile.toml: arch = "amd46": Gentoo has no such arch. Did you mean "amd64"?'],
      cpu: [
        'cpu/profile.toml: cpu-flags[1] = "avx3": CPU_FLAGS_X86 has no such word. Did you mean "avx"?',
        'cpu/profile.toml: cpu-flags[2] = "-sse5": CPU_FLAGS_X86 has no such word. Did you mean "sse"?',
      ],
      arm: [
        'arm/profile.toml: cpu-flags[1] = "sse2": CPU_FLAGS_ARM has no such word. Did you mean "sve2"?',
      ],
      jobs: [
        expect.stringContaining('jobs/profile.toml: makeopts = "-j0 --job=2": "0" cannot be'),
        expect.stringMatching(/"--job=2" is not an option for make.* Did you mean "--jobs"\?$/),
      ],
      sets: ['sets/sets/web: "@wbe": there is no such set. Did you mean "@web"?'],
      base: [expect.stringContaining('base/profile.toml: cpu-flags[0] = "avxx"')],
      web: [
        expect.stringContaining('base/profile.toml: cpu-flags[0] = "avxx"'),
        expect.stringContaining('base/sets/low: "@nowhere": there is no such set.'),
      ],
    });
  });
});

describe('what builds share of compiling', () => {
  const sharing = base({
    cflags: '-O2 -march=x86-64-v3',
    distcc: { enabled: true },
    ccache: { enabled: true, 'max-mib': 10 },
  });

  it('comes from the base, key by key', () => {
    const child = sourceOf('child', { extends: 'base', ccache: { 'max-mib': 20 } });
    expect(resolved(child, sharing).compileSharing).toEqual({
      distcc: true,
      ccacheBytes: 20 * 1024 * 1024,
    });
    const alone = sourceOf('child', { extends: 'base', distcc: { enabled: false } });
    expect(resolved(alone, sharing).compileSharing?.distcc).toBe(false);
  });

  it('does not go with a processor that each machine understands otherwise', () => {
    const child = sourceOf('child', { extends: 'base', cflags: '-O2 -march=native' });
    expect(faultsOf(child, sharing)['child']?.join(' ')).toContain('with [distcc] enabled');
  });
});
