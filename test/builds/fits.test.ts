import { describe, expect, it } from '@jest/globals';
import { type Ability, fits, type JobNeeds, lacksOf, needsOf } from '../../src/builds/fits.ts';
import { makeProfile } from './farm.ts';

const GIB = 1024 ** 3;
const NEEDS: JobNeeds = {
  profile: 'web',
  executor: 'portage',
  chost: 'x86_64-pc-linux-gnu',
  hasOwnRoot: false,
  compiler: 'gcc-14.2',
  memoryBytes: 16 * GIB,
  diskBytes: 40 * GIB,
  labels: ['ssd'],
};
const AGENT: Ability = {
  profiles: ['web'],
  executors: ['portage', 'source'],
  chost: 'x86_64-pc-linux-gnu',
  compiler: 'gcc-14.2.1',
  memoryBytes: 16 * GIB,
  diskFreeBytes: 40 * GIB,
  labels: ['ssd', 'rack-2'],
};

describe('an agent', () => {
  it('that has everything fits', () => {
    expect(lacksOf(NEEDS, AGENT)).toEqual([]);
    expect(fits(NEEDS, { ...AGENT, profiles: [] })).toBe(true);
  });

  it.each<[string, Partial<Ability>, object]>([
    ['profile', { profiles: ['db'] }, { wanted: 'web', has: 'db' }],
    ['executor', { executors: ['source'] }, { wanted: 'portage', has: 'source' }],
    ['executor', { executors: [] }, { wanted: 'portage', has: 'none' }],
    ['chost', { chost: 'aarch64-unknown-linux-gnu' }, { has: 'aarch64-unknown-linux-gnu' }],
    ['chost', { chost: 'x86_64-pc-linux-musl' }, { wanted: 'x86_64-pc-linux-gnu' }],
    ['compiler', { compiler: 'gcc-13.3.0' }, { wanted: 'gcc-14.2', has: 'gcc-13.3.0' }],
    ['compiler', { compiler: 'gcc-14.21.0' }, { has: 'gcc-14.21.0' }],
    ['memory', { memoryBytes: 15.5 * GIB }, { wanted: '16 GiB', has: '15.5 GiB' }],
    ['disk', { diskFreeBytes: 39 * GIB }, { wanted: '40 GiB', has: '39 GiB' }],
    ['label', { labels: [] }, { wanted: 'ssd', has: 'none' }],
  ])('without the right %s does not, and is told so', (what, change, words) => {
    expect(lacksOf(NEEDS, { ...AGENT, ...change })).toEqual([
      expect.objectContaining({ what, ...words }),
    ]);
  });

  it('fits when it has not said what its compiler and its disk are', () => {
    expect(fits(NEEDS, { ...AGENT, compiler: null, diskFreeBytes: null })).toBe(true);
  });

  it('is not asked for the vendor of its CHOST', () => {
    expect(fits(NEEDS, { ...AGENT, chost: 'x86_64-linux-gnu' })).toBe(true);
    expect(fits(NEEDS, { ...AGENT, chost: 'x86_64-unknown-linux-gnu' })).toBe(true);
  });

  it('needs only the processor for a build root of its own, and may be the 64-bit kind of it', () => {
    const own = { ...NEEDS, hasOwnRoot: true };
    expect(fits(own, { ...AGENT, chost: 'x86_64-alpine-linux-musl', compiler: null })).toBe(true);
    expect(fits(own, { ...AGENT, compiler: 'gcc-9.1' })).toBe(true);
    expect(fits({ ...own, chost: 'i686-pc-linux-gnu' }, AGENT)).toBe(true);
    expect(fits({ ...NEEDS, chost: 'i686-pc-linux-gnu' }, AGENT)).toBe(false);
    expect(fits({ ...own, chost: 'aarch64-unknown-linux-gnu' }, AGENT)).toBe(false);
  });
});

describe('what a job needs', () => {
  const profile = makeProfile({
    requires: {
      compiler: 'gcc-14',
      memoryBytes: 4,
      labels: ['b', 'a'],
      packages: { 'www-client/chromium': { memoryBytes: 32, labels: ['big'] } },
    },
    buildRoot: { kind: 'chroot', path: '/r' },
  });

  it('is what its profile says, for one package more than for another', () => {
    expect(needsOf(profile, 'app-misc/top')).toEqual({
      profile: 'web',
      executor: 'portage',
      chost: 'x86_64-pc-linux-gnu',
      hasOwnRoot: true,
      compiler: 'gcc-14',
      memoryBytes: 4,
      diskBytes: 0,
      labels: ['a', 'b'],
    });
    expect(needsOf(profile, 'www-client/chromium')).toMatchObject({
      memoryBytes: 32,
      labels: ['a', 'b', 'big'],
    });
    expect(needsOf(profile, null)).toEqual(needsOf(profile, 'app-misc/top'));
    expect(needsOf(makeProfile(), 'a/b')).toMatchObject({ compiler: null, labels: [] });
  });
});
