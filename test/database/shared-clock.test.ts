import { describe, expect, it } from '@jest/globals';
import { SharedClock } from '../../src/database/shared-clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('the clock of several servers', () => {
  it('is the database’s, whatever is done to that of a machine', async () => {
    const [database, machine] = [new ManualClock(1_000_000), new ManualClock(1_000_700)];
    const clock = await SharedClock.open(machine, async () => database.now());
    expect(clock.now()).toBe(1_000_000);
    machine.jump(3_600_000);
    expect(clock.now()).toBe(1_000_000);
    machine.advance(4000);
    expect(clock.now()).toBe(1_004_000);
    database.advance(4010);
    await clock.adjust();
    expect(clock.now()).toBe(1_004_010);
    expect(clock.newDifference()).toBe(3_600_690);
    expect(clock.newDifference()).toBeUndefined();
    machine.jump(-3_600_000);
    expect(clock.newDifference()).toBe(690);
  });

  it('takes the answer for one from the middle of the time that it took', async () => {
    const machine = new ManualClock(5000);
    const clock = await SharedClock.open(machine, async () => {
      machine.advance(200);
      return 1000;
    });
    expect(clock.now()).toBe(1100);
  });

  it('goes on when the database cannot be asked', async () => {
    const machine = new ManualClock(0);
    let isThere = true;
    const clock = await SharedClock.open(machine, async () => {
      if (!isThere) {
        throw new Error('away');
      }
      return 7000;
    });
    isThere = false;
    await expect(clock.adjust()).rejects.toThrow('away');
    machine.advance(10);
    expect(clock.now()).toBe(7010);
  });
});
