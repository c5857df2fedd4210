import { type Atom, matchesAtom } from '../../gentoo/atom.ts';
import { atomsOf, type GatePackage, type Requirement } from './gate-package.ts';

/** What nodes can have: the packages of a snapshot and the base system, found by name and by soname. */
export class Universe {
  readonly #byName = new Map<string, Set<GatePackage>>();
  readonly #providers = new Map<string, number>();
  /** Provided sonames by what all versions of them have in common. */
  readonly #versions = new Map<string, Set<string>>();
  readonly #dependants = new Map<string, Set<GatePackage>>();
  readonly #requirers = new Map<string, Set<GatePackage>>();
  /** Answers of `matches`, until a package comes or goes. */
  readonly #matched = new Map<Atom, boolean>();

  add(one: GatePackage): void {
    this.#matched.clear();
    into(this.#byName, one.name, one);
    this.provide(one.provides);
    for (const name of namesNeededBy(one)) {
      into(this.#dependants, name, one);
    }
    for (const soname of one.requires) {
      into(this.#requirers, soname, one);
    }
  }

  remove(one: GatePackage): void {
    this.#matched.clear();
    outOf(this.#byName, one.name, one);
    for (const soname of one.provides) {
      const left = (this.#providers.get(soname) ?? 0) - 1;
      this.#providers.set(soname, left);
      if (left === 0) {
        outOf(this.#versions, stemOf(soname), soname);
      }
    }
    for (const name of namesNeededBy(one)) {
      outOf(this.#dependants, name, one);
    }
    for (const soname of one.requires) {
      outOf(this.#requirers, soname, one);
    }
  }

  /** Also for sonames that no package has, but the system. */
  provide(sonames: readonly string[]): void {
    for (const soname of sonames) {
      into(this.#versions, stemOf(soname), soname);
      this.#providers.set(soname, (this.#providers.get(soname) ?? 0) + 1);
    }
  }

  /** Whose state may be another one when this package comes or goes; itself among them. */
  touchedBy(one: GatePackage): ReadonlySet<GatePackage> {
    return new Set([
      one,
      ...(this.#dependants.get(one.name) ?? []),
      ...one.provides.flatMap((soname) => [...(this.#requirers.get(soname) ?? [])]),
    ]);
  }

  named(name: string): readonly GatePackage[] {
    return [...(this.#byName.get(name) ?? [])];
  }

  isProvided(soname: string): boolean {
    return (this.#providers.get(soname) ?? 0) > 0;
  }

  /** Another version of a soname that is provided: `libfoo.so.2` for `libfoo.so.1`. */
  otherVersion(soname: string): string | undefined {
    const versions = this.#versions.get(stemOf(soname)) ?? [];
    return [...versions].filter((other) => other !== soname).toSorted()[0];
  }

  matches(atom: Atom): boolean {
    const known = this.#matched.get(atom);
    if (known !== undefined) {
      return known;
    }
    const isMatched = this.#matchesAny(atom);
    this.#matched.set(atom, isMatched);
    return isMatched;
  }

  matching(atom: Atom): readonly GatePackage[] {
    return this.named(`${atom.category}/${atom.pn}`).filter((one) => isMatch(atom, one));
  }

  satisfies(requirement: Requirement): boolean {
    return requirement.kind === 'atom'
      ? this.matches(requirement.atom)
      : requirement.ways.some((way) => way.every((one) => this.satisfies(one)));
  }

  #matchesAny(atom: Atom): boolean {
    for (const one of this.#byName.get(`${atom.category}/${atom.pn}`) ?? []) {
      if (isMatch(atom, one)) {
        return true;
      }
    }
    return false;
  }
}

/** The flags of a package are only looked at where they are asked for: that is seldom, and costs. */
function isMatch(atom: Atom, { candidate }: GatePackage): boolean {
  const { cpv, slot } = candidate;
  return matchesAtom(atom, atom.use.length === 0 ? { cpv, slot } : candidate);
}

function namesNeededBy(one: GatePackage): ReadonlySet<string> {
  return new Set(
    one.needs.flatMap(({ requirement }) =>
      atomsOf(requirement).map(({ category, pn }) => `${category}/${pn}`),
    ),
  );
}

function stemOf(soname: string): string {
  return soname.replace(/\.so(?:\..*)?$/, '').replace(/-[0-9][0-9.]*$/, '');
}

function into<T>(map: Map<string, Set<T>>, key: string, one: T): void {
  const set = map.get(key);
  if (set === undefined) {
    map.set(key, new Set([one]));
  } else {
    set.add(one);
  }
}

function outOf<T>(map: Map<string, Set<T>>, key: string, one: T): void {
  const set = map.get(key);
  set?.delete(one);
  if (set?.size === 0) {
    map.delete(key);
  }
}
