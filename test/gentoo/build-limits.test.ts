import { describe, expect, it } from '@jest/globals';
import { describeBreach, limitPolicyOf, mergeLimits } from '../../src/gentoo/build-limits.ts';
import { hardwareProfileSchema } from '../../src/gentoo/profile.ts';
import { readProfileDocument } from '../../src/gentoo/profile-document.ts';
import { resolveProfiles } from '../../src/gentoo/resolve-profile.ts';
import { COMPLETE, sourceOf } from './profile-samples.ts';

const GIB = 1024 ** 3;

describe('[limits] of a profile', () => {
  it('says what all its packages may take, and single ones', () => {
    const policy = limitPolicyOf({
      silence: '2h',
      run: '90m',
      'log-mib': 3,
      packages: { 'dev-qt/qtwebengine': { run: '24h', 'disk-gib': 120 } },
    });
    expect(policy).toEqual({
      all: { silenceMs: 7_200_000, runMs: 5_400_000, logBytes: 3 * 1024 ** 2 },
      packages: { 'dev-qt/qtwebengine': { runMs: 86_400_000, diskBytes: 120 * GIB } },
    });
  });

  it('adds to that of the profile it extends, key by key', () => {
    const base = { run: '1h', packages: { 'a/b': { run: '2h', 'disk-gib': 1 } } };
    const over = { silence: '1m', packages: { 'a/b': { run: '3h' }, 'a/c': { silence: '1h' } } };
    expect(mergeLimits(base, over)).toEqual({
      run: '1h',
      silence: '1m',
      packages: { 'a/b': { run: '3h', 'disk-gib': 1 }, 'a/c': { silence: '1h' } },
    });
  });

  it('comes with the profile, and is not there when nobody says anything', () => {
    const base = sourceOf('base', { ...COMPLETE, abstract: true, limits: { run: '1h' } });
    const web = sourceOf('web', { extends: 'base', limits: { silence: '1m' } });
    const { profiles } = resolveProfiles([base, web, sourceOf('plain', COMPLETE)]);
    const limitsOf = (name: string) => profiles.find((one) => one.name === name)?.limits;
    expect(limitsOf('web')).toEqual({ all: { runMs: 3_600_000, silenceMs: 60_000 }, packages: {} });
    expect(limitsOf('plain')).toBeUndefined();
    for (const profile of profiles) {
      expect(hardwareProfileSchema.parse(profile)).toEqual(profile);
    }
  });

  it('names what is wrong with it', () => {
    const limits = {
      silence: 'long',
      run: '0s',
      'log-mib': 0.5,
      disk: 1,
      packages: { php: { run: '1h' }, 'dev-lang/php': { runs: '1h' } },
    };
    const { faults } = readProfileDocument({ limits }, 'web/profile.toml');
    expect(faults).toHaveLength(6);
    const text = faults.join('\n');
    expect(text).toContain(
      'limits.silence = "long": it has to be a whole number and one of s, m, h, d',
    );
    expect(text).toContain('limits.run = "0s": it has to be longer than no time at all');
    expect(text).toContain('limits.log-mib = 0.5: it has to be a whole number');
    expect(text).toContain(
      'limits.disk = 1: there is no such key. Known here: silence, run, log-mib, disk-gib',
    );
    expect(text).toContain('has to have a table for each package, with its name');
    expect(text).toContain('there is no such key. Did you mean "run"?');
  });
});

describe('describeBreach', () => {
  it.each([
    ['silenceMs', 7_201_000, 7_200_000, 'nothing to its log for 7201s: its limit "silence" is 2h.'],
    ['runMs', 36_060_000, 36_000_000, 'The build ran for 601m: its limit "run" is 10h.'],
    [
      'logBytes',
      64.25 * 1024 ** 2,
      64 * 1024 ** 2,
      '64.3 MiB of log: its limit "log-mib" is 64 MiB.',
    ],
    ['diskBytes', 2.5 * GIB, 2 * GIB, '2560 MiB of the disk: its limit "disk-gib" is 2048 MiB.'],
  ] as const)(
    'of %s names limit, value and what was measured',
    (limit, measured, allowed, words) => {
      expect(describeBreach(limit, { measured, allowed })).toContain(words);
    },
  );
});
