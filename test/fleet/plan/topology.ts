import type { Effect, Impact } from '../../../src/fleet/impact/impact.ts';
import type {
  Farm,
  HaproxyBalancer,
  Inventory,
  Member,
  Site,
} from '../../../src/fleet/inventory/inventory.ts';
import type { ObservedNode } from '../../../src/fleet/observed/observed-node.ts';
import type { PhpTreeRef, PublicationRef, ReleaseRef } from '../../../src/fleet/plan/artefact.ts';
import { makePlan } from '../../../src/fleet/plan/make-plan.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import type { PlanInput } from '../../../src/fleet/plan/plan-input.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';

export const NOW = 1_790_000_000_000;

export interface MemberShape {
  readonly index: number;
  readonly profile?: string;
  readonly webServer?: Member['webServer'];
  readonly rack?: string | null;
  readonly weight?: number;
  readonly isEager?: boolean;
  /** Resident trees beside the active one. */
  readonly trees?: readonly string[];
}

export interface FarmShape {
  readonly members: readonly MemberShape[];
  readonly maxOut?: number;
  readonly minServing?: number;
}

/** Farms of each site. */
export interface FleetShape {
  readonly sites: readonly (readonly FarmShape[])[];
  readonly peakLoad?: number | null;
  readonly sessionSeconds?: number | null;
  readonly effect?: Effect;
}

export const RELEASES = {
  old: { release: 'v1', digest: 'd1' },
  next: { release: 'v2', digest: 'd2' },
} as const satisfies Record<string, ReleaseRef>;

const HAPROXY: HaproxyBalancer = {
  name: 'lb1',
  driver: 'haproxy',
  socket: 'tcp://127.0.0.1:9999',
  memberBackend: 'members-{farm}',
  farmBackends: ['blue', 'green'],
};

export function publication(profile: string, serial: number): PublicationRef {
  return {
    profile,
    channel: 'stable',
    serial,
    digest: `${profile}-${serial}`,
    path: `/binhost/${profile}/.publications/stable-${serial}`,
  };
}

export function tree(profile: string, id: string): PhpTreeRef {
  return { profile, id, manifest: `${profile}-${id}` };
}

/** Nodes are named `s1f2-3`: site 1, farm 2, member 3. */
export function inventoryOf(shape: FleetShape): Inventory {
  const sites = shape.sites.map((farms, index): Site => {
    const site = `s${index + 1}`;
    return {
      name: site,
      balancers: [HAPROXY],
      farms: farms.map((farm, number) => farmOf(site, `${site}f${number + 1}`, farm)),
      peakLoad: shape.peakLoad ?? null,
      sessionSeconds: shape.sessionSeconds ?? null,
      windows: [],
    };
  });
  return { sites };
}

function farmOf(site: string, name: string, { members, maxOut, minServing }: FarmShape): Farm {
  return {
    name,
    site,
    memcached: [{ host: '127.0.0.1', port: 11211 }],
    maxOut: maxOut ?? 1,
    minServing: minServing ?? 0,
    members: members.map((member) => ({
      node: `${name}-${member.index}`,
      farm: name,
      index: member.index,
      ssh: { host: '127.0.0.1', port: 22, user: 'root' },
      profile: member.profile ?? 'zen3',
      webServer: member.webServer ?? 'nginx',
      rack: member.rack ?? null,
      weight: member.weight ?? 1,
      isEager: member.isEager ?? false,
    })),
  };
}

export function observedOf(member: Member, trees: readonly string[] = []): ObservedNode {
  return {
    node: member.node,
    reportedAt: NOW - 60_000,
    profile: member.profile,
    channel: 'stable',
    serial: 1,
    differs: 0,
    installedDigest: `installed-${member.profile}-1`,
    php: {
      active: '8.3.1-r1',
      resident: ['8.3.1-r1', ...trees].map((id) => ({
        id,
        manifest: `${member.profile}-${id}`,
        requires: '',
      })),
    },
    system: {
      release: 'v1',
      releases: [RELEASES.old, RELEASES.next],
      kernel: { running: '6.18.1', installed: ['6.18.1'] },
      bootId: 'b',
      cpuFlags: [],
      services: [],
    },
  };
}

export function inputOf(
  kind: PlanInput['kind'],
  shape: FleetShape,
  change: Partial<PlanInput> = {},
): PlanInput {
  const inventory = inventoryOf(shape);
  const members = inventory.sites.flatMap(({ farms }) => farms.flatMap((farm) => farm.members));
  const shapes = shape.sites.flat().flatMap((farm) => farm.members);
  const profiles = [...new Set(members.map(({ profile }) => profile))];
  const online = kind === 'os-online' ? 'service-restart' : 'disruptive';
  return {
    kind,
    inventory,
    inventoryDigest: 'inventory-1',
    observed: new Map(
      members.map((member, index) => [member.node, observedOf(member, shapes[index]?.trees)]),
    ),
    impacts: profiles.map((profile) => impactOf(profile, members, shape.effect ?? online)),
    artefacts: {
      publications: profiles.map((profile) => publication(profile, 2)),
      trees: kind === 'php' ? profiles.map((profile) => tree(profile, '8.4.0-r1')) : [],
      release: kind === 'app' ? RELEASES.next : null,
    },
    installed: new Map(members.map(({ node, profile }) => [node, publication(profile, 1)])),
    live: new Map(inventory.sites.map(({ name }) => [name, 'blue' as const])),
    held: new Map(),
    policy: DEFAULT_POLICY,
    scope: { sites: [], farms: [], nodes: [] },
    reverses: null,
    now: NOW,
    ...change,
  };
}

function impactOf(profile: string, members: readonly Member[], effect: Effect): Impact {
  return {
    profile,
    installedDigest: `installed-${profile}-1`,
    nodes: members.filter((member) => member.profile === profile).map(({ node }) => node),
    to: publication(profile, 2),
    effect,
    packages: [
      {
        name: 'dev-libs/openssl',
        slot: '0',
        from: 'dev-libs/openssl-3.0.1',
        to: 'dev-libs/openssl-3.0.2',
        effect,
        reasons: ['libssl.so.3 is mapped by php-fpm on 480 nodes'],
      },
    ],
    restarts: effect === 'service-restart' ? ['sshd', 'crond'] : [],
  };
}

export function planOf(input: PlanInput): RolloutPlan {
  const made = makePlan(input);
  if ('problems' in made) {
    throw new Error(made.problems.map(({ sentence }) => sentence).join(' '));
  }
  return made.plan;
}

/** `code subject` of each problem. */
export function problemsOf(input: PlanInput): readonly string[] {
  const made = makePlan(input);
  return 'problems' in made ? made.problems.map(({ code, subject }) => `${code} ${subject}`) : [];
}
