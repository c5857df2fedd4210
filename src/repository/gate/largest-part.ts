import { type Lack, lacksOf } from './closure.ts';
import type { Finding } from './finding.ts';
import { atomsOf, type GatePackage } from './gate-package.ts';
import { Universe } from './universe.ts';

/** Packages that are to come to what a channel holds. */
export interface Offer {
  /** What the channel holds, and the base system. */
  readonly present: readonly GatePackage[];
  /** Each takes the place of what has its name and slot. */
  readonly offered: readonly GatePackage[];
  /** What speaks against offered packages by themselves, by id; sentences. */
  readonly unfit: ReadonlyMap<string, string>;
  /** Findings that do not stop a publication. */
  readonly isLetPass: (finding: Finding) => boolean;
}

export interface LeftOut {
  readonly package: GatePackage;
  /** A sentence. */
  readonly reason: string;
  /** `category/pn` of what it lacks, or would break. */
  readonly lacks: readonly string[];
}

export interface Part {
  readonly chosen: readonly GatePackage[];
  readonly leftOut: readonly LeftOut[];
  /** Every other part that breaks nothing lies within it. False when one of several had to give way. */
  readonly isGreatest: boolean;
}

/**
 * The largest part of an offer with which nothing would lack anything that it does not lack now: neither a package of
 * the part nor one that stays.
 *
 * It begins with all and takes away what cannot stay, until nothing has to go: a package that lacks something, and one
 * whose coming takes away what another has. As long as each fault leaves one package to blame, what is left is the
 * greatest part there is. Where one of two has to give way (it needs what the other replaces), the one that needs it
 * does; afterwards whatever fits again is put back.
 */
export function largestPart(offer: Offer): Part {
  const search = new Search(offer);
  search.takeAwayUnfit();
  search.takeAway();
  search.putBack();
  return search.part();
}

interface Fault {
  readonly one: GatePackage;
  /** What it lacks; null when it is unfit by itself. */
  readonly wanted: Lack['wanted'] | null;
  /** A sentence. */
  readonly message: string;
  /** One of these has to go. */
  readonly blamed: readonly GatePackage[];
}

class Search {
  readonly #offer: Offer;
  readonly #before = new Universe();
  readonly #universe = new Universe();
  readonly #present = new Set<GatePackage>();
  readonly #chosen: Set<GatePackage>;
  /** The chosen ones by slot, and what has to go for them. */
  readonly #takers = new Map<string, Set<GatePackage>>();
  readonly #replaced = new Map<string, Set<GatePackage>>();
  /** Slots of replaced packages, by name and by soname. */
  readonly #slotsAbout = new Map<string, Set<string>>();
  readonly #dropped = new Map<GatePackage, Fault>();
  readonly #suspects = new Set<GatePackage>();
  #hasChosenOne = false;

