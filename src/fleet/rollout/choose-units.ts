import type { Farm, Site } from '../inventory/inventory.ts';
import type { RolloutPolicy } from '../plan/policy.ts';
import type { WaitReason } from './rollout.ts';
import { Slots } from './slots.ts';
import type { UnitProgress } from './unit-journal.ts';
import type { FleetIndex } from './unit-scene.ts';

/** What the choice is made of, beside the units that are under way. */
export interface Situation {
  readonly policy: RolloutPolicy;
  readonly fleet: FleetIndex;
  /** Nodes that are held, with the reason. */
  readonly held: ReadonlyMap<string, string>;
  /** Whether the balancers of a site were asked: without that, nothing of it begins. */
  readonly isRead: (site: string) => boolean;
  /** What balancers say of a member at this moment. */
  readonly member: (site: string, node: string) => 'serving' | 'out' | 'unknown';
  /** Whether a window of the site is open, and if not, when the next one opens. */
  readonly window: (site: Site) => { readonly isOpen: boolean; readonly opensAt: number | null };
  /** Why the unit could not begin a short while ago, where nothing has happened since that would change it. */
  readonly known: (unit: UnitProgress) => Blocked | undefined;
  /** A plan that takes back another one may find members that do not serve. */
  readonly isWayBack: boolean;
}

export interface Choice {
  /** Units that may begin now, all of them together. They count as being under way from now on. */
  readonly begin: readonly UnitProgress[];
  /** Of the nodes of these, in units that visitors do not notice, those that do not serve. */
  readonly out: ReadonlySet<string>;
  /** Units that could not begin for other reasons than limits and windows. */
  readonly ruled: ReadonlyMap<UnitProgress, Blocked>;
  /** Units whose farm has a held node, or another weakness that is not the rollout's: their stage does not wait for them. */
  readonly left: ReadonlyMap<UnitProgress, Blocked>;
  readonly waits: readonly WaitReason[];
  /** Sites whose balancers have to be asked first: then the choice has to be made anew. */
  readonly unread: ReadonlySet<string>;
}

export interface Blocked {
  readonly kind: 'held' | 'farm-weakened' | 'capacity' | 'unknown' | 'window' | 'limit' | 'gone';
  readonly sentence: string;
  readonly until: number | null;
}

/**
 * Which of the units that their stage lets begin may do so now. A slot is free when its holder was seen to serve again:
 * members count as out that a unit is about to take out, that balancers do not show as serving, and that are held.
 */
export function chooseUnits(
  candidates: readonly UnitProgress[],
  busy: BusyUnits,
  situation: Situation,
): Choice {
  const { slots } = busy;
  const rules = new Rules(busy, situation);
  const begin: UnitProgress[] = [];
  const unread = new Set<string>();
  const blocked = new Map<UnitProgress, Blocked>();
  const ruled = new Map<UnitProgress, Blocked>();
  for (const candidate of candidates) {
    const limit = limitOf(candidate, slots) ?? windowOf(candidate, situation);
    const why = limit ?? situation.known(candidate) ?? rules.missing(candidate);
    if (why === undefined || why === 'unread') {
      begin.push(candidate);
      busy.take(candidate);
      if (why === 'unread') {
        unread.add(candidate.unit.site);
      }
    } else {
      blocked.set(candidate, why);
      if (limit === undefined) {
        ruled.set(candidate, why);
      } else if (slots.isFull) {
        break;
      }
    }
  }
  if (unread.size > 0) {
    begin.splice(0).forEach((unit) => {
      busy.release(unit);
    });
  }
  const out = new Set(begin.flatMap((unit) => rules.outBefore(unit)));
  return { begin, out, ruled, left: leftBehind(blocked), waits: reasonsOf(blocked), unread };
}

const LEFT: readonly Blocked['kind'][] = ['held', 'farm-weakened', 'capacity', 'gone'];

function leftBehind(all: ReadonlyMap<UnitProgress, Blocked>): Choice['left'] {
  return new Map([...all].filter(([, { kind }]) => LEFT.includes(kind)));
}

