import type { RolloutKind, RolloutPlan, Stage, Step, Unit } from '../../src/fleet/plan/plan.ts';
import type { RolloutPolicy } from '../../src/fleet/plan/policy.ts';
import { digestOf } from '../../src/support/digests.ts';

const PUBLICATION = {
  profile: 'zen3',
  channel: 'stable',
  serial: 17,
  digest: 'd'.repeat(64),
  path: '/binhost/zen3/.publications/stable-17',
};

/** Two farms of one site and one of another; `web3` has no third member. */
const FARMS = [
  { site: 'berlin', farm: 'web1', size: 3 },
  { site: 'berlin', farm: 'web2', size: 3 },
  { site: 'paris', farm: 'web3', size: 2 },
] as const;

/** The inventory, in TOML, of which the sample plan is made; both sites have one HAProxy over TCP. */
export function sampleFleet(): string {
  const sites = [...new Set(FARMS.map(({ site }) => site))].map(
    (site) => `[site.${site}.balancer.lb1]
driver = "haproxy"
socket = "tcp://127.0.0.1:9"
`,
  );
  const farms = FARMS.map(
    ({ site, farm, size }) => `[site.${site}.farm.${farm}]
members = "${farm}-[1-${size}]"
profile = "web-zen4"
`,
  );
  return [...sites, ...farms].join('');
}

/** A plan member by member: the first of `web1` as canary, then all others of index 1, 2, 3. */
export function samplePlan(given: {
  readonly kind: RolloutKind | 'os';
  readonly policy: RolloutPolicy;
  readonly reverses: string | null;
  readonly inventory: string;
}): RolloutPlan {
  const plan: Omit<RolloutPlan, 'id'> = {
    format: 1,
    kind: given.kind === 'os' ? 'os-disruptive' : given.kind,
    artefacts: { publications: [PUBLICATION], trees: [], release: null },
    inventory: given.inventory,
    policy: given.policy,
    stages: [canary(), wave(1), wave(2), wave(3)],
    impact: [
      {
        name: 'dev-libs/openssl',
        slot: '0/3',
        from: 'dev-libs/openssl-3.4.1',
        to: 'dev-libs/openssl-3.5.0',
        effect: 'disruptive',
        reasons: ['libssl.so.3 is mapped by php-fpm on 8 nodes.'],
      },
      {
        name: 'app-misc/jq',
        slot: '0',
        from: 'app-misc/jq-1.7',
        to: 'app-misc/jq-1.8',
        effect: 'none',
        reasons: [],
      },
    ],
    reverses: given.reverses,
    remarks: [
      'While one of three members is out, the other two bear 1.5 times their load: 0.75 at the busiest time.',
      'A way back merges publication 16 of zen3/stable again, member by member.',
    ],
  };
  return { ...plan, id: digestOf('sha256', Buffer.from(JSON.stringify(plan))) };
}

function canary(): Stage {
  return {
    id: 'canary',
    type: 'canary',
    title: 'One node of each kind',
    soakSeconds: 600,
    units: [unit('canary', 'berlin', 'web1', 1)],
  };
}

function wave(index: number): Stage {
  const id = `wave-${index}`;
  return {
    id,
    type: 'wave',
    title: `Member ${index} of every farm`,
    soakSeconds: 60,
    units: FARMS.filter(({ farm, size }) => index <= size && !(farm === 'web1' && index === 1)).map(
      ({ site, farm }) => unit(id, site, farm, index),
    ),
  };
}

function unit(stage: string, site: string, farm: string, index: number): Unit {
  const nodes = [`${farm}-${index}`];
  return { id: `${stage}/${farm}-${index}`, site, farm, nodes, steps: steps(nodes) };
}

function steps(nodes: readonly string[]): Step[] {
  const back = { do: 'set-members', nodes, to: 'ready' } as const;
  return [
    {
      id: 'drain',
      action: { do: 'set-members', nodes, to: 'drain' },
      timeoutSeconds: 30,
      undo: [back],
    },
    { id: 'idle', action: { do: 'await-idle', nodes, farm: null }, timeoutSeconds: 60, undo: [] },
    {
      id: 'merge',
      action: { do: 'node', nodes, run: { name: 'merge', publication: PUBLICATION } },
      timeoutSeconds: 1800,
      undo: [
        {
          do: 'node',
          nodes,
          run: { name: 'merge', publication: { ...PUBLICATION, serial: 16 } },
        },
      ],
    },
    {
      id: 'check',
      action: {
        do: 'node',
        nodes,
        run: { name: 'check', tree: null, release: null, publication: PUBLICATION },
      },
      timeoutSeconds: 120,
      undo: [],
    },
    { id: 'ready', action: back, timeoutSeconds: 30, undo: [] },
  ];
}
