import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { insist } from '../support/insist.ts';
import { openedForAll } from '../support/opened.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { LAB_NEEDS, makeRelease, missingForLab } from './fleet-lab.ts';
import { FleetWorld, PROFILE, ROLLOUT_MS, type RolloutSeen } from './fleet-world.ts';
import type { LabNode } from './lab-node.ts';
import { installKernel, publishKernels } from './stand-in-packages.ts';
import { FLAWLESS, mostOut, underVisitors } from './watch-lab.ts';

const folder = temporaryFolder();
/** A server that makes its keys, trees and nodes on a machine that does other things as well. */
const OPENING_MS = 240_000;
const LONG = ROLLOUT_MS + 60_000;
/** Every member of every farm, in the order of the waves. */
const WAVES = [
  ['web1-1', 'web2-1'],
  ['web1-2', 'web2-2'],
  ['web1-3', 'web2-3'],
];

(missingForLab() === null ? describe : describe.skip)(`rollouts (need ${LAB_NEEDS})`, () => {
  const world = openedForAll(
    async () =>
      await FleetWorld.open(folder, {
        farms: 2,
        members: 3,
        publish: async (begun) => await publishKernels(begun, 3),
        prepare: async (template, begun) => await installKernel(begun, template),
      }),
    async (opened) => await opened.describe(),
    OPENING_MS,
  );

  /** Rolls out under visitors who must not notice, with one member of a farm out at most. */
  async function unnoticed(roll: () => Promise<RolloutSeen>): Promise<RolloutSeen> {
    const { lab } = world();
    let seen: RolloutSeen | undefined;
    const act = async (): Promise<void> => {
      const out = await mostOut(lab, async () => {
        seen = await roll();
      });
      expect(out).toBe(1);
    };
    const visits = await underVisitors(lab, act, CALM);
    expect(visits).toMatchObject(FLAWLESS);
    if (seen === undefined) {
      throw new Error('nothing was rolled out');
    }
    return seen;
  }

  async function standing(tree: string): Promise<Record<string, string | undefined>> {
    const all = world().lab.nodes.map(
      async (node) => [node.name, await node.php.standing(tree, PROFILE)] as const,
    );
    return Object.fromEntries(await Promise.all(all));
  }

  it(
    'switch PHP member by member, and nobody notices',
    async () => {
      const { trees } = world();
      const ended = await unnoticed(
        async () => await world().ended(await world().roll('php', [trees[1]])),
      );
      expect(ended).toMatchObject({ state: 'done', because: null });
      expect(new Set(Object.values(await standing(trees[1])))).toEqual(new Set(['active']));
    },
    LONG,
  );

  it(
    'stop at a canary whose PHP lacks an extension, and take it back unnoticed',
    async () => {
      const { trees } = world();
      const broken = await world().importTree('--without', 'memcached');
      await world().report();
      const ended = await unnoticed(
        async () => await world().ended(await world().roll('php', [broken])),
      );
      expect(ended.because).toMatch(/canary\/web1-1.*check page failed/);
      expect(fates(ended)).toEqual({ 'canary/web1-1': 'undone' });
      expect(await world().aborted(ended.id)).toMatchObject({ state: 'aborted' });
      expect(new Set(Object.values(await standing(trees[1])))).toEqual(new Set(['active']));
    },
    LONG,
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
    LONG,
  );

  it('are refused while the balancer has the configuration of the release before', async () => {
    const { lab } = world();
    makeRelease(join(lab.places.releases, 'v3'), 3);
    writeFileSync(join(lab.places.releases, 'v3/index.php'), '<?php throw new Error("broken");');
    await world().report();
    const outdated =
      'The configuration of lb1 of .* takes blue for the backend that serves .generation 1., and Rookery has web1, web2 in green';
    await expect(world().roll('app', ['v3'])).rejects.toThrow(new RegExp(outdated));
    expect(await world().rookery('fleet', 'status')).toMatch(new RegExp(outdated));
    await lab.renewBalancer(
      await world().rookery('fleet', 'haproxy', lab.site.name, ...lab.balancerOptions),
    );
    for (const farm of ['web1', 'web2']) {
      await lab.haproxy.until('green', farm, 'UP');
    }
    expect(await world().rookery('fleet', 'status')).not.toContain('The configuration of');
  });

  it(
    'take a release back that does not work, before anybody has seen it',
    async () => {
      const { lab } = world();
      const visits = await underVisitors(lab, async () => {
        const ended = await world().ended(await world().roll('app', ['v3']));
        expect(ended.because).toMatch(/farm-web1\/web1.*check page failed/);
        expect(fates(ended)).toEqual({ 'farm-web1/web1': 'undone' });
        expect(await world().aborted(ended.id)).toMatchObject({ state: 'aborted' });
      });
      expect(visits).toMatchObject(FLAWLESS);
      expect(Object.keys(visits.versions)).toEqual(['2']);
      expect(Object.keys(visits.nodes)).toHaveLength(6);
      for (const farm of ['web1', 'web2']) {
        expect(await lab.haproxy.status('blue', farm)).toBe('MAINT');
        expect(await lab.haproxy.status('green', farm)).toBe('UP');
      }
      rmSync(join(lab.places.releases, 'v3'), { recursive: true });
    },
    LONG,
  );

  it(
    'restart all members 1, then all members 2, each once, and nobody notices',
    async () => {
      const { nodes } = world().lab;
      const before = nodes.map(({ bootId, reboots, merges }) => ({ bootId, reboots, merges }));
      await world().report();
      const ended = await unnoticed(
        async () => await world().ended(await world().roll('os', [`${PROFILE}/stable@2`])),
      );
      expect(ended).toMatchObject({ kind: 'os-disruptive', state: 'done', because: null });
      for (const [at, node] of nodes.entries()) {
        expect(node.bootId).not.toBe(before[at]?.bootId);
        expect(node.reboots).toBe((before[at]?.reboots ?? 0) + 1);
        expect(node.merges).toBe((before[at]?.merges ?? 0) + 1);
      }
      const units = begunUnits(ended);
      expect(units.map(({ unit }) => nodeOf(unit)).toSorted()).toEqual(WAVES.flat().toSorted());
      const spans = WAVES.map((wave) => units.filter(({ unit }) => wave.includes(nodeOf(unit))));
      for (const [at, wave] of spans.slice(1).entries()) {
        const last = Math.max(...(spans[at] ?? []).map(({ endedAt }) => endedAt ?? Infinity));
        expect(Math.min(...wave.map(({ startedAt }) => startedAt ?? 0))).toBeGreaterThanOrEqual(
          last,
        );
      }
      // Without namespaces a node also sees the processes of other tests, and files that those lose.
      await insist('all members to be as published', async () => {
        await world().report();
        const said = await world().rookery('fleet', 'status');
        return said.includes('6 of 6 members as published') ? said : undefined;
      });
    },
    LONG,
  );

  it(
    'hold a node that does not come back, go on elsewhere, and take it in again once it can serve',
    async () => {
      const { lab } = world();
      const node = lab.node('web1-2');
      node.staysDown(true);
      const ended = await unnoticed(async () => {
        const id = await world().roll('os', [`${PROFILE}/stable@3`], ONE_MAY_FAIL);
        const why = await insist('it to wait for a held node', async () => {
          const reasons = await world().why(id);
          return reasons.find(({ kind }) => kind === 'held');
        });
        expect(why.sentence).toContain('web1-2 (held)');
        return await world().ended(id);
      });
      expect(ended.state).toBe('done-with-held');
      expect(fates(ended)).toEqual({
        'wave-1/web1-1': 'done',
        'wave-1/web2-1': 'done',
        'wave-2/web1-2': 'held',
        'wave-2/web2-2': 'done',
        'wave-3/web2-3': 'done',
      });
      expect(await world().rookery('fleet', 'held')).toContain(
        'wave-2/web1-2: reboot: web1-2 has not come back.',
      );
      await release(node);
    },
    LONG,
  );

  /** Refused for as long as there is something to be said against it. */
  async function release(node: LabNode): Promise<void> {
    const ask = async () => await world().rookery('fleet', 'release', node.name, '--reason', 'x');
    await expect(ask()).rejects.toThrow(`${node.name} gives no answer`);
    node.staysDown(false);
    node.php.put('web-off', '');
    await node.init('boot');
    await expect(ask()).rejects.toThrow(`What serves on ${node.name} does not run.`);
    rmSync(node.php.path('web-off'));
    await node.init('web-start');
    await ask();
    await world().lab.haproxy.until('members_web1', node.name, 'UP');
  }
});

/** Units that have begun, without those that only fetch. */
function begunUnits({ unitRecords }: RolloutSeen) {
  return unitRecords.filter(({ stage, startedAt }) => stage !== 'prefetch' && startedAt !== null);
}

function fates(seen: RolloutSeen) {
  return Object.fromEntries(begunUnits(seen).map(({ unit, state }) => [unit, state]));
}

/** Enough to meet whatever goes wrong, and little enough to leave the machine to those who work. */
const CALM = { pauseMs: 250 };

const ONE_MAY_FAIL = {
  hasCanary: false,
  rebootSeconds: 20,
  budget: { perFarm: 1, perProfile: 1, total: 1 },
};

function nodeOf(unit: string): string {
  return unit.slice(unit.indexOf('/') + 1);
}