/** The same sentence once, with the first unit that it is said of. */
function reasonsOf(all: ReadonlyMap<UnitProgress, Blocked>): WaitReason[] {
  const reasons = new Map<string, WaitReason>();
  for (const [{ unit }, { kind, sentence, until }] of all) {
    if (!reasons.has(sentence)) {
      reasons.set(sentence, { kind, unit: unit.id, sentence, until });
    }
  }
  return [...reasons.values()];
}

function limitOf(unit: UnitProgress, slots: Slots): Blocked | undefined {
  const sentence = slots.missing(unit);
  return sentence === undefined ? undefined : { kind: 'limit', sentence, until: null };
}

function windowOf({ unit, effect }: UnitProgress, situation: Situation): Blocked | undefined {
  const site = situation.fleet.site(unit.site);
  if (!situation.policy.obeysWindows || !effect.isNoticeable || site === undefined) {
    return undefined;
  }
  const { isOpen, opensAt } = situation.window(site);
  return isOpen
    ? undefined
    : { kind: 'window', sentence: `No window of ${site.name} is open.`, until: opensAt };
}

/** Units that are under way, or about to be: what they take of the limits, and who is out because of them. */
export class BusyUnits {
  readonly slots: Slots;
  /** Members that are taken out by them. */
  readonly members = new Set<string>();
  readonly #farms = new Map<string, Set<string>>();

  constructor(policy: RolloutPolicy, fleet: FleetIndex) {
    this.slots = new Slots(policy.limits, fleet);
  }

  take(unit: UnitProgress): void {
    this.slots.take(unit);
    const { site, farm, nodes } = unit.unit;
    if (unit.effect.takesMembersOut || unit.effect.takesFarmOut) {
      for (const node of nodes) {
        this.members.add(node);
      }
    }
    if (unit.effect.takesFarmOut) {
      this.#farms.set(site, (this.#farms.get(site) ?? new Set()).add(farm));
    }
  }

  release(unit: UnitProgress): void {
    this.slots.release(unit);
    const { site, farm, nodes } = unit.unit;
    if (unit.effect.takesMembersOut || unit.effect.takesFarmOut) {
      for (const node of nodes) {
        this.members.delete(node);
      }
    }
    if (unit.effect.takesFarmOut) {
      this.#farms.get(site)?.delete(farm);
    }
  }

