import { grouped } from './findings.ts';
import type { Target } from './targets.ts';

/**
 * Sets of nodes that together have every combination of profile, web server and resident PHP trees once; in each set at most one
 * node of a farm. One set is enough unless combinations are only in the same few farms.
 */
export function canaryCover(targets: readonly Target[]): readonly (readonly Target[])[] {
  const kinds = [...grouped(targets, kindOf)]
    .map(([kind, of]) => ({ kind, byFarm: bestByFarm(of) }))
    .toSorted((one, other) => one.byFarm.size - other.byFarm.size || order(one.kind, other.kind));
  const sets: Target[][] = [];
  let left = kinds;
  while (left.length > 0) {
    const owners = match(left);
    sets.push(
      [...owners].map(([farm, { byFarm }]) => byFarm.get(farm)).filter((it) => it !== undefined),
    );
    const done = new Set(owners.values());
    left = left.filter((kind) => !done.has(kind));
  }
  return sets;
}

interface Kind {
  readonly kind: string;
  /** By farm: whom to take there. */
  readonly byFarm: ReadonlyMap<string, Target>;
}

function kindOf({ member, observed }: Target): string {
  const trees = observed.php.resident.map(({ id }) => id).toSorted();
  return [member.profile, member.webServer, ...trees].join(' ');
}

/** Farms in which somebody is eager come first; in each the eager one, then the one with the lowest index. */
function bestByFarm(targets: readonly Target[]): ReadonlyMap<string, Target> {
  const sorted = targets.toSorted(
    (one, other) =>
      Number(other.member.isEager) - Number(one.member.isEager) ||
      one.farm.members.length - other.farm.members.length ||
      order(one.farm.name, other.farm.name) ||
      one.member.index - other.member.index,
  );
  const best = new Map<string, Target>();
  for (const target of sorted) {
    if (!best.has(target.farm.name)) {
      best.set(target.farm.name, target);
    }
  }
  return best;
}

/** As many kinds as possible, each with a farm of its own: augmenting paths, rarest kinds first. */
function match(kinds: readonly Kind[]): ReadonlyMap<string, Kind> {
  const owners = new Map<string, Kind>();
  for (const kind of kinds) {
    place(kind, owners, new Set());
  }
  return owners;
}

function place(kind: Kind, owners: Map<string, Kind>, seen: Set<string>): boolean {
  for (const farm of kind.byFarm.keys()) {
    if (seen.has(farm)) {
      continue;
    }
    seen.add(farm);
    const owner = owners.get(farm);
    if (owner === undefined || place(owner, owners, seen)) {
      owners.set(farm, kind);
      return true;
    }
  }
  return false;
}

function order(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
