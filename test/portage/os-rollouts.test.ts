import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { nodeDetailSchema } from '../../src/protocol/nodes.ts';
import { type RolloutDetail, rolloutDetailSchema } from '../../src/protocol/rollouts.ts';
import { LAB_NEEDS, missingForLab } from '../fleet-lab/fleet-lab.ts';
import { PROFILE } from '../fleet-lab/fleet-world.ts';
import type { LabNode } from '../fleet-lab/lab-node.ts';
import { stepRecords } from '../fleet-lab/step-records.ts';
import { FLAWLESS, mostOut, underVisitors } from '../fleet-lab/watch-lab.ts';
import { portageSuite } from '../support/gentoo-prefix.ts';
import { insist } from '../support/insist.ts';
import { openedForAll } from '../support/opened.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { GentooWorld, installedOn } from './gentoo-world.ts';
import { mappedBy } from './running-prefix.ts';

const [title, hasNoPortage] = portageSuite('rollouts that merge with real Portage');
const missing = missingForLab();
const folder = temporaryFolder();
/** Four nodes merge in three turns; with other work on the machine each takes a minute and more. */
const MERGING_MS = 900_000;
const LONG = MERGING_MS + 120_000;
const FIRST = ['app-doc/pages-1', 'app-misc/tool-1', 'dev-libs/liblate-1', 'dev-libs/libweb-1'];
const HEAD = ['EAPI=8', 'S="${WORKDIR}"', 'LICENSE="MIT"', 'SLOT="0"', 'KEYWORDS="amd64"'];
const QUICK = ['canary-soak-seconds=0', 'soak-seconds=0', 'drain-seconds=20', 'waves=1'];

const PAGES = [...HEAD, 'DESCRIPTION="Pages"', 'src_install() { echo "${PV}" > p; dodoc p; }'];
const TOOL = [
  ...HEAD,
  'DESCRIPTION="A tool that no service knows"',
  'src_install() { printf "#!/bin/sh\\necho ${PV}\\n" > tool; dobin tool; }',
];
/** A shared library. */
function library(name: string): readonly string[] {
  return [
    ...HEAD,
    'DESCRIPTION="A library that web servers load"',
    'src_compile() {',
    '  echo "int answer(void) { return ${PV}; }" > a.c || die',
    `  cc -shared -fPIC -Wl,-soname,${name}.so.1 -o ${name}.so.1 a.c || die`,
    '}',
    'src_install() {',
    '  exeinto /usr/lib',
    `  doexe ${name}.so.1`,
    '}',
  ];
}

function ebuilds(): Record<string, string> {
  const packages = {
    'app-doc/pages': PAGES,
    'app-misc/tool': TOOL,
    'dev-libs/liblate': library('liblate'),
    'dev-libs/libweb': library('libweb'),
  };
  return Object.fromEntries(
    Object.entries(packages).flatMap(([name, lines]) =>
      [1, 2].map((version) => [
        `${name}/${basename(name)}-${version}.ebuild`,
        `${lines.join('\n')}\n`,
      ]),
    ),
  );
}