  /** Farms of a site that are taken out as a whole. */
  farmsOf(site: string): readonly string[] {
    return [...(this.#farms.get(site) ?? [])];
  }
}

/** What has to be so before a unit begins, but for limits and windows. */
class Rules {
  readonly #busy: BusyUnits;
  readonly #situation: Situation;

  constructor(busy: BusyUnits, situation: Situation) {
    this.#busy = busy;
    this.#situation = situation;
  }

  /** Of a unit that visitors do not notice, the nodes that do not serve now. */
  outBefore({ unit, effect }: UnitProgress): readonly string[] {
    return effect.isNoticeable
      ? []
      : unit.nodes.filter((node) => this.#situation.member(unit.site, node) === 'out');
  }

  /** Why the unit cannot begin; undefined when it can. */
  missing(candidate: UnitProgress): Blocked | 'unread' | undefined {
    const { unit, effect } = candidate;
    const { fleet, held, isRead } = this.#situation;
    const site = fleet.site(unit.site);
    const farm = fleet.farm(unit.farm);
    const gone = unit.nodes.find((node) => fleet.member(node)?.farm !== unit.farm);
    if (site === undefined || farm === undefined || gone !== undefined) {
      const what = gone ?? unit.farm;
      return blockedBy('gone', `The inventory does not have ${what} where the plan has it.`);
    }
    const own = unit.nodes.find((node) => held.has(node));
    if (own !== undefined) {
      return blockedBy('held', `${own} is held: ${held.get(own) ?? ''}`);
    }
    if (!isRead(unit.site)) {
      return 'unread';
    }
    if (!effect.isNoticeable) {
      return undefined;
    }
    return (
      this.#ownMissing(candidate) ??
      (effect.takesFarmOut
        ? this.#siteMissing(candidate, site)
        : this.#farmMissing(candidate, farm, site))
    );
  }

  /** Its own members have to serve: otherwise nobody could tell afterwards who has put them out. */
  #ownMissing({ unit }: UnitProgress): Blocked | undefined {
    if (this.#situation.isWayBack) {
      return undefined;
    }
    for (const node of unit.nodes) {
      const state = this.#situation.member(unit.site, node);
      if (state !== 'serving') {
        return state === 'unknown'
          ? unknown(unit.site)
          : blockedBy('farm-weakened', `${node} itself does not serve.`);
      }
    }
    return undefined;
  }

  #farmMissing({ unit, effect }: UnitProgress, farm: Farm, site: Site): Blocked | undefined {
    const others = this.#outOf(farm, unit.nodes, effect.takesMembersOut);
    if (others.isUnknown) {
      return unknown(unit.site);
    }
    const { out } = others;
    const own = unit.nodes.length;
    if (out.length + own > farm.maxOut) {
      return this.#weakened(farm, out, own);
    }
    const left = farm.members.filter(
      ({ node }) => !out.includes(node) && !unit.nodes.includes(node),
    );
    if (!effect.takesMembersOut) {
      return undefined;
    }
    const share = weightOf(left) / weightOf(farm.members);
    return left.length < farm.minServing || share < (site.peakLoad ?? 0)
      ? blockedBy('capacity', `What is left of ${farm.name} would not bear its load.`)
      : undefined;
  }

  #weakened(farm: Farm, out: readonly string[], own: number): Blocked {
    const { held } = this.#situation;
    const names = out.map((node) => (held.has(node) ? `${node} (held)` : node)).join(', ');
    const foreign = out.filter((node) => !this.#busy.members.has(node) || held.has(node));
    return foreign.length === 0
      ? {
          kind: 'limit',
          sentence: `Of ${farm.name}, ${farm.maxOut} may be out at the same time.`,
          until: null,
        }
      : blockedBy(
          foreign.some((node) => held.has(node)) ? 'held' : 'farm-weakened',
          `${farm.name} can spare ${farm.maxOut}: ${names} ${out.length === 1 ? 'is' : 'are'} out, and this would take ${own}.`,
        );
  }

  #siteMissing({ unit }: UnitProgress, site: Site): Blocked | undefined {
    const taken = this.#busy.farmsOf(site.name).find((farm) => farm !== unit.farm);
    if (taken !== undefined) {
      return { kind: 'limit', sentence: `${taken} of ${site.name} is out.`, until: null };
    }
    let serving = 0;
    let all = 0;
    for (const farm of site.farms) {
      all += weightOf(farm.members);
      if (farm.name === unit.farm) {
        continue;
      }
      const { out, isUnknown } = this.#outOf(farm, [], true);
      if (isUnknown) {
        return unknown(site.name);
      }
      if (out.length > farm.maxOut) {
        return this.#weakened(farm, out, 0);
      }
      serving += weightOf(farm.members.filter(({ node }) => !out.includes(node)));
    }
    return serving === 0 || serving / all < (site.peakLoad ?? 0)
      ? blockedBy(
          'capacity',
          `What is left of ${site.name} without ${unit.farm} would not bear its load.`,
        )
      : undefined;
  }

  /** Members of a farm that are out for any reason, without these. */
  #outOf(
    farm: Farm,
    without: readonly string[],
    countsTaken: boolean,
  ): { readonly out: readonly string[]; readonly isUnknown: boolean } {
    const { held, member } = this.#situation;
    const out: string[] = [];
    for (const { node } of farm.members) {
      if (without.includes(node)) {
        continue;
      }
      if (held.has(node) || (countsTaken && this.#busy.members.has(node))) {
        out.push(node);
        continue;
      }
      const state = member(farm.site, node);
      if (state === 'unknown') {
        return { out, isUnknown: true };
      }
      if (state === 'out') {
        out.push(node);
      }
    }
    return { out, isUnknown: false };
  }
}

function blockedBy(kind: Blocked['kind'], sentence: string): Blocked {
  return { kind, sentence, until: null };
}

function unknown(site: string): Blocked {
  return blockedBy('unknown', `Not all balancers of ${site} answer: nobody can tell who serves.`);
}

function weightOf(members: readonly { readonly weight: number }[]): number {
  return members.reduce((sum, { weight }) => sum + weight, 0);
}
