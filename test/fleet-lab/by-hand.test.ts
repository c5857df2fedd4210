import { describe, expect, it } from '@jest/globals';
import { openedForAll } from '../support/opened.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FleetLab, LAB_NEEDS, missingForLab } from './fleet-lab.ts';
import type { LabNode } from './lab-node.ts';
import { SmallLab } from './small-lab.ts';
import { FLAWLESS, underVisitors } from './watch-lab.ts';

const OPENING_MS = 60_000;
const folder = temporaryFolder();

(missingForLab() === null ? describe : describe.skip)(`a site (needs ${LAB_NEEDS})`, () => {
  const opened = openedForAll(
    async () => await SmallLab.open(folder, 2, 2),
    async () => {},
    OPENING_MS,
  );
  const lab = (): FleetLab => opened().lab;

  async function restart(node: LabNode): Promise<void> {
    const { haproxy } = lab();
    const backend = `members_${node.plan.farm}`;
    const boot = node.bootId;
    await haproxy.tell(`set server ${backend}/${node.name} state drain`);
    await haproxy.untilIdle(backend, node.name);
    await haproxy.tell(`set server ${backend}/${node.name} state maint`);
    await node.init('web-stop');
    await node.init('reboot');
    await poll('the node to be up again', async () =>
      node.bootId !== boot && (await node.isWebRunning()) ? true : undefined,
    );
    await haproxy.tell(`set server ${backend}/${node.name} state ready`);
    await haproxy.until(backend, node.name, 'UP');
  }

  it('loses no request of nodes that are drained and started anew', async () => {
    const visits = await underVisitors(lab(), async () => {
      for (const index of [1, 2]) {
        await Promise.all(
          ['web1', 'web2'].map(async (name) => await restart(lab().node(`${name}-${index}`))),
        );
      }
    });
    expect(visits).toMatchObject(FLAWLESS);
    expect(Object.keys(visits.nodes)).toHaveLength(4);
  });

  it('has visitors who notice a node that is switched off under them', async () => {
    const node = lab().node('web1-1');
    // Always one that is under way, and must not be sent again.
    const slowPosts = { posts: 1, slow: 1, slowMs: 400 };
    const visits = await underVisitors(
      lab(),
      async () => {
        await node.init('kill');
        await node.init('boot');
        await lab().haproxy.until('members_web1', 'web1-1', 'UP');
      },
      slowPosts,
    );
    expect(visits.failed).toBeGreaterThan(0);
    expect(visits.regressions + visits.lostUpdates).toBe(0);
  });

  it('gets another release farm by farm, and nobody notices', async () => {
    const { haproxy, nodes, site } = lab();
    const digest = await nodes[0]?.digestOf('v2');
    const visits = await underVisitors(lab(), async () => {
      for (const { name, memcached } of site.farms) {
        await haproxy.tell(`set server blue/${name} state maint`);
        await haproxy.untilIdle('blue', name);
        const members = nodes.filter(({ plan }) => plan.farm === name);
        await Promise.all(
          members.map(async (node) => {
            await node.init('web-stop');
          }),
        );
        await lab().flush(memcached);
        await Promise.all(
          members.map(async (node) => {
            await node.step('do', 'activate-release', 'v2', digest ?? '');
            await node.init('web-start');
            await haproxy.until(`members_${name}`, node.name, 'UP');
          }),
        );
        await haproxy.tell(`set server green/${name} state ready`);
        await haproxy.until('green', name, 'UP');
      }
    });
    expect(visits).toMatchObject(FLAWLESS);
    expect(Object.keys(visits.versions)).toEqual(['1', '2']);
    expect(await lab().flushes()).toEqual([1, 1]);
  });
});
