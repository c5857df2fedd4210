import type { Database } from '../../database/database.ts';
import { suggestion } from '../../gentoo/nearest-word.ts';
import type { PhpTrees } from '../../php/php-trees.ts';
import { AppError } from '../../support/errors.ts';
import type { Drivers } from '../drivers/ports.ts';
import type { FleetImpacts, Target } from '../impact/fleet-impacts.ts';
import type { Impact } from '../impact/impact.ts';
import { type Inventory, type Member, membersOf } from '../inventory/inventory.ts';
import type { ObservedNode } from '../observed/observed-node.ts';
import { observedNodes } from '../observed/observed-store.ts';
import type { Artefacts, PhpTreeRef, PublicationRef, ReleaseRef } from '../plan/artefact.ts';
import type { Backend, RolloutKind } from '../plan/plan.ts';
import type { PlanInput } from '../plan/plan-input.ts';
import { publicationRef } from '../plan/publication-ref.ts';
import { configurationsOf } from './balancer-configurations.ts';
import { changedNodes } from './changed-nodes.ts';
import { allWishes, heldNodes, liveBackends } from './fleet-store.ts';
import type { RolloutRequest } from './rollout.ts';

/** Where everything that a plan is made of comes from. */
export interface RolloutSources {
  readonly database: Database;
  readonly folders: { readonly state: string; readonly mirrorRoot: string };
  readonly impacts: FleetImpacts;
  readonly php: Pick<PhpTrees, 'overview'>;
  readonly drivers: Pick<Drivers, 'balancers'>;
}

export type Collected = Pick<
  PlanInput,
  | 'kind'
  | 'observed'
  | 'changed'
  | 'impacts'
  | 'artefacts'
  | 'installed'
  | 'live'
  | 'farmBackends'
  | 'configured'
  | 'held'
>;

/**
 * Pins what is asked for, and reads what is known. `pinned`: what goes back, trees or a release; then no targets are looked
 * for. Throws `rollout-target` for what it cannot find.
 */
export async function collect(
  sources: RolloutSources,
  inventory: Inventory,
  request: Pick<RolloutRequest, 'kind' | 'targets' | 'scope'>,
  pinned?: Artefacts,
): Promise<Collected> {
  const { database } = sources;
  const members = membersOf(inventory).filter((member) => isInScope(member, inventory, request));
  const profiles = new Map(membersOf(inventory).map(({ node, profile }) => [node, profile]));
  const observed = await observedNodes(database, (node) => profiles.get(node));
  const known = [...new Set(profiles.values())];
  const isOs = pinned === undefined && request.kind.startsWith('os');
  const impacts = isOs
    ? await impactsOf(sources, request.targets, { members, observed, known })
    : [];
  const artefacts: Artefacts = pinned ?? {
    publications: [...new Map(impacts.map(({ to }) => [to.profile, to])).values()],
    trees: request.kind === 'php' ? await treesOf(sources, request.targets, members) : [],
    release: request.kind === 'app' ? releaseOf(request.targets, members, observed) : null,
  };
  const live = await liveOf(database, inventory);
  return {
    kind: kindOf(request.kind, impacts),
    observed,
    changed: await changedSinceReports(database, members, observed),
    impacts,
    artefacts,
    installed: isOs ? await installedOn(sources, members, observed) : new Map(),
    live,
    farmBackends: await farmBackendsOf(database, inventory, live),
    configured: request.kind === 'app' ? await configuredOf(sources, inventory) : new Map(),
    held: new Map((await heldNodes(database)).map(({ node, because }) => [node, because])),
  };
}

async function changedSinceReports(
  database: Database,
  members: readonly Member[],
  observed: ReadonlyMap<string, ObservedNode>,
): Promise<NonNullable<Collected['changed']>> {
  const times = members.flatMap(({ node }) => observed.get(node)?.reportedAt ?? []);
  return times.length === 0
    ? new Map()
    : await changedNodes(
        database,
        times.reduce((one, other) => Math.min(one, other)),
      );
}

