import { describe, expect, it } from '@jest/globals';
import { peakOf, type SessionMode } from '../../../src/fleet/plan/capacity.ts';

/** Sessions of mean life 1; a farm takes `tau` of it, and is dark for four tenths of that. */
function peak(farms: number, tau: number, mode: SessionMode): number {
  return peakOf({
    capacities: Array.from({ length: farms }, () => 1),
    upgrades: farms,
    darkSeconds: tau * 0.4,
    watchSeconds: tau * 0.6,
    sessionSeconds: Math.LN2,
    mode,
  }).times;
}

describe('the peak of an upgrade farm by farm', () => {
  // From the fluid model of the requirements: farms, time of a farm in lives of a session, strict, moved anywhere, with a floor.
  it.each([
    [2, 0.25, 2, 2, 2],
    [3, 0.05, 1.57, 1.53, 1.5],
    [3, 0.25, 1.83, 1.64, 1.5],
    [3, 1, 2.45, 1.99, 1.5],
    [4, 0.05, 1.46, 1.39, 1.33],
    [4, 0.25, 1.92, 1.59, 1.33],
    [4, 1, 3.02, 2.53, 1.33],
    [8, 0.05, 1.48, 1.28, 1.14],
    [8, 0.25, 2.66, 1.8, 1.14],
    [8, 1, 5.48, 5.06, 1.14],
  ])('of %d farms, %d of a life each: %d, %d, %d', (farms, tau, ...peaks) => {
    const modes = ['strict', 'moved-to-any', 'any-with-floor'] as const;
    for (const [index, mode] of modes.entries()) {
      expect(peak(farms, tau, mode)).toBeCloseTo(peaks[index] ?? 0, 1);
    }
  });

  it('is infinite with one farm, and higher when the largest is dark', () => {
    expect(peak(1, 1, 'any-with-floor')).toBe(Infinity);
    const uneven = {
      capacities: [1, 3],
      upgrades: 2,
      darkSeconds: 10,
      watchSeconds: 10,
      sessionSeconds: 100,
      mode: 'any-with-floor',
    } as const;
    expect(peakOf(uneven)).toEqual({ times: expect.closeTo(4, 5), farm: 0, during: 1 });
  });
});
