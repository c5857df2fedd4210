import { describe, expect, it } from '@jest/globals';
import { settingsOf } from '../../src/builds/inputs-digest.ts';
import { stalePackages, type TakenPackage } from '../../src/builds/stale-packages.ts';
import { makePlan, makeProfile, planPackage } from './farm.ts';

const profile = makeProfile();

/** A binary of the plan, made from `source` and built with these, each as it was then. */
function taken(
  cpv: string,
  builtWith: Readonly<Record<string, string>> = {},
  change: { readonly source?: string | null; readonly settings?: string } = {},
): TakenPackage {
  return {
    node: planPackage(cpv, { id: cpv, type: 'binary', source: 'now', slot: '0/5' }),
    ingredients: {
      source: change.source ?? 'now',
      settings: change.settings ?? settingsOf(cpv.replace(/-\d+$/, ''), profile),
      with: Object.entries(builtWith).map(([one, content]) => ({ cpv: one, slot: '0', content })),
    },
  };
}

function stale(
  packages: readonly TakenPackage[],
  contents: Readonly<Record<string, string>> = {},
  ebuilds: readonly string[] = [],
): string[] {
  return stalePackages(makePlan([...packages.map(({ node }) => node), ...ebuilds]), packages, {
    profile,
    known: { ofCpv: (cpv) => contents[cpv], ofSlot: (slot) => contents[slot] },
  });
}

describe('stalePackages', () => {
  it('takes what was made from the same and with the same as it is', () => {
    const packages = [taken('a/x-1', { 'a/lib-1': 'c1', 'a/gone-1': 'c2' }), taken('a/y-1')];
    expect(stale(packages, { 'a/lib:0': 'c1' })).toEqual([]);
  });

  it('notices another ebuild, other settings, and another build or version of what it was built with', () => {
    const packages = [
      taken('a/ebuild-1', {}, { source: 'then' }),
      taken('a/settings-1', {}, { settings: 'then' }),
      taken('a/rebuilt-1', { 'a/lib-1': 'c1' }),
      taken('a/same-1', { 'a/tool-1': 't1' }),
    ];
    expect(stale(packages, { 'a/lib:0': 'c2', 'a/tool:0': 't1' })).toEqual([
      'a/ebuild:0',
      'a/rebuilt:0',
      'a/settings:0',
    ]);
  });

  it('goes by what the plan has of a slot before what is newest of it', () => {
    const packages = [taken('a/lib-1'), taken('a/x-1', { 'a/lib-1': 'c1' })];
    expect(stale(packages, { 'a/lib-1': 'c1', 'a/lib:0': 'c9' })).toEqual([]);
    expect(stale(packages, { 'a/lib-1': 'c2', 'a/lib:0': 'c1' })).toEqual(['a/x:0']);
  });

  it('follows what is to be built itself, at any depth', () => {
    const packages = [
      taken('a/top-1', { 'a/mid-1': 'm' }),
      taken('a/mid-1', { 'a/lib-1': 'c' }),
      taken('a/other-1', { 'a/top-2': 't' }),
      taken('b/top-1'),
    ];
    const same = { 'a/lib-1': 'c', 'a/mid-1': 'm', 'a/top:0': 't' };
    expect(stale(packages, same, ['a/lib-1'])).toEqual(['a/mid:0', 'a/other:0', 'a/top:0']);
  });

  it('leaves alone what no ebuild could build any more', () => {
    const gone = taken('a/x-1', {}, { source: 'then' });
    expect(stale([{ ...gone, node: { ...gone.node, source: null } }])).toEqual([]);
  });
});

function withFiles(portageFiles: Readonly<Record<string, string>>): string {
  return settingsOf('a/x', makeProfile({ portageFiles }));
}

describe('the settings of a profile', () => {
  const base = settingsOf('a/x', profile);

  it('are not changed by lines that count by what they do, or that are for others', () => {
    expect(
      withFiles({
        'package.use/web': 'a/x ssl',
        'package.accept_keywords': 'a/x ~amd64',
        'package.mask': 'a/y',
        'patches/a/y/fix.patch': '+',
        'patches/a/x11/fix.patch': '+',
      }),
    ).toBe(base);
    expect(settingsOf('a/x', makeProfile({ use: ['ssl'], makeopts: '-j64' }))).toBe(base);
  });

  it('are changed by what reaches the build of the package', () => {
    const others = [
      base,
      withFiles({ 'env/lto': 'CFLAGS="-flto"' }),
      withFiles({ 'patches/a/x/fix.patch': '+' }),
      withFiles({ 'patches/a/x-1/fix.patch': '+' }),
      settingsOf('a/x', makeProfile({ flags: { CFLAGS: '-O3' } })),
      settingsOf('a/x', makeProfile({ features: ['nodoc'] })),
      settingsOf('a/x', makeProfile({ buildRoot: { kind: 'prefix', path: '/srv/p' } })),
    ];
    expect(new Set(others).size).toBe(others.length);
  });
});
