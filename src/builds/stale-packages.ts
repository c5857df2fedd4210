import type { PortagePlan } from '../gentoo/portage-plan.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Ingredients } from '../repository/provenance.ts';
import { settingsOf } from './inputs-digest.ts';
import { packageNameOf } from './place-jobs.ts';

type PlanPackage = PortagePlan['packages'][number];

/** A package of the repository that a plan would take as it is, and what it was made from. */
export interface TakenPackage {
  readonly node: PlanPackage;
  readonly ingredients: Ingredients;
}

/** What is known of packages that others are built with. */
export interface KnownContents {
  /** Of the newest build of a CPV. */
  ofCpv(cpv: string): string | undefined;
  /** Of the newest version in a slot, `category/pn:slot`. */
  ofSlot(slot: string): string | undefined;
}

/** `category/pn:slot` of a package of a plan, without the sub-slot. */
export function slotOf({ cpv, slot }: Pick<PlanPackage, 'cpv' | 'slot'>): string {
  return `${packageNameOf(cpv)}:${slot.split('/', 1)[0] ?? ''}`;
}

/**
 * Those of the packages that would come out otherwise now, or might: their ebuild, an eclass or the settings of the
 * profile have changed, or something that they were built with has, or is to be built by this very plan. As
 * `category/pn:slot`. Whether they really do is known when they are ready to be built.
 *
 * What a package was built with counts as it would be taken now: as the plan has it, or else the newest version of its
 * slot. What nobody knows any more counts as unchanged.
 */
export function stalePackages(
  plan: Pick<PortagePlan, 'packages'>,
  taken: readonly TakenPackage[],
  { profile, known }: { readonly profile: HardwareProfile; readonly known: KnownContents },
): string[] {
  const inPlan = new Map(plan.packages.map((node) => [slotOf(node), node]));
  const changing = new Set(
    plan.packages.filter(({ type }) => type === 'ebuild').map((node) => slotOf(node)),
  );
  const isChanged = ({ cpv, slot, content }: Ingredients['with'][number]): boolean => {
    const place = slotOf({ cpv, slot });
    const node = inPlan.get(place);
    const now = node === undefined ? known.ofSlot(place) : known.ofCpv(node.cpv);
    return changing.has(place) || (now !== undefined && now !== content);
  };
  const stale = new Set<string>();
  let open = taken.filter(({ node }) => node.source !== null && node.source !== undefined);
  for (let found = open; found.length > 0; ) {
    found = open.filter(
      ({ node, ingredients }) =>
        node.source !== ingredients.source ||
        settingsOf(packageNameOf(node.cpv), profile) !== ingredients.settings ||
        ingredients.with.some(isChanged),
    );
    for (const { node } of found) {
      stale.add(slotOf(node));
      changing.add(slotOf(node));
    }
    open = open.filter((one) => !found.includes(one));
  }
  return [...stale].toSorted();
}
