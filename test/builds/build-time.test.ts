import { describe, expect, it } from '@jest/globals';
import { addTime, estimateTime, KEPT_TIMES, type KnownTimes } from '../../src/builds/build-time.ts';

const NOTHING: KnownTimes = {
  own: new Map(),
  others: new Map(),
  byCategory: new Map(),
  overall: [],
};
const SIX = [1000, 2000, 3000, 4000, 5000, 9000];

describe('the expected time of a package', () => {
  it('is what was measured for the profile, then elsewhere, then what is well known', () => {
    const known: KnownTimes = {
      own: new Map([['dev-lang/rust', 1]]),
      others: new Map([
        ['dev-lang/rust', [2]],
        ['dev-libs/openssl', [30, 10, 20]],
      ]),
      byCategory: new Map([['dev-libs', SIX]]),
      overall: SIX,
    };
    expect(estimateTime('dev-lang/rust', known)).toEqual({ ms: 1, source: 'measured' });
    expect(estimateTime('dev-libs/openssl', known)).toEqual({ ms: 20, source: 'other-profile' });
    expect(estimateTime('www-client/chromium', known)).toEqual({
      ms: 240 * 60_000,
      source: 'well-known',
    });
    expect(estimateTime('virtual/libc', known)).toEqual({ ms: 5000, source: 'well-known' });
  });

  it('of an unknown package is rather too long: that of nine in ten of its category, or of all', () => {
    const twenty = Array.from({ length: 21 }, (_, index) => index);
    const known = { ...NOTHING, byCategory: new Map([['dev-libs', SIX]]), overall: twenty };
    expect(estimateTime('dev-libs/new', known)).toEqual({ ms: 5000, source: 'category' });
    expect(estimateTime('app-misc/new', known)).toEqual({ ms: 18, source: 'overall' });
    const few = { ...NOTHING, byCategory: new Map([['dev-libs', [1]]]), overall: [1, 2] };
    expect(estimateTime('dev-libs/new', few)).toEqual({ ms: 180_000, source: 'guess' });
  });

  it('is not moved by one run out of the ordinary, and follows a lasting change', () => {
    let times = addTime([], 100);
    for (const ms of [110, 90, 5000, 100]) {
      times = addTime(times.recent, ms);
    }
    expect(times.typicalMs).toBe(100);
    for (let run = 0; run < KEPT_TIMES; run += 1) {
      times = addTime(times.recent, 400);
    }
    expect(times).toEqual({ recent: Array(KEPT_TIMES).fill(400), typicalMs: 400 });
  });
});
