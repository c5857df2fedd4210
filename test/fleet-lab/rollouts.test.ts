import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { LAB_NEEDS, missingForLab } from './fleet-lab.ts';
import { FleetWorld, PROFILE, ROLLOUT_MS } from './fleet-world.ts';
import { FLAWLESS, mostOut, underVisitors } from './watch-lab.ts';

const folder = temporaryFolder();
/** A server that makes its keys, trees and nodes on a machine that does other things as well. */
const OPENING_MS = 240_000;

(missingForLab() === null ? describe : describe.skip)(`rollouts (need ${LAB_NEEDS})`, () => {
  let opened: FleetWorld | undefined;

  beforeAll(async () => {
    opened = await FleetWorld.open(folder, { farms: 2, members: 3 });
    await opened.describe();
  }, OPENING_MS);

  afterAll(async () => {
    await opened?.stop();
  });

  function world(): FleetWorld {
    if (opened === undefined) {
      throw new Error('there is no world');
    }
    return opened;
  }

  it(
    'switch PHP member by member, and nobody notices',
    async () => {
      const { lab, trees } = world();
      const visits = await underVisitors(lab, async () => {
        const most = await mostOut(lab, async () => {
          const id = await world().roll('php', [trees[1]]);
          expect(await world().ended(id)).toMatchObject({ state: 'done', because: null });
        });
        expect(most).toBe(1);
      });
      expect(visits).toMatchObject(FLAWLESS);
      expect(Object.keys(visits.trees).toSorted()).toEqual([...trees].toSorted());
      for (const node of lab.nodes) {
        expect(await node.php.standing(trees[1], PROFILE)).toBe('active');
      }
    },
    ROLLOUT_MS + 60_000,
  );

  it(
    'bring a release farm by farm: no version goes back, and no update is lost',
    async () => {
      const { lab } = world();
      const flushes = await lab.flushes();
      await world().report();
      const visits = await underVisitors(lab, async () => {
        const id = await world().roll('app', ['v2']);
        expect(await world().ended(id)).toMatchObject({ state: 'done', because: null });
      });
      expect(visits).toMatchObject(FLAWLESS);
      expect(Object.keys(visits.versions)).toEqual(['1', '2']);
      expect(visits.moves).toBeGreaterThan(0);
      expect(await lab.flushes()).toEqual(flushes.map((count) => count + 1));
      expect(await lab.haproxy.status('blue', 'web1')).toBe('MAINT');
      expect(await lab.haproxy.status('green', 'web2')).toBe('UP');
    },
    ROLLOUT_MS + 60_000,
  );
});
