import type { BalancerWishRow } from '../../database/tables.ts';
import type { Farm, Member, Site } from '../inventory/inventory.ts';
import {
  type CacheMoment,
  type FarmMoment,
  type FarmServer,
  isDark,
  type MemberMoment,
  nextCache,
  type SiteMoment,
} from '../plan/moment.ts';
import type { AdminState, Backend } from '../plan/plan.ts';
import type { NodeSightings } from './node-sightings.ts';
import type { SiteReading } from './readings.ts';
import type { FarmSighting } from './step-sightings.ts';

/** What the rows say that balancers cannot know. */
export interface KnownOfMembers {
  /** Of members that are to be out, by `member:<node>`. */
  readonly wishes: ReadonlyMap<string, BalancerWishRow>;
  readonly held: ReadonlyMap<string, string>;
  /** Rollouts that have a unit with the node under way. */
  readonly owners: ReadonlyMap<string, readonly string[]>;
  readonly nodes: Pick<NodeSightings, 'of'>;
  readonly farm: (name: string) => FarmSighting;
  /** When it was known to be flushed last, in the moment before; epoch milliseconds, 0: never. */
  readonly flushedBefore: (farm: string) => number;
}

/**
 * A site at one moment, as its balancers see it. Which release and which PHP a member serves is what it has reported, or what the
 * last step there came to. What is as it was before is the same object.
 */
export function siteMoment(
  site: Site,
  reading: SiteReading,
  known: KnownOfMembers,
  before: SiteMoment | undefined,
): SiteMoment {
  const farms = site.farms.map((farm, index) => {
    const old = before?.farms[index];
    const now = farmMoment(farm, { reading, known, before: old });
    return old !== undefined && isSameFarm(old, now) ? old : now;
  });
  const isSame =
    before?.peakLoad === site.peakLoad &&
    farms.every((farm, index) => farm === before.farms[index]);
  return isSame ? before : { site: site.name, peakLoad: site.peakLoad, farms };
}

function isSameFarm(old: FarmMoment, now: FarmMoment): boolean {
  return (
    old.farm === now.farm &&
    old.maxOut === now.maxOut &&
    old.minServing === now.minServing &&
    isSameAdmin(old, now, 'blue') &&
    isSameAdmin(old, now, 'green') &&
    isSameCache(old.cache, now.cache) &&
    old.members.length === now.members.length &&
    old.members.every((member, index) => isSameMember(member, now.members[index]))
  );
}

function isSameAdmin(old: FarmMoment, now: FarmMoment, backend: Backend): boolean {
  return old.backends?.[backend].admin === now.backends?.[backend].admin;
}

function isSameMember(old: MemberMoment, now: MemberMoment | undefined): boolean {
  return (
    old.node === now?.node &&
    old.profile === now.profile &&
    old.weight === now.weight &&
    old.admin === now.admin &&
    old.isServing === now.isServing &&
    isSameContent(old, now) &&
    old.outBy === now.outBy &&
    old.held === now.held &&
    isSameList(old.owners, now.owners)
  );
}

function isSameContent(old: MemberMoment, now: MemberMoment): boolean {
  return (
    old.isWebRunning === now.isWebRunning &&
    old.release === now.release &&
    old.tree === now.tree &&
    isSameList(old.lacks, now.lacks)
  );
}

function isSameCache(old: CacheMoment, now: CacheMoment): boolean {
  return old.isStale === now.isStale && isSameList(old.writers, now.writers);
}

function isSameList(old: readonly string[], now: readonly string[]): boolean {
  return old.length === now.length && old.every((one, index) => one === now[index]);
}

/** One farm of it. */
export function farmMoment(
  farm: Farm,
  {
    reading,
    known,
    before,
  }: {
    readonly reading: SiteReading;
    readonly known: KnownOfMembers;
    readonly before: FarmMoment | undefined;
  },
): FarmMoment {
  const blue = serverOf(reading, farm, 'blue');
  const green = serverOf(reading, farm, 'green');
  const now: FarmMoment = {
    farm: farm.name,
    maxOut: farm.maxOut,
    minServing: farm.minServing,
    backends: blue === undefined || green === undefined ? null : { blue, green },
    members: farm.members.map((member) => memberMoment(member, reading, known)),
    cache: NO_CACHE,
  };
  return farm.memcached.length === 0 ? now : { ...now, cache: cacheOf(now, known, before) };
}

function memberMoment(
  { node, profile, weight }: Member,
  reading: SiteReading,
  known: KnownOfMembers,
): MemberMoment {
  const wish = known.wishes.get(`member:${node}`);
  const isOut = wish !== undefined && wish.admin_state !== 'ready';
  const { release, tree, lacks, isWebRunning } = known.nodes.of(node);
  return {
    node,
    profile,
    weight,
    admin: strongest(reading.said(`member:${node}`).map((said) => said?.to ?? null)),
    // A balancer that does not answer is not a member that does not serve.
    isServing: reading.member(node) !== 'out',
    isWebRunning: isWebRunning.value ?? true,
    isBooting: false,
    release: release.value ?? null,
    tree: tree.value ?? null,
    outBy: isOut ? wish.rollout : null,
    held: known.held.get(node) ?? null,
    owners: known.owners.get(node) ?? [],
    lacks: lacks.value ?? [],
  };
}

const NO_CACHE: CacheMoment = { writers: [], isStale: false };

/** Of a farm that was not looked at before, what the rows say: it was dark, and was it flushed since? */
function cacheOf(
  now: FarmMoment,
  known: KnownOfMembers,
  before: FarmMoment | undefined,
): CacheMoment {
  const { flushedAt, outAt } = known.farm(now.farm);
  if (before !== undefined) {
    return nextCache(before, now, flushedAt > known.flushedBefore(now.farm));
  }
  const isStale = outAt > flushedAt || (outAt === 0 && isDark(now));
  return { ...nextCache({ ...now, cache: NO_CACHE }, now, true), isStale };
}

/** The least that any balancer says; undefined when none of them knows farms. */
function serverOf(reading: SiteReading, farm: Farm, backend: Backend): FarmServer | undefined {
  const said = reading.said(`farm:${farm.name}:${backend}`);
  if (said.every((one) => one === undefined)) {
    return undefined;
  }
  const states = said.flatMap((one) => (one === undefined ? [] : [one.to]));
  return { admin: STRENGTH.find((state) => states.includes(state)) ?? null };
}

/** Weakest first. */
const STRENGTH: readonly AdminState[] = ['ready', 'drain', 'maint'];

function strongest(states: readonly (AdminState | null)[]): AdminState | null {
  return STRENGTH.findLast((state) => states.includes(state)) ?? null;
}
