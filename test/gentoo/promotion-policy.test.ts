import { describe, expect, it } from '@jest/globals';
import { readProfileDocument } from '../../src/gentoo/profile-document.ts';
import {
  DEFAULT_POLICY,
  formatPolicyDuration,
  promotionPolicy,
} from '../../src/gentoo/promotion-policy.ts';
import { type ResolvedProfiles, resolveProfiles } from '../../src/gentoo/resolve-profile.ts';

const COMPLETE = { arch: 'amd64', chost: 'x86_64-pc-linux-gnu', cflags: '-O2' };

function resolve(...documents: readonly (readonly [string, object])[]): ResolvedProfiles {
  return resolveProfiles(
    documents.map(([name, value]) => {
      const file = `${name}/profile.toml`;
      const { document, faults } = readProfileDocument(value, file);
      return { name, file, document, faults, sets: {}, portageFiles: {}, recipes: {} };
    }),
  );
}

describe('[promotion.<channel>]', () => {
  it('becomes a policy, durations in milliseconds', () => {
    const stable = { nodes: 2, checks: ['http', 'php', 'http'], soak: '90m', within: '7d' };
    const { profiles } = resolve(['web', { ...COMPLETE, promotion: { stable } }]);
    expect(profiles[0]?.promotion).toEqual({
      stable: { nodes: 2, checks: ['http', 'php'], soakMs: 5_400_000, withinMs: 604_800_000 },
    });
  });

  it('is inherited by channel, the nearest table whole', () => {
    const channels = ['testing', 'staging', 'stable'];
    const base = {
      ...COMPLETE,
      channels,
      promotion: { staging: { nodes: 3 }, stable: { nodes: 2, soak: '1d' } },
    };
    const { profiles, broken } = resolve(
      ['base', base],
      ['web', { extends: 'base', promotion: { stable: { checks: ['http'] } } }],
      ['one', { extends: 'base', channels: ['stable'] }],
    );
    expect(broken).toEqual({});
    expect(profiles.find(({ name }) => name === 'web')?.promotion).toEqual({
      staging: { ...DEFAULT_POLICY, nodes: 3 },
      stable: { ...DEFAULT_POLICY, checks: ['http'] },
    });
  });

  it.each([
    [
      { stabel: { nodes: 1 } },
      'promotion.stabel: there is no such channel. Did you mean "stable"?',
    ],
    [
      { stable: { node: 1 } },
      'promotion.stable.node = 1: there is no such key. Did you mean "nodes"?',
    ],
    [{ stable: { nodes: -1 } }, 'promotion.stable.nodes = -1: it has to be 0 or more.'],
    [{ stable: { nodes: '2' } }, 'promotion.stable.nodes = "2": it has to be a number.'],
    [{ stable: { nodes: 1.5 } }, 'promotion.stable.nodes = 1.5: it has to be a whole number.'],
    [
      { stable: { soak: '1 day' } },
      'promotion.stable.soak = "1 day": it has to be a whole number and',
    ],
    [{ stable: { soak: 24 } }, 'promotion.stable.soak = 24: it has to be a text in quotes.'],
    [
      { stable: { within: '0h' } },
      'promotion.stable.within = "0h": it has to be longer than no time',
    ],
    [
      { stable: { checks: ['a b'] } },
      'promotion.stable.checks[0] = "a b": it has to be of letters',
    ],
    [
      { stable: { nodes: 0, soak: '1d' } },
      'promotion.stable: nodes = 0 means that no proof is needed, so {"soak":"1d"} would never be asked for.',
    ],
    [{ stable: 2 }, 'promotion.stable = 2: it has to be a table.'],
  ])('is refused as %j', (promotion, sentence) => {
    const { broken } = resolve(['web', { ...COMPLETE, promotion }]);
    expect(broken['web']).toEqual([expect.stringContaining(`web/profile.toml: ${sentence}`)]);
  });
});

describe('promotionPolicy', () => {
  it('asks for one node where nothing is said, and for nothing on the first channel', () => {
    const profile = { channels: ['testing', 'stable'] };
    expect(promotionPolicy(profile, 'stable')).toEqual(DEFAULT_POLICY);
    expect(promotionPolicy(profile, 'testing')).toMatchObject({ nodes: 0 });
    const own = { ...DEFAULT_POLICY, nodes: 4 };
    expect(promotionPolicy({ ...profile, promotion: { testing: own } }, 'testing')).toBe(own);
  });
});

it.each([
  [0, '0s'],
  [5000, '5s'],
  [90 * 60_000, '90m'],
  [3_600_000, '1h'],
  [172_800_000, '2d'],
])('%i ms are shown as %s', (ms, text) => {
  expect(formatPolicyDuration(ms)).toBe(text);
});
