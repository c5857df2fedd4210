import { sonamesIn } from '../../gentoo/soname-list.ts';
import { lacksOf } from '../../repository/gate/closure.ts';
import { atomsOf, type GatePackage } from '../../repository/gate/gate-package.ts';
import type { Universe } from '../../repository/gate/universe.ts';
import type { PackageChange, PackageChanges } from './package-changes.ts';
import type { RuntimeUse } from './runtime-use.ts';
import { onNodes, shownSoname } from './sentences.ts';

/** What a merge would take away from something that still needs it, by the change to blame: sentences (invariant I15). */
export type Losses = ReadonlyMap<PackageChange, readonly string[]>;

/** Sonames of resident PHP trees, of which Portage knows nothing, and whatever installed packages would lack afterwards. */
export function lossesOf(merge: PackageChanges, use: RuntimeUse): Losses {
  const losses = new Map<PackageChange, string[]>();
  const blame = (changes: readonly PackageChange[], sentence: string): void => {
    for (const change of changes) {
      losses.set(change, [...(losses.get(change) ?? []), sentence]);
    }
  };
  for (const { tree, soname, nodes } of needsOfTrees(use)) {
    if (isLost(soname, merge)) {
      const sentence = `${shownSoname(soname)} would be gone, which the PHP tree ${tree} needs${onNodes(nodes)}`;
      blame(providersOf(soname, merge), sentence);
    }
  }
  for (const change of merge.changes) {
    if (change.to !== null) {
      const had = change.from === null ? [] : lacksOf(change.from.gate, merge.before);
      for (const lack of newLacks(change.to.gate, had, merge.after)) {
        blame([change], withoutEnd(lack.finding.message));
      }
    }
  }
  for (const { gate } of staysTouched(merge)) {
    for (const lack of newLacks(gate, lacksOf(gate, merge.before), merge.after)) {
      blame(culprits(lack.wanted, merge), withoutEnd(lack.finding.message));
    }
  }
  return losses;
}

function needsOfTrees({
  trees,
}: RuntimeUse): { readonly tree: string; readonly soname: string; readonly nodes: number }[] {
  return [...trees]
    .toSorted(([a], [b]) => Number(a > b) - Number(a < b))
    .flatMap(([tree, { requires, nodes }]) => {
      const sonames = new Set([...requires].flatMap((text) => sonamesIn(text)));
      return [...sonames].toSorted().map((soname) => ({ tree, soname, nodes }));
    });
}

function isLost(soname: string, { before, after }: PackageChanges): boolean {
  return before.isProvided(soname) && !after.isProvided(soname);
}

type Lack = ReturnType<typeof lacksOf>[number];

function newLacks(gate: GatePackage, had: readonly Lack[], after: Universe): readonly Lack[] {
  const known = new Set(had.map(({ text }) => text));
  return lacksOf(gate, after).filter(({ text }) => !known.has(text));
}

/** Packages that stay, and need something that a change may have taken away. */
function staysTouched({ changes, stays, before }: PackageChanges): PackageChanges['stays'] {
  const touched = new Set(
    changes.flatMap(({ from }) => (from === null ? [] : [...before.touchedBy(from.gate)])),
  );
  return stays.filter(({ gate }) => touched.has(gate));
}

/** Of those that change, the ones that had what is wanted. */
function culprits(wanted: Lack['wanted'], merge: PackageChanges): readonly PackageChange[] {
  if (typeof wanted === 'string') {
    return providersOf(wanted, merge);
  }
  const names = new Set(atomsOf(wanted).map(({ category, pn }) => `${category}/${pn}`));
  return merge.changes.filter(({ name, from }) => from !== null && names.has(name));
}

function providersOf(soname: string, { changes }: PackageChanges): readonly PackageChange[] {
  return changes.filter(({ from }) => from?.gate.provides.includes(soname) === true);
}

function withoutEnd(sentence: string): string {
  return sentence.replace(/\.$/, '');
}
