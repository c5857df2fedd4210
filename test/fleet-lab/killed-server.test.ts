import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openDatabase } from '../../src/database/database.ts';
import type { RolloutPlan } from '../../src/fleet/plan/plan.ts';
import { findRollout, planOf, stagesOf, unitsOf } from '../../src/fleet/rollout/rollout-store.ts';
import { journalViewSchema } from '../../src/protocol/journal.ts';
import { heldListSchema } from '../../src/protocol/rollouts.ts';
import { systemClock } from '../../src/support/clock.ts';
import { openedForAll } from '../support/opened.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { LAB_NEEDS, missingForLab } from './fleet-lab.ts';
import { FleetWorld, type RolloutSeen } from './fleet-world.ts';
import { killOften } from './kill-server.ts';
import type { LabNode } from './lab-node.ts';
import { stepIdsOf, stepRecords } from './step-records.ts';
import { FLAWLESS, mostOut, underVisitors } from './watch-lab.ts';

const KILLS = 20;
const SEED = 7;
const folder = temporaryFolder();
const OPENING_MS = 240_000;
/** About a minute; most of it goes by in starts of the server, and a busy machine takes ten times as long. */
const KILLING_MS = 900_000;

(missingForLab() === null ? describe : describe.skip)(
  `a server that is killed again and again while it rolls out (needs ${LAB_NEEDS})`,
  () => {
    let ended: RolloutSeen | undefined;
    const world = openedForAll(
      async () => await FleetWorld.open(folder, { farms: 2, members: 3 }),
      async (opened) => {
        await opened.describe();
        opened.lab.nodes.forEach(countReloads);
      },
      OPENING_MS,
    );

    it(
      `ends what it began, ${KILLS} kills later, and nobody notices`,
      async () => {
        const { lab, trees } = world();
        const visits = await underVisitors(lab, async () => {
          const most = await mostOut(lab, async () => {
            const id = await world().roll('php', [trees[1]]);
            const moments = await killOften(world(), id, { kills: KILLS, seed: SEED });
            expect(new Set(moments).size).toBeGreaterThan(KILLS / 2);
            ended = await world().ended(id);
          });
          expect(most).toBe(1);
        });
        expect(ended).toMatchObject({ state: 'done', because: null, units: { done: 6 } });
        expect(visits).toMatchObject(FLAWLESS);
        expect(Object.keys(visits.trees).toSorted()).toEqual([...trees].toSorted());
        expect(Object.keys(visits.nodes)).toHaveLength(6);
      },
      KILLING_MS,
    );

    it('has each unit done once, and each step run once on its node', async () => {
      const { lab, server, trees } = world();
      const events = await server.call(
        'GET',
        `/api/journal?subject=rollout:${ended?.id}&limit=1000`,
      );
      const kinds = journalViewSchema
        .parse(events.body)
        .events.map(({ kind, data }) => [kind, data['unit']].join(' '))
        .filter((text) => /^rollout-(?:unit|paused)/.test(text));
      const units = ended?.unitRecords.map(({ unit }) => unit) ?? [];
      expect(kinds.toSorted()).toEqual(
        ['done', 'running'].flatMap((state) =>
          units.toSorted().map((unit) => `rollout-unit-${state} ${unit}`),
        ),
      );
      expect(heldListSchema.parse((await server.call('GET', '/api/fleet/held')).body).held).toEqual(
        [],
      );

      const plan = await stoppedPlan();
      for (const node of lab.nodes) {
        const records = stepRecords(node);
        expect(records.map(({ id }) => id).toSorted()).toEqual(
          stepIdsOf(plan, node.name).toSorted(),
        );
        expect(records.map(({ exitCode }) => exitCode)).toEqual(records.map(() => 0));
        const activations = records.filter(({ words }) => words[0] === 'activate-php');
        expect(activations).toHaveLength(1);
        expect(activations[0]?.output.match(/^\+ rookery-php activate /gm)).toHaveLength(1);
        expect(reloadsOf(node)).toBe(1);
        expect(await node.php.standing(trees[1], 'web')).toBe('active');
        expect(await lab.haproxy.status(`members_${node.plan.farm}`, node.name)).toBe('UP');
      }
    });

    /** Stops the server, and looks into its database: the plan, when nothing is left of the rollout. */
    async function stoppedPlan(): Promise<RolloutPlan> {
      const { program, folder: place } = world().server;
      expect(await program.stop()).toBe(0);
      const database = await openDatabase(join(place, 'state/rookery.sqlite'), systemClock);
      try {
        const id = ended?.id ?? '';
        expect(await database.selectFrom('rollout_locks').selectAll().execute()).toEqual([]);
        expect(await database.selectFrom('balancer_wishes').selectAll().execute()).toEqual([]);
        const steps = await database.selectFrom('rollout_steps').selectAll().execute();
        const open = steps.filter(({ outcome, ended_at: at }) => outcome !== 'ok' || at === null);
        expect(open).toEqual([]);
        const row = await findRollout(database, id);
        if (row === undefined) {
          throw new Error(`there is no rollout ${id}`);
        }
        return planOf(row, await stagesOf(database, id), await unitsOf(database, id));
      } finally {
        await database.destroy();
      }
    }
  },
);

/** Has each reload of the node's web server leave a line. */
function countReloads({ php }: LabNode): void {
  const file = php.path('reloads');
  const changed = php
    .read('etc/rookery/php.conf')
    .replace(/^reload-command = /m, `reload-command = echo reloaded >> ${file}; `);
  php.put('etc/rookery/php.conf', changed);
  php.put('reloads', '');
}

function reloadsOf({ php }: LabNode): number {
  return readFileSync(php.path('reloads'), 'utf8').split('\n').filter(Boolean).length;
}
