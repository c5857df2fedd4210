import * as fc from 'fast-check';
import type { FarmShape, FleetShape, MemberShape } from './topology.ts';

const member = (index: number): fc.Arbitrary<MemberShape> =>
  fc.record({
    index: fc.constant(index),
    profile: fc.constantFrom('zen3', 'zen3', 'zen4'),
    webServer: fc.constantFrom('nginx', 'nginx', 'apache', 'apache-mod-php'),
    rack: fc.constantFrom('a', 'b', null),
    weight: fc.constantFrom(1, 1, 2),
    isEager: fc.boolean(),
    trees: fc.constantFrom([], ['8.2.9-r1']),
  });

/** Ragged: indexes have gaps, sizes differ. */
const farm: fc.Arbitrary<FarmShape> = fc
  .uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 9 })
  .chain((indexes) =>
    fc.record({
      members: fc.tuple(...indexes.toSorted((one, other) => one - other).map(member)),
      maxOut: fc.constantFrom(1, 1, 2),
      minServing: fc.constantFrom(0, 1),
    }),
  );

export const fleetShape: fc.Arbitrary<FleetShape> = fc.record({
  sites: fc.array(fc.array(farm, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 2 }),
  peakLoad: fc.constantFrom(null, 0.1),
  sessionSeconds: fc.constantFrom(null, 600),
});

/** Numbers from 0 up to but not 1 that are always the same for a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
