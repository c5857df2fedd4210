import { type Atom, matchesAtom } from '../../gentoo/atom.ts';
import { type BaseSystem, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import { parseCpv } from '../../gentoo/cpv.ts';
import { compareVersions } from '../../gentoo/version.ts';
import {
  type GatePackage,
  type Requirement,
  readBasePackage,
  readBaseSoname,
} from '../../repository/gate/gate-package.ts';
import { Universe } from '../../repository/gate/universe.ts';
import { isBuild } from '../../repository/proof/compare-installed.ts';
import type { ImpactPackage } from './impact-package.ts';

/** What becomes of one category/pn:slot. */
export interface PackageChange {
  readonly name: string;
  readonly slot: string;
  /** Null for what comes. */
  readonly from: ImpactPackage | null;
  /** Null for what goes: a package that blocks it comes. */
  readonly to: ImpactPackage | null;
}

/** What merging a publication makes of a set of installed packages. */
export interface PackageChanges {
  /** By name and slot. */
  readonly changes: readonly PackageChange[];
  /** Installed packages that stay as they are. */
  readonly stays: readonly ImpactPackage[];
  /** What is there before and after it, with what nodes have without any package. */
  readonly before: Universe;
  readonly after: Universe;
}

/**
 * What `emerge --usepkgonly --update --deep --newuse @world` would change, where the publication is all there is: of each
 * category/pn:slot that is installed the published build, if it is another one (as `--rebuilt-binaries`, which goes
 * with these options, a build of the same version with another BUILD_TIME counts). A package that is not installed comes
 * when something that changes needs it and nothing installed will do. What the publication does not have stays.
 */
export function changesBetween(
  installed: readonly ImpactPackage[],
  published: readonly ImpactPackage[],
  base: BaseSystem = NO_BASE_SYSTEM,
): PackageChanges {
  const offered = newestBySlot(published);
  const replaced: PackageChange[] = [];
  const stays: ImpactPackage[] = [];
  for (const one of installed.toSorted((a, b) => compareTexts(keyOf(a.gate), keyOf(b.gate)))) {
    const to = offered.get(keyOf(one.gate));
    if (to === undefined || isSameBuild(one, to)) {
      stays.push(one);
    } else {
      replaced.push({ ...nameOf(one.gate), from: one, to });
    }
  }
  const [before, after] = [universeOf(base, installed), universeOf(base, stays)];
  const merged = replaced.flatMap(({ to }) => to ?? []);
  for (const { gate } of merged) {
    after.add(gate);
  }
  const coming = comingWith(merged, offered, after);
  const blocked = blockedBy([...merged, ...coming], stays);
  for (const { gate } of blocked) {
    after.remove(gate);
  }
  const changes = [
    ...replaced,
    ...coming.map((to) => ({ ...nameOf(to.gate), from: null, to })),
    ...[...blocked].map((from) => ({ ...nameOf(from.gate), from, to: null })),
  ];
  return {
    changes: changes.toSorted(byName),
    stays: stays.filter((one) => !blocked.has(one)),
    before,
    after,
  };
}

function isSameBuild(one: ImpactPackage, { gate, ...build }: ImpactPackage): boolean {
  const { cpv } = gate;
  const { buildId, buildTime, formerBuildIds } = build;
  const has = { cpv: one.gate.cpv, buildId: one.buildId, buildTime: one.buildTime };
  return (
    buildId !== null &&
    buildTime !== null &&
    isBuild(has, { cpv, buildId, buildTimeSeconds: buildTime, formerBuildIds })
  );
}

/** Of each slot what Portage would take: the highest version, of that the newest build. */
function newestBySlot(published: readonly ImpactPackage[]): ReadonlyMap<string, ImpactPackage> {
  const newest = new Map<string, ImpactPackage>();
  for (const one of published) {
    const rival = newest.get(keyOf(one.gate));
    if (rival === undefined || compareBuilds(one, rival) > 0) {
      newest.set(keyOf(one.gate), one);
    }
  }
  return newest;
}

function compareBuilds(a: ImpactPackage, b: ImpactPackage): number {
  return (
    compareVersions(versionOf(a), versionOf(b)) ||
    (a.buildTime ?? 0) - (b.buildTime ?? 0) ||
    (a.buildId ?? 0) - (b.buildId ?? 0)
  );
}

function versionOf({ gate }: ImpactPackage): string {
  return parseCpv(gate.cpv).version;
}

/** What else has to come so that these have what they need; it is added to `after`. What nothing offers stays a lack. */
function comingWith(
  merged: readonly ImpactPackage[],
  offered: ReadonlyMap<string, ImpactPackage>,
  after: Universe,
): ImpactPackage[] {
  const candidates = new Map([...offered.values()].map((one) => [one.gate, one]));
  const shop = new Universe();
  for (const gate of candidates.keys()) {
    shop.add(gate);
  }
  const known = new Set(merged);
  const queue = [...merged];
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    for (const { requirement } of one.gate.needs) {
      const chosen = chosenFor(requirement, after, shop) ?? [];
      const coming = chosen.flatMap((gate) => candidates.get(gate) ?? []);
      for (const found of coming.filter((other) => !known.has(other))) {
        known.add(found);
        queue.push(found);
        after.add(found.gate);
      }
    }
  }
  return [...known].slice(merged.length);
}