function isInScope(
  member: Member,
  { sites }: Inventory,
  { scope }: Pick<RolloutRequest, 'scope'>,
): boolean {
  const site = sites.find(({ farms }) => farms.some(({ name }) => name === member.farm));
  const isAll = scope.sites.length + scope.farms.length + scope.nodes.length === 0;
  return (
    isAll ||
    scope.nodes.includes(member.node) ||
    scope.farms.includes(member.farm) ||
    scope.sites.includes(site?.name ?? '')
  );
}

/** `os` becomes what the packages do: online when no service has to leave its visitors. */
function kindOf(kind: RolloutRequest['kind'], impacts: readonly Impact[]): RolloutKind {
  if (kind !== 'os') {
    return kind;
  }
  const isOnline = impacts.every(({ effect }) => effect === 'none' || effect === 'service-restart');
  return isOnline ? 'os-online' : 'os-disruptive';
}

interface OfNodes {
  readonly members: readonly Member[];
  readonly observed: ReadonlyMap<string, ObservedNode>;
  /** Profiles of the inventory. */
  readonly known: readonly string[];
}

async function impactsOf(
  { impacts }: RolloutSources,
  targets: readonly string[],
  { members, observed, known }: OfNodes,
): Promise<readonly Impact[]> {
  const wanted = targets.map(parseTarget);
  if (wanted.length === 0) {
    throw targetFault(
      '',
      'An upgrade of packages names publications: PROFILE/CHANNEL or PROFILE/CHANNEL@SERIAL.',
    );
  }
  const of = oneOfEach(wanted, targets, known);
  const nodes = members.filter(({ node, profile }) => of.has(profile) && observed.has(node));
  return nodes.length === 0
    ? []
    : await impacts.of({ targets: wanted, nodes: nodes.map(({ node }) => node) });
}

/** The profiles of targets: each is one of the inventory, and is named once. */
function oneOfEach(
  wanted: readonly Target[],
  targets: readonly string[],
  known: readonly string[],
): ReadonlySet<string> {
  for (const [at, { profile }] of wanted.entries()) {
    const text = targets[at] ?? '';
    if (!known.includes(profile)) {
      const hint = suggestion(profile, known);
      throw targetFault(
        text,
        `"${text}": no node of the inventory has the profile ${profile}.${hint}`,
      );
    }
    const first = wanted.findIndex((one) => one.profile === profile);
    if (first < at) {
      throw targetFault(
        text,
        `"${text}" names another publication of ${profile} than "${targets[first]}". Name one for each profile.`,
      );
    }
  }
  return new Set(wanted.map(({ profile }) => profile));
}

function parseTarget(text: string): Target {
  const match = /^([^/@\s]+)\/([^/@\s]+)(?:@([0-9]{1,9}))?$/.exec(text);
  const [, profile, channel, serial] = match ?? [];
  if (profile === undefined || channel === undefined) {
    throw targetFault(
      text,
      `"${text}" names no publication: PROFILE/CHANNEL or PROFILE/CHANNEL@SERIAL.`,
    );
  }
  return { profile, channel, ...(serial === undefined ? {} : { serial: Number(serial) }) };
}

/** Of each profile the newest tree of the id or version that is asked for. */
async function treesOf(
  { php }: RolloutSources,
  targets: readonly string[],
  members: readonly Member[],
): Promise<readonly PhpTreeRef[]> {
  const profiles = [...new Set(members.map(({ profile }) => profile))];
  const found: PhpTreeRef[] = [];
  for (const target of targets) {
    let isFound = false;
    for (const profile of profiles) {
      const { trees } = await php.overview(profile);
      const tree = trees.findLast(({ id, meta }) => id === target || meta.php === target);
      if (tree !== undefined) {
        requireNone(found, profile, target);
        isFound = true;
        found.push({ profile, id: tree.id, manifest: tree.listing.manifest });
      }
    }
    if (!isFound) {
      throw targetFault(target, `No profile of the nodes in scope has a PHP tree ${target}.`);
    }
  }
  return found;
}