  constructor(offer: Offer) {
    this.#offer = offer;
    this.#chosen = new Set(offer.offered);
    for (const one of offer.offered) {
      into(this.#takers, slotOf(one), one);
      this.#universe.add(one);
    }
    for (const one of offer.present) {
      this.#before.add(one);
      if (one.file !== null && this.#takers.has(slotOf(one))) {
        this.#replace(one);
      } else {
        this.#present.add(one);
        this.#universe.add(one);
      }
    }
    for (const one of [...this.#replaced.values()].flatMap((all) => [...all])) {
      this.#suspect(one);
    }
    for (const one of offer.offered) {
      this.#suspect(one);
    }
  }

  #replace(one: GatePackage): void {
    const slot = slotOf(one);
    into(this.#replaced, slot, one);
    for (const key of [one.name, ...one.provides]) {
      into(this.#slotsAbout, key, slot);
    }
  }

  takeAwayUnfit(): void {
    for (const one of this.#offer.offered) {
      const message = this.#offer.unfit.get(one.id);
      if (message !== undefined) {
        this.#drop(one, { one, wanted: null, message, blamed: [one] });
      }
    }
  }

  takeAway(): void {
    const undecided = new Set<GatePackage>();
    for (;;) {
      const [suspect] = this.#suspects;
      const one = suspect ?? [...undecided][0];
      if (one === undefined) {
        return;
      }
      this.#suspects.delete(one);
      const fault = this.#isThere(one) ? this.#faultOf(one) : undefined;
      if (fault === undefined) {
        undecided.delete(one);
      } else if (fault.blamed.length === 1 || suspect === undefined) {
        this.#hasChosenOne ||= fault.blamed.length > 1;
        this.#drop(toDrop(fault), fault);
      } else {
        undecided.add(one);
      }
    }
  }

  /** What was taken away may fit after another that was to blame has gone. */
  putBack(): void {
    let isAnother = this.#hasChosenOne;
    while (isAnother) {
      isAnother = false;
      for (const one of this.#offer.offered) {
        const mayFit = this.#dropped.has(one) && !this.#offer.unfit.has(one.id);
        isAnother = (mayFit && this.#fitsAgain(one)) || isAnother;
      }
    }
  }

  part(): Part {
    const { offered } = this.#offer;
    return {
      isGreatest: !this.#hasChosenOne,
      chosen: offered.filter((one) => this.#chosen.has(one)),
      leftOut: offered.flatMap((one) => {
        const fault = this.#dropped.get(one);
        return fault === undefined ? [] : [this.#leftOut(one, fault)];
      }),
    };
  }

  #suspect(changed: GatePackage): void {
    for (const one of this.#universe.touchedBy(changed)) {
      if (this.#isThere(one)) {
        this.#suspects.add(one);
      }
    }
  }

  #drop(one: GatePackage, fault: Fault): void {
    this.#dropped.set(one, fault);
    for (const changed of this.#exchange(one, 'goes')) {
      this.#suspect(changed);
    }
  }

  #fitsAgain(one: GatePackage): boolean {
    const changed = this.#exchange(one, 'comes');
    const touched = changed.flatMap((other) => [...this.#universe.touchedBy(other)]);
    const isFit = touched.every(
      (other) => !this.#isThere(other) || this.#faultsOf(other).length === 0,
    );
    if (isFit) {
      this.#dropped.delete(one);
    } else {
      this.#exchange(one, 'goes');
    }
    return isFit;
  }

  /** Returns all that comes or goes with it: what the channel has of its slot makes room for it, or is there again. */
  #exchange(one: GatePackage, way: 'comes' | 'goes'): readonly GatePackage[] {
    const others = this.#returnsWithout(one);
    const [coming, going] = way === 'comes' ? [[one], others] : [others, [one]];
    for (const other of going) {
      this.#universe.remove(other);
    }
    for (const other of coming) {
      this.#universe.add(other);
    }
    for (const other of others) {
      if (way === 'comes') {
        this.#present.delete(other);
      } else {
        this.#present.add(other);
      }
    }
    if (way === 'comes') {
      this.#chosen.add(one);
      into(this.#takers, slotOf(one), one);
    } else {
      this.#chosen.delete(one);
      this.#takers.get(slotOf(one))?.delete(one);
    }
    return [one, ...others];
  }

  #isThere(one: GatePackage): boolean {
    return this.#chosen.has(one) || this.#present.has(one);
  }

  /** What the channel keeps of a slot when this does not take it. */
  #returnsWithout(one: GatePackage): readonly GatePackage[] {
    const slot = slotOf(one);
    const isTaken = [...(this.#takers.get(slot) ?? [])].some((other) => other !== one);
    return isTaken ? [] : [...(this.#replaced.get(slot) ?? [])];
  }

  #faultOf(one: GatePackage): Fault | undefined {
    const faults = this.#faultsOf(one);
    return faults.find(({ blamed }) => blamed.length === 1) ?? faults[0];
  }

  /** What it lacks and did not lack before, or what had its slot. */
  #faultsOf(one: GatePackage): Fault[] {
    const lacks = lacksOf(one, this.#universe).filter(
      ({ finding }) => !this.#offer.isLetPass(finding),
    );
    if (lacks.length === 0) {
      return [];
    }
    const known = new Set(
      this.#before
        .named(one.name)
        .filter(({ slot }) => slot === one.slot)
        .flatMap((other) => lacksOf(other, this.#before).map(({ text }) => text)),
    );
    return lacks.flatMap((lack) => {
      const blamed = known.has(lack.text) ? [] : this.#blamed(one, lack);
      const { wanted, finding } = lack;
      return blamed.length === 0 ? [] : [{ one, wanted, message: finding.message, blamed }];
    });
  }

  /** Itself, and those whose leaving would bring back what it lacks. */
  #blamed(one: GatePackage, { wanted }: Lack): GatePackage[] {
    const keys = typeof wanted === 'string' ? [wanted] : atomsOf(wanted).map(nameOfAtom);
    const slots = new Set(keys.flatMap((key) => [...(this.#slotsAbout.get(key) ?? [])]));
    const about = [...slots].flatMap((slot) => [...(this.#takers.get(slot) ?? [])]);
    const takers = about.filter(
      (other) => other !== one && this.#isMetBy(wanted, this.#returnsWithout(other)),
    );
    if (this.#chosen.has(one)) {
      return [one, ...takers];
    }
    // Only several together would bring it back.
    return takers.length === 0 ? about : takers;
  }

  #isMetBy(wanted: Lack['wanted'], returning: readonly GatePackage[]): boolean {
    for (const one of returning) {
      this.#universe.add(one);
    }
    const isMet =
      typeof wanted === 'string'
        ? this.#universe.isProvided(wanted)
        : this.#universe.satisfies(wanted);
    for (const one of returning) {
      this.#universe.remove(one);
    }
    return isMet;
  }

  #leftOut(one: GatePackage, fault: Fault): LeftOut {
    const { wanted, message } = fault;
    const isAtoms = wanted !== null && typeof wanted !== 'string';
    const names = isAtoms ? atomsOf(wanted).map(nameOfAtom) : [];
    const lacks = fault.one === one ? [...new Set(names)] : [fault.one.name];
    const others = [...this.#dropped.keys()].filter(
      (other) => other !== one && lacks.includes(other.name),
    );
    const more =
      others.length === 0 ? '' : ` Left out as well: ${others.map(({ cpv }) => cpv).join(', ')}.`;
    const reason =
      fault.one === one
        ? `${message}${more}`
        : `It would break ${fault.one.cpv}, which stays as it is. ${message}`;
    return { package: one, reason, lacks };
  }
}

/** Who has to go of those who are to blame. */
function toDrop({ one, blamed }: Fault): GatePackage {
  const last = blamed.at(-1);
  return last === undefined || blamed.includes(one) ? one : last;
}

function slotOf({ name, slot }: GatePackage): string {
  return `${name}:${slot}`;
}

function nameOfAtom({ category, pn }: { readonly category: string; readonly pn: string }): string {
  return `${category}/${pn}`;
}

function into<T>(map: Map<string, Set<T>>, key: string, one: T): void {
  const set = map.get(key) ?? new Set<T>();
  map.set(key, set.add(one));
}