const isRun = missing === null && !hasNoPortage;
(isRun ? describe : describe.skip)(`${title} (and need ${LAB_NEEDS})`, () => {
  const world = openedForAll(
    async () =>
      await GentooWorld.open(folder, {
        farms: 2,
        members: 2,
        ebuilds: ebuilds(),
        first: FIRST,
      }),
    async ({ fleet }) => await fleet.describe(),
    LONG,
  );

  /** As an administrator plans it. */
  async function plan(kind: string, serial: number, ...more: readonly string[]) {
    const policy = QUICK.flatMap((setting) => ['--set', setting]);
    const words = ['plan', kind, `${PROFILE}/stable@${serial}`, '--reason', 'a test', '--json'];
    const said = await world().fleet.rookery('rollout', ...words, ...policy, ...more);
    return rolloutDetailSchema.parse(JSON.parse(said));
  }

  async function carryOut({ id }: RolloutDetail): Promise<RolloutDetail> {
    const { fleet } = world();
    await fleet.rookery('rollout', 'approve', id);
    await fleet.rookery('rollout', 'start', id);
    return await fleet.ended(id, MERGING_MS);
  }

  /** Under visitors, who must not notice; with the most members of a farm that were out at once. */
  async function underLoad(act: () => Promise<RolloutDetail>) {
    const { lab } = world().fleet;
    let [ended, most]: [RolloutDetail | undefined, number] = [undefined, -1];
    const visits = await underVisitors(lab, async () => {
      most = await mostOut(lab, async () => {
        ended = await act();
      });
    });
    expect(visits).toMatchObject(FLAWLESS);
    return { ended, most };
  }

  /** Every node has what the publication has, and says so. */
  async function expectInstalled(serial: number, nodes = world().fleet.lab.nodes): Promise<void> {
    const { fleet } = world();
    await fleet.report(nodes);
    for (const node of nodes) {
      expect(installedOn(node)).toEqual(await world().published(serial));
      const { body } = await fleet.server.call('GET', `/api/nodes/${node.name}`);
      expect(nodeDetailSchema.parse(body).reports).toMatchObject([{ serial, differs: 0 }]);
    }
  }

  it(
    'bring what no service uses under traffic: nobody leaves, and nothing is restarted',
    async () => {
      const { nodes } = world().fleet.lab;
      await expectInstalled(1);
      const before = nodes.map(mastersOf);
      const serial = await world().publish(['app-doc/pages-2', 'app-misc/tool-2']);
      const { ended, most } = await underLoad(async () => {
        const planned = await plan('os', serial);
        expect(planned).toMatchObject({ kind: 'os-online', nodes: 4 });
        return await carryOut(planned);
      });
      expect(ended).toMatchObject({ state: 'done', because: null });
      expect(most).toBe(0);
      expect(nodes.map(mastersOf)).toEqual(before);
      await expectInstalled(serial);
      for (const node of nodes) {
        expect(deedsOf(node)).toEqual(['prefetch 0', 'merge 0', 'rescan 0', 'check 0']);
        expect(readFileSync(node.php.path('usr/bin/tool'), 'utf8')).toContain('echo 2');
      }
    },
    LONG,
  );

  it(
    'pause when a service turns out to use what was merged, and what was merged is taken back',
    async () => {
      const node = world().fleet.lab.node('web1-1');
      const serial = await world().publish(['dev-libs/liblate-2']);
      // After its last report, so that nobody can know.
      await preload(node, 'liblate.so.1');
      const before = [mastersOf(node), deedsOf(node).length] as const;
      const planned = await plan('os', serial, '--node', node.name);
      const [impact] = planned.plan.impact;
      if (await isPartial(node)) {
        // Where even root may not look into process 1, everything that has code is foreseen to be disruptive.
        expect(impact?.reasons[0]).toMatch(/it has programs or libraries$/);
        return;
      }
      expect(impact).toMatchObject({ name: 'dev-libs/liblate', effect: 'none' });
      expect(planned.kind).toBe('os-online');
      const ended = await carryOut(planned);
      expect(ended).toMatchObject({
        state: 'paused',
        because: expect.stringMatching(/rescan: .*\bnginx [0-9]+ \/.*\/usr\/lib\/liblate\.so\.1/s),
        units: { undone: 1 },
      });
      expect(deedsOf(node).slice(before[1])).toEqual([
        'prefetch 0',
        'merge 0',
        'rescan 1',
        'merge 0',
        'check 0',
      ]);
      expect(mastersOf(node)).toEqual(before[0]);
      await expectInstalled(serial - 1, [node]);

      await world().fleet.rookery('rollout', 'abort', planned.id, '--reason', 'it is disruptive');
      await insist('the rollout to be aborted', async () => {
        const { state } = await world().fleet.rollout(planned.id);
        return state === 'aborted' ? true : undefined;
      });
    },
    LONG,
  );

  it(
    'take members out one by one where a service uses it, and have it run with the new files',
    async () => {
      const { fleet } = world();
      const { nodes } = fleet.lab;
      for (const node of nodes) {
        await preload(node, 'libweb.so.1');
      }
      await fleet.report();
      const before = new Map(
        nodes.map((node) => [node, [nginxOf(node), deedsOf(node).length] as const]),
      );
      const serial = await world().publish(['dev-libs/libweb-2']);
      const { ended, most } = await underLoad(async () => {
        const planned = await plan('os', serial);
        expect(planned).toMatchObject({ kind: 'os-disruptive', nodes: 4 });
        const impact = planned.plan.impact.find(({ name }) => name === 'dev-libs/libweb');
        expect(impact).toMatchObject({ effect: 'disruptive' });
        expect(impact?.reasons).toContain('libweb.so.1 is mapped by nginx on 4 nodes');
        return await carryOut(planned);
      });
      expect(ended).toMatchObject({ state: 'done', because: null });
      expect(most).toBe(1);
      await expectInstalled(serial);
      for (const [node, [master, deeds]] of before) {
        expect(deedsOf(node).slice(deeds)).toEqual([
          'prefetch 0',
          'stop-web 0',
          'merge 0',
          'start-web 0',
          'check 0',
        ]);
        expect(nginxOf(node)).not.toBe(master);
        expect(mappedBy(nginxOf(node)).get(node.php.path('usr/lib/libweb.so.1'))).toBe(false);
        expect(await fleet.lab.haproxy.status(`members_${node.plan.farm}`, node.name)).toBe('UP');
      }
    },
    LONG,
  );

  /** Whether the node has said that it could not look into all of its processes. */
  async function isPartial({ name }: LabNode): Promise<boolean | undefined> {
    const { body } = await world().fleet.server.call('GET', `/api/nodes/${name}`);
    return nodeDetailSchema.parse(body).reports[0]?.system?.isPartial;
  }

  /** Has the node's web server load a library from now on. */
  async function preload(node: LabNode, file: string): Promise<void> {
    const { name, php } = node;
    const { farm } = node.plan;
    const { haproxy } = world().fleet.lab;
    await haproxy.tell(`set server members_${farm}/${name} state maint`);
    php.put('preload', php.path(`usr/lib/${file}`));
    await node.init('web-stop');
    await node.init('web-start');
    await haproxy.tell(`set server members_${farm}/${name} state ready`);
    await haproxy.until(`members_${farm}`, name, 'UP');
  }
});

function nginxOf({ php }: LabNode): number {
  return Number(php.read('web/pid'));
}

/** The pids of all that serves there. */
function mastersOf(node: LabNode): Record<string, number> {
  const folderOfPids = node.php.path('run/php');
  const files = existsSync(folderOfPids) ? readdirSync(folderOfPids) : [];
  return {
    nginx: nginxOf(node),
    ...Object.fromEntries(
      files
        .filter((name) => name.endsWith('.pid'))
        .map((name) => [name, Number(node.php.read(`run/php/${name}`))]),
    ),
  };
}

/** What the node has done for rollouts, in order, and how it ended. */
function deedsOf(node: LabNode): string[] {
  return stepRecords(node).map(({ words, exitCode }) => `${words[0]} ${exitCode}`);
}