function requireNone(found: readonly PhpTreeRef[], profile: string, target: string): void {
  const other = found.find((one) => one.profile === profile);
  if (other !== undefined) {
    const text = `"${target}" is another PHP tree of ${profile} than ${other.id}. Name one for each profile.`;
    throw targetFault(target, text);
  }
}

/** The release with what identifies its content, as the nodes say. */
function releaseOf(
  targets: readonly string[],
  members: readonly Member[],
  observed: ReadonlyMap<string, ObservedNode>,
): ReleaseRef | null {
  const [release, ...others] = targets;
  if (release === undefined || others.length > 0) {
    throw targetFault(targets.join(' '), 'A rollout of the application names one release.');
  }
  const counts = new Map<string, number>();
  for (const { node } of members) {
    const there = observed.get(node)?.system?.releases.find((one) => one.release === release);
    if (there !== undefined) {
      counts.set(there.digest, (counts.get(there.digest) ?? 0) + 1);
    }
  }
  const [digest] = [...counts].toSorted((one, other) => other[1] - one[1])[0] ?? [];
  if (digest === undefined) {
    throw targetFault(release, `No node in scope has said that the release ${release} lies on it.`);
  }
  return { release, digest };
}

/** What each node has installed, where that is a publication that is still there: the way back. */
async function installedOn(
  { folders }: RolloutSources,
  members: readonly Member[],
  observed: ReadonlyMap<string, ObservedNode>,
): Promise<ReadonlyMap<string, PublicationRef>> {
  const known = new Map<string, PublicationRef | null>();
  const installed = new Map<string, PublicationRef>();
  for (const { node } of members) {
    const said = observed.get(node);
    if (said === undefined || said.serial === null) {
      continue;
    }
    const { profile, channel, serial } = said;
    const key = JSON.stringify([profile, channel, serial]);
    let ref = known.get(key);
    if (ref === undefined) {
      ref = await publicationRef(folders, { profile, channel, serial }).catch((error: unknown) => {
        if (isGone(error)) {
          return null;
        }
        throw error;
      });
      known.set(key, ref);
    }
    if (ref !== null) {
      installed.set(node, ref);
    }
  }
  return installed;
}

function isGone(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

/** Where no rollout has moved a farm yet, blue serves: `rookery fleet haproxy` writes it so. */
async function liveOf(
  database: Database,
  { sites }: Inventory,
): Promise<ReadonlyMap<string, Backend>> {
  const rows = await liveBackends(database);
  const green = new Set(rows.filter(({ backend }) => backend === 'green').map(({ site }) => site));
  return new Map(sites.map(({ name }) => [name, green.has(name) ? 'green' : 'blue']));
}

/** Farms that were told to serve in another backend than the live one of their site. */
async function farmBackendsOf(
  database: Database,
  { sites }: Inventory,
  live: ReadonlyMap<string, Backend>,
): Promise<ReadonlyMap<string, Backend>> {
  const wishes = new Map((await allWishes(database)).map((row) => [row.server, row.admin_state]));
  const found = new Map<string, Backend>();
  for (const site of sites) {
    const other: Backend = (live.get(site.name) ?? 'blue') === 'blue' ? 'green' : 'blue';
    for (const { name } of site.farms) {
      if (wishes.get(`farm:${name}:${other}`) === 'ready') {
        found.set(name, other);
      }
    }
  }
  return found;
}

async function configuredOf(
  { drivers }: RolloutSources,
  { sites }: Inventory,
): Promise<NonNullable<Collected['configured']>> {
  const all = await Promise.all(
    sites.map(
      async (site) => [site.name, await configurationsOf(drivers.balancers, site)] as const,
    ),
  );
  return new Map(all.map(([name, { configured }]) => [name, configured]));
}

function targetFault(target: string, text: string): AppError {
  return new AppError('rollout-target', text, { details: { target } });
}
