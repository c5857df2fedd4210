import { type Atom, matchesAtom } from '../../gentoo/atom.ts';
import { type Finding, findingOf } from './finding.ts';
import type { GatePackage, Need, Requirement } from './gate-package.ts';
import type { Universe } from './universe.ts';

const SHOWN = 5;

/** What a package needs and would not find: atoms, built slot operators (`:0/2=`), sonames. */
export function closureFindings(one: GatePackage, universe: Universe): Finding[] {
  const needs = one.needs.filter(({ requirement }) => !universe.satisfies(requirement));
  const sonames = one.requires.filter((soname) => !universe.isProvided(soname));
  return [
    ...needs.map((need) => needFinding(one, need, universe)),
    ...sonames.map((soname) => sonameFinding(one, soname, universe)),
  ];
}

function needFinding(one: GatePackage, need: Need, universe: Universe): Finding {
  const { cpv, name } = one;
  const { key, text, requirement } = need;
  const moved = builtAgainstOther(requirement, universe);
  if (moved !== undefined) {
    return findingOf({
      kind: 'slot-operator-broken',
      name: `${name}:${one.slot}`,
      what: `${key} ${nameOf(moved.atom)}`,
      cpv,
      message: `${cpv} was built against ${text} (${key}), but there is ${moved.found}.`,
      remedy: `Rebuild ${name}, or publish ${nameOf(moved.atom)} as it was with it.`,
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

/** An atom `:slot/sub=` that would hold with another sub-slot: its provider was changed, and this was not rebuilt. */
function builtAgainstOther(
  requirement: Requirement,
  universe: Universe,
): { readonly atom: Atom; readonly found: string } | undefined {
  if (requirement.kind !== 'atom' || requirement.atom.slotOperator !== '=') {
    return undefined;
  }
  const { atom } = requirement;
  const anySlot = { ...atom, slot: null, subSlot: null };
  const others = universe.named(nameOf(atom)).filter((one) => matchesAtom(anySlot, one.candidate));
  return others.length === 0 ? undefined : { atom, found: listed(others.map(shown)) };
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

function listed(names: readonly string[]): string {
  const first = names.toSorted().slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${first} and ${names.length - SHOWN} more` : first;
}
