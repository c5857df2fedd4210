import type { Atom } from '../../gentoo/atom.ts';
import { type Finding, findingOf } from './finding.ts';
import type { GatePackage, Need, Requirement } from './gate-package.ts';
import type { Universe } from './universe.ts';

const SHOWN = 5;

/** One thing that a package needs and would not find. */
export interface Lack {
  /** Its own words for it. */
  readonly text: string;
  /** An atom or a choice of them, or a soname. */
  readonly wanted: Requirement | string;
  readonly finding: Finding;
}

/** What a package needs and would not find: atoms, built slot operators (`:0/2=`), sonames. */
export function lacksOf(one: GatePackage, universe: Universe): Lack[] {
  const needs = one.needs.filter(({ requirement }) => !universe.satisfies(requirement));
  const sonames = one.requires.filter((soname) => !universe.isProvided(soname));
  return [
    ...needs.map((need) => ({
      text: `${need.key} ${need.text}`,
      wanted: need.requirement,
      finding: needFinding(one, need, universe),
    })),
    ...sonames.map((soname) => ({
      text: soname,
      wanted: soname,
      finding: sonameFinding(one, soname, universe),
    })),
  ];
}

export function closureFindings(one: GatePackage, universe: Universe): Finding[] {
  return lacksOf(one, universe).map(({ finding }) => finding);
}

function needFinding(one: GatePackage, need: Need, universe: Universe): Finding {
  const { cpv, name } = one;
  const { key, text, requirement } = need;
  const moved = movedAtoms(requirement, universe);
  if (moved.length > 0) {
    const providers = [...new Set(moved.map(nameOf))];
    const there = moved.flatMap((atom) => universe.matching(inAnySlot(atom)));
    return findingOf({
      kind: 'slot-operator-broken',
      name: `${name}:${one.slot}`,
      what: `${key} ${providers.join(' ')}`,
      cpv,
      message: `${cpv} was built against ${text} (${key}), but there is ${listed(there.map(shown))}.`,
      remedy: `Rebuild ${name}, or publish ${providers.join(' and ')} as it was with it.`,
      rebuild: `${name}:${one.slot}`,
    });
  }
  const atoms = requirement.kind === 'atom' ? [requirement.atom] : [];
  const there = atoms.flatMap((atom) => universe.named(nameOf(atom)));
  const found = there.length === 0 ? '' : `; there is ${listed(there.map(shown))}`;
  return findingOf({
    kind: 'dependency-missing',
    name: `${name}:${one.slot}`,
    what: `${key} ${text}`,
    cpv,
    message: `${cpv} needs ${text} (${key}), which neither the snapshot nor the base system has${found}.`,
    remedy:
      'Build what is missing, or declare it in base-system of the profile when nodes have it already.',
  });
}

/**
 * The atoms `:slot/sub=` of which only the sub-slot keeps a requirement from being met: their providers were changed,
 * and this was not rebuilt. None when more than that is missing.
 */
function movedAtoms(requirement: Requirement, universe: Universe): Atom[] {
  if (requirement.kind === 'any-of') {
    const ways = requirement.ways.filter((way) => way.every((one) => isNear(one, universe)));
    return ways.flatMap((way) => way.flatMap((one) => movedAtoms(one, universe)));
  }
  const { atom } = requirement;
  return !universe.matches(atom) && isNear(requirement, universe) ? [atom] : [];
}

/** Whether a requirement is met, or would be if it did not matter which sub-slot it was built against. */
function isNear(requirement: Requirement, universe: Universe): boolean {
  if (requirement.kind === 'any-of') {
    return requirement.ways.some((way) => way.every((one) => isNear(one, universe)));
  }
  const { atom } = requirement;
  return universe.matches(atom) || (atom.slotOperator === '=' && universe.matches(inAnySlot(atom)));
}

function inAnySlot(atom: Atom): Atom {
  return { ...atom, slot: null, subSlot: null };
}

function sonameFinding(one: GatePackage, soname: string, universe: Universe): Finding {
  const { cpv, name } = one;
  const other = universe.otherVersion(soname);
  const [category = '', file = ''] = soname.split(': ');
  return findingOf({
    kind: 'soname-missing',
    name: `${name}:${one.slot}`,
    what: soname,
    cpv,
    message:
      other === undefined
        ? `${cpv} needs the library ${file} (${category}), which nothing provides.`
        : `${cpv} needs the library ${file} (${category}); there is ${other.split(': ')[1]}.`,
    remedy:
      other === undefined
        ? 'Build the package that has it, or declare it in base-system of the profile ("provides").'
        : `Rebuild ${name}.`,
    ...(other === undefined ? {} : { rebuild: `${name}:${one.slot}` }),
  });
}

function nameOf({ category, pn }: Atom): string {
  return `${category}/${pn}`;
}

function shown({ candidate }: GatePackage): string {
  return `${candidate.cpv}:${candidate.slot}`;
}

function listed(all: readonly string[]): string {
  const names = [...new Set(all)];
  const first = names.toSorted().slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${first} and ${names.length - SHOWN} more` : first;
}
