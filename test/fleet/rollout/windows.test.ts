import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { Inventory, Window } from '../../../src/fleet/inventory/inventory.ts';
import { isOpen, opensAt } from '../../../src/fleet/rollout/windows.ts';
import { memberPlan, onlinePlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

/** Shorter than a window is open, and long otherwise: days pass. */
const SETTINGS = {
  pollMs: { first: 10_000, most: 60_000 },
  lookMs: 180_000,
  watchMs: 3_600_000,
};
const ALL_DAYS = [1, 2, 3, 4, 5, 6, 7];
const NIGHT: Window = { days: ALL_DAYS, from: '22:30', to: '02:00', timeZone: 'Europe/Berlin' };

function site(...windows: readonly Window[]) {
  return { windows };
}

function at(text: string): number {
  return Date.parse(text);
}

describe('a window', () => {
  it('is open by the clock of its zone, in winter and in summer', () => {
    for (const [moment, isSo] of [
      ['2026-01-05T21:29:59Z', false],
      ['2026-01-05T21:30:00Z', true],
      ['2026-01-06T00:59:59Z', true],
      ['2026-01-06T01:00:00Z', false],
      ['2026-07-06T20:29:59Z', false],
      ['2026-07-06T20:30:00Z', true],
      ['2026-07-07T00:00:00Z', false],
    ] as const) {
      expect([moment, isOpen(site(NIGHT), at(moment))]).toEqual([moment, isSo]);
    }
  });

  it('belongs to the day on which it opens, where it reaches into the next one', () => {
    const sunday = site({ ...NIGHT, days: [7] });
    expect(isOpen(sunday, at('2026-01-04T22:00Z'))).toBe(true);
    expect(isOpen(sunday, at('2026-01-05T00:00Z'))).toBe(true);
    expect(isOpen(sunday, at('2026-01-05T22:00Z'))).toBe(false);
    expect(isOpen(sunday, at('2026-01-04T00:00Z'))).toBe(false);
  });

  it('is announced to the minute, across a change of the clock and in zones of quarters of an hour', () => {
    // Berlin goes from 02:00 to 03:00 on 29 March 2026.
    const spring = site({ ...NIGHT, days: [7] });
    expect(opensAt(spring, at('2026-03-28T12:00Z'))).toBe(at('2026-03-29T20:30Z'));
    const nepal = site({ days: [2], from: '01:10', to: '02:00', timeZone: 'Asia/Kathmandu' });
    expect(opensAt(nepal, at('2026-01-05T12:00:30Z'))).toBe(at('2026-01-05T19:25Z'));
    const weekly = site({ ...NIGHT, days: [1] });
    expect(opensAt(weekly, at('2026-01-06T01:00Z'))).toBe(at('2026-01-12T21:30Z'));
  });
});

/** Two sites; visitors of the second one are in New York. */
function fleet(window: Partial<Window>): Inventory {
  const { sites } = madeInventory({ sites: 2, farms: 2, members: 2 });
  const own = { ...NIGHT, timeZone: 'America/New_York', ...window };
  return { sites: sites.map((one) => (one.name === 's2' ? { ...one, windows: [own] } : one)) };
}

describe('a rollout', () => {
  let world: RolloutWorld;
  afterEach(async () => {
    await world.stop();
  });

  /** When each unit has begun. */
  async function startsOf(plan: {
    readonly id: string;
  }): Promise<Readonly<Record<string, number>>> {
    const rows = await world.database
      .selectFrom('rollout_units')
      .select(['unit', 'started_at'])
      .where('rollout', '=', plan.id)
      .execute();
    return Object.fromEntries(rows.map((row) => [row.unit, row.started_at ?? 0]));
  }

  it('begins in the windows of each site alone, and says when the next one opens', async () => {
    world = await RolloutWorld.open(fleet({ days: [1, 2], from: '22:30', to: '22:35' }), {
      settings: SETTINGS,
    });
    const plan = memberPlan(world.inventory);
    await world.start(plan);
    const opens = at('2026-01-06T03:30Z');
    await world.time.runUntil(() => world.time.now() >= opens - 3_600_000);
    expect(await world.waits(plan)).toContainEqual(
      expect.objectContaining({
        kind: 'window',
        sentence: 'No window of s2 is open.',
        until: opens,
      }),
    );
    await world.ended();
    expect(await world.state(plan)).toBe('done');
    const starts = await startsOf(plan);
    const soon = world.context.settings.lookMs;
    const after = (unit: string, moment: number): number => (starts[unit] ?? 0) - moment;
    expect(after('wave-1/s1f1-1', at('2026-01-05T12:00Z'))).toBeLessThanOrEqual(soon);
    for (const [unit, moment] of [
      ['wave-1/s2f1-1', opens],
      ['wave-1/s2f2-1', opens],
      // The first ones took longer than the window is open.
      ['wave-2/s2f1-2', at('2026-01-07T03:30Z')],
    ] as const) {
      expect(after(unit, moment)).toBeGreaterThanOrEqual(0);
      expect(after(unit, moment)).toBeLessThanOrEqual(soon);
    }
  });

  it('does not wait for a window when its policy does not ask for it', async () => {
    world = await RolloutWorld.open(fleet({}), { settings: SETTINGS });
    await world.start(memberPlan(world.inventory, { obeysWindows: false }));
    await world.ended(3_600_000);
  });

  it('waits for a window with what restarts nothing only where visitors could notice it', async () => {
    world = await RolloutWorld.open(fleet({}), { settings: SETTINGS });
    const plan = onlinePlan(world.inventory);
    await world.start(plan);
    await world.time.runUntil(() => world.time.now() >= at('2026-01-05T13:00Z'));
    expect(await world.units(plan)).toMatchObject({
      'wave-1/s1f1-1': 'done',
      'wave-1/s2f1-1': 'waiting',
    });
  });
});