/** What would have to come to meet a requirement: nothing when it is met; undefined when nothing would do. */
function chosenFor(
  requirement: Requirement,
  after: Universe,
  shop: Universe,
): readonly GatePackage[] | undefined {
  if (after.satisfies(requirement)) {
    return [];
  }
  if (requirement.kind === 'atom') {
    const best = bestOf(requirement.atom, shop);
    return best === undefined ? undefined : [best];
  }
  for (const way of requirement.ways) {
    const parts = way.map((part) => chosenFor(part, after, shop));
    if (parts.every((part) => part !== undefined)) {
      return parts.flat();
    }
  }
  return undefined;
}

function bestOf(atom: Atom, shop: Universe): GatePackage | undefined {
  return shop
    .matching(atom)
    .toSorted((a, b) => compareVersions(parseCpv(a.cpv).version, parseCpv(b.cpv).version))
    .at(-1);
}

/** Portage takes away what blocks, or is blocked by, what it merges. */
function blockedBy(
  merged: readonly ImpactPackage[],
  stays: readonly ImpactPackage[],
): ReadonlySet<ImpactPackage> {
  const named = new Map<string, GatePackage[]>();
  const blockers = new Map<string, Atom[]>();
  for (const { gate } of merged) {
    into(named, gate.name, gate);
    for (const atom of gate.blocks) {
      into(blockers, `${atom.category}/${atom.pn}`, atom);
    }
  }
  const isBlocked = ({ gate }: ImpactPackage): boolean =>
    (blockers.get(gate.name) ?? []).some((atom) => matchesAtom(atom, gate.candidate)) ||
    gate.blocks.some((atom) =>
      (named.get(`${atom.category}/${atom.pn}`) ?? []).some(({ candidate }) =>
        matchesAtom(atom, candidate),
      ),
    );
  return new Set(stays.filter(isBlocked));
}

function into<T>(map: Map<string, T[]>, key: string, one: T): void {
  const list = map.get(key);
  if (list === undefined) {
    map.set(key, [one]);
  } else {
    list.push(one);
  }
}

function universeOf(base: BaseSystem, packages: readonly ImpactPackage[]): Universe {
  const universe = new Universe();
  const named = new Set(packages.map(({ gate }) => keyOf(gate)));
  const others = base.packages.map(readBasePackage).filter((one) => !named.has(keyOf(one)));
  for (const one of [...others, ...base.sonames.map(readBaseSoname)]) {
    universe.add(one);
  }
  for (const { gate } of packages) {
    universe.add(gate);
  }
  return universe;
}

function keyOf({ name, slot }: GatePackage): string {
  return `${name}:${slot}`;
}

function nameOf({ name, slot }: GatePackage): { readonly name: string; readonly slot: string } {
  return { name, slot };
}

function byName(a: PackageChange, b: PackageChange): number {
  return compareTexts(`${a.name}:${a.slot}`, `${b.name}:${b.slot}`);
}

function compareTexts(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}
