import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { NodeCommand, RolloutPlan } from '../../src/fleet/plan/plan.ts';
import { DEFAULT_POLICY } from '../../src/fleet/plan/policy.ts';
import { onNodes, stepOf, takeIn, takeOut } from '../../src/fleet/plan/steps.ts';
import { openedForAll } from '../support/opened.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ANSIBLE_NEEDS, missingForAnsible, Playbook } from './ansible.ts';
import { type FleetLab, LAB_NEEDS, missingForLab } from './fleet-lab.ts';
import { SmallLab } from './small-lab.ts';
import { stepRecords } from './step-records.ts';
import { FLAWLESS, mostOut, underVisitors } from './watch-lab.ts';

const folder = temporaryFolder();
const MEMBERS = ['web1-1', 'web1-2'];
const CHECK: NodeCommand = { name: 'check', tree: null, release: null, publication: null };
const RESTART: readonly NodeCommand[] = [{ name: 'stop-web' }, { name: 'reboot' }, CHECK];
/** The load leaves the machine to Ansible. */
const CALM = { pauseMs: 250 };
const LONG = 120_000;

const isThere = missingForLab() === null && missingForAnsible() === null;
(isThere ? describe : describe.skip)(
  `ansible-playbook with a plan (needs ${ANSIBLE_NEEDS}, ${LAB_NEEDS})`,
  () => {
    const opened = openedForAll(
      async () => await SmallLab.open(folder, 1, 2),
      async () => {},
      LONG,
    );
    const lab = (): FleetLab => opened().lab;
    const playbook = (plan: RolloutPlan): Playbook =>
      new Playbook(join(folder, plan.id.slice(0, 4)), plan, lab());

    /** What its members have done for a plan, in order. */
    function done(
      plan: RolloutPlan,
    ): Record<string, readonly (readonly [string, number | null])[]> {
      return Object.fromEntries(
        lab().nodes.map((node) => [
          node.name,
          stepRecords(node)
            .filter(({ id }) => id.startsWith(`ansible.${plan.id.slice(0, 16)}.`))
            .map(({ words, exitCode }) => [words[0] ?? '', exitCode]),
        ]),
      );
    }

    it(
      'restarts one member after the other unnoticed, and does nothing a second time',
      async () => {
        const plan = planOf('a', RESTART);
        const book = playbook(plan);
        const boots = lab().nodes.map(({ reboots }) => reboots);
        const visits = await underVisitors(
          lab(),
          async () => {
            const out = await mostOut(lab(), async () => {
              const { exitCode, output } = await book.play();
              expect(exitCode).toBe(0);
              expect(output.match(/Pausing for 1 seconds/g)).toHaveLength(1);
            });
            expect(out).toBe(1);
          },
          CALM,
        );
        expect(visits).toMatchObject(FLAWLESS);
        // A reboot has no result of its own.
        const once = RESTART.map(({ name }) => [name, name === 'reboot' ? null : 0]);
        expect(done(plan)).toEqual({ 'web1-1': once, 'web1-2': once });
        expect(lab().nodes.map(({ reboots }) => reboots)).toEqual(boots.map((count) => count + 1));

        const again = await book.play();
        expect(again.exitCode).toBe(0);
        expect(again.output).not.toContain('Pausing');
        expect(MEMBERS.map((name) => again.recap[name]?.['changed'])).toEqual([0, 0]);
        expect(done(plan)).toEqual({ 'web1-1': once, 'web1-2': once });
      },
      LONG,
    );

    it(
      'ends at a step that fails: its member stays out, and no other is touched until it is mended',
      async () => {
        const { haproxy, nodes } = lab();
        const [first] = nodes;
        const broken = 'etc/rookery/checks.d/broken';
        first?.php.put(broken, '#!/bin/sh\necho "no disk"\nexit 1\n');
        chmodSync(first?.php.path(broken) ?? '', 0o755);
        const plan = planOf('b', [CHECK]);
        const book = playbook(plan);
        const visits = await underVisitors(
          lab(),
          async () => {
            const ended = await book.play();
            expect(ended.exitCode).not.toBe(0);
            expect(ended.output).toMatch(/check-1 of web1-1 has not ended well.*no disk/);
          },
          CALM,
        );
        expect(visits).toMatchObject(FLAWLESS);
        expect(done(plan)).toEqual({ 'web1-1': [['check', 1]], 'web1-2': [] });
        expect(await haproxy.status('members_web1', 'web1-1')).toBe('MAINT');
        expect(await haproxy.status('members_web1', 'web1-2')).toBe('UP');

        rmSync(first?.php.path(broken) ?? '');
        expect(await book.play('-e', 'rookery_again=2')).toMatchObject({ exitCode: 0 });
        expect(done(plan)).toEqual({
          'web1-1': [
            ['check', 1],
            ['check', 0],
          ],
          'web1-2': [['check', 0]],
        });
        await haproxy.until('members_web1', 'web1-1', 'UP');
      },
      LONG,
    );

    it(
      'begins with nobody behind a node that gives no answer',
      async () => {
        const [first] = lab().nodes;
        const plan = planOf('c', [CHECK]);
        await first?.init('kill');
        const ended = await playbook(plan).play();
        expect(ended.exitCode).not.toBe(0);
        expect(ended.output).toMatch(/FAILED.*Failed to connect to the host/);
        expect(done(plan)).toEqual({ 'web1-1': [], 'web1-2': [] });
        expect(await lab().haproxy.status('members_web1', 'web1-2')).toBe('UP');
      },
      LONG,
    );
  },
);

/** A single stage of both members, one at a time. */
function planOf(letter: string, commands: readonly NodeCommand[]): RolloutPlan {
  const units = MEMBERS.map((node) => {
    const onNode = commands.map((run, at) =>
      stepOf(`${run.name}-${at + 1}`, onNodes([node], run), 60),
    );
    const steps = [...takeOut([node], 20), ...onNode, ...takeIn([node])];
    return { id: `wave-1/${node}`, site: 'lab', farm: 'web1', nodes: [node], steps };
  });
  return {
    format: 1,
    id: letter.repeat(64),
    kind: 'os-disruptive',
    artefacts: { publications: [], trees: [], release: null },
    inventory: 'd'.repeat(64),
    policy: { ...DEFAULT_POLICY, limits: { ...DEFAULT_POLICY.limits, total: 1 } },
    stages: [{ id: 'wave-1', type: 'wave', title: 'members', units, soakSeconds: 1 }],
    impact: [],
    reverses: null,
    remarks: [],
  };
}
