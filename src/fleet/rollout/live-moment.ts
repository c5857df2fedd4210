import type { BalancerWishRow } from '../../database/tables.ts';
import type { Farm, Site } from '../inventory/inventory.ts';
import type { FarmMoment, FarmServer, MemberMoment, SiteMoment } from '../plan/moment.ts';
import type { AdminState, Backend } from '../plan/plan.ts';
import type { SiteReading } from './readings.ts';

/** What the rows say that balancers cannot know. */
export interface KnownOfMembers {
  /** Of members that are to be out, by `member:<node>`. */
  readonly wishes: ReadonlyMap<string, BalancerWishRow>;
  readonly held: ReadonlyMap<string, string>;
  /** Rollouts that have a unit with the node under way. */
  readonly owners: ReadonlyMap<string, readonly string[]>;
}

/**
 * A site at one moment, as its balancers see it. What no balancer can say, which release and which PHP a member serves and what
 * lies in a cache, is not in it: steps of units look at that. What is as it was before is the same object.
 */
export function siteMoment(
  site: Site,
  reading: SiteReading,
  known: KnownOfMembers,
  before: SiteMoment | undefined,
): SiteMoment {
  const farms = site.farms.map((farm, index) => {
    const now = farmMoment(farm, reading, known);
    const old = before?.farms[index];
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
    old.backends?.blue.admin === now.backends?.blue.admin &&
    old.backends?.green.admin === now.backends?.green.admin &&
    old.members.length === now.members.length &&
    old.members.every((member, index) => isSameMember(member, now.members[index]))
  );
}

function isSameMember(old: MemberMoment, now: MemberMoment | undefined): boolean {
  return (
    old.node === now?.node &&
    old.profile === now.profile &&
    old.weight === now.weight &&
    old.admin === now.admin &&
    old.isServing === now.isServing &&
    old.outBy === now.outBy &&
    old.held === now.held &&
    old.owners.length === now.owners.length &&
    old.owners.every((owner, index) => owner === now.owners[index])
  );
}

/** One farm of it. */
export function farmMoment(farm: Farm, reading: SiteReading, known: KnownOfMembers): FarmMoment {
  const blue = serverOf(reading, farm, 'blue');
  const green = serverOf(reading, farm, 'green');
  return {
    farm: farm.name,
    maxOut: farm.maxOut,
    minServing: farm.minServing,
    backends: blue === undefined || green === undefined ? null : { blue, green },
    members: farm.members.map((member): MemberMoment => {
      const { node, profile, weight } = member;
      const wish = known.wishes.get(`member:${node}`);
      const isOut = wish !== undefined && wish.admin_state !== 'ready';
      return {
        node,
        profile,
        weight,
        admin: strongest(reading.said(`member:${node}`).map((said) => said?.to ?? null)),
        // A balancer that does not answer is not a member that does not serve.
        isServing: reading.member(node) !== 'out',
        isWebRunning: true,
        isBooting: false,
        release: null,
        tree: null,
        outBy: isOut ? wish.rollout : null,
        held: known.held.get(node) ?? null,
        owners: known.owners.get(node) ?? [],
        lacks: [],
      };
    }),
    cache: { writers: [], isStale: false },
  };
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
