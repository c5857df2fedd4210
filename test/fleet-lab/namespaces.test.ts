import { describe, expect, it } from '@jest/globals';
import { openedForAll } from '../support/opened.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { LAB_NEEDS, missingForLab } from './fleet-lab.ts';
import { FleetWorld, PROFILE, ROLLOUT_MS } from './fleet-world.ts';
import { missingForNamespaces, Namespaces } from './lab-network.ts';
import { installKernel, publishKernels } from './stand-in-packages.ts';
import { FLAWLESS, mostOut, underVisitors } from './watch-lab.ts';

const folder = temporaryFolder();
const OPENING_MS = 240_000;
const missing = missingForLab() ?? (await missingForNamespaces());

(missing === undefined ? describe : describe.skip)(
  `rollouts to nodes in namespaces (need root and ${LAB_NEEDS})`,
  () => {
    const opened = openedForAll(
      async () =>
        await FleetWorld.open(folder, {
          farms: 2,
          members: 3,
          network: async () => await Namespaces.make(),
          publish: async (begun) => await publishKernels(begun, 2),
          prepare: async (template, begun) => await installKernel(begun, template),
        }),
      async (world) => await world.describe(),
      OPENING_MS,
    );

    it(
      'start each of them anew with all of its processes, one of a farm at a time, and nobody notices',
      async () => {
        const world = opened();
        const { lab } = world;
        const visits = await underVisitors(lab, async () => {
          const most = await mostOut(lab, async () => {
            const id = await world.roll('os', [`${PROFILE}/stable@2`]);
            expect(await world.ended(id)).toMatchObject({ state: 'done', because: null });
          });
          expect(most).toBe(1);
        });
        expect(visits).toMatchObject(FLAWLESS);
        expect(lab.nodes.map(({ reboots }) => reboots)).toEqual([1, 1, 1, 1, 1, 1]);
        expect(Object.keys(visits.nodes)).toHaveLength(6);
      },
      ROLLOUT_MS + 60_000,
    );
  },
);
