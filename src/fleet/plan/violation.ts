import type { FarmMoment, FleetMoment, RolloutMoment, SiteMoment } from './moment.ts';

/** A moment that must not be. */
export interface Violation {
  /** `I1`. */
  readonly invariant: string;
  /** A farm, site, node, unit or rollout. */
  readonly subject: string;
  readonly sentence: string;
  /** Whether a rollout did what broke it, or it came by itself: a node died. Either pauses; only the former is a fault of ours. */
  readonly cause: 'rollout' | 'event';
}

export interface SeenFarm {
  readonly site: SiteMoment;
  readonly farm: FarmMoment;
  /** As it was in the moment before; null: that is not known. */
  readonly before: FarmMoment | null;
}

interface Changes {
  readonly moment: FleetMoment;
  readonly before: FleetMoment | null;
  readonly sites: readonly { readonly site: SiteMoment; readonly before: SiteMoment | null }[];
  readonly farms: readonly SeenFarm[];
}

/** Of the moment that was asked about last: one invariant after the other asks the same. */
let last: Changes | undefined;

function changesOf(moment: FleetMoment, before: FleetMoment | null): Changes {
  if (last === undefined || last.moment !== moment || last.before !== before) {
    const sites = sitesThatChanged(moment, before);
    last = { moment, before, sites, farms: farmsThatChanged(sites) };
  }
  return last;
}

function sitesThatChanged(moment: FleetMoment, before: FleetMoment | null): Changes['sites'] {
  const changed: { site: SiteMoment; before: SiteMoment | null }[] = [];
  for (const [index, site] of moment.sites.entries()) {
    const same = before?.sites[index];
    const old = same?.site === site.site ? same : before?.sites.find((it) => it.site === site.site);
    if (old !== site) {
      changed.push({ site, before: old ?? null });
    }
  }
  return changed;
}

function farmsThatChanged(sites: Changes['sites']): readonly SeenFarm[] {
  const changed: SeenFarm[] = [];
  for (const { site, before } of sites) {
    for (const [index, farm] of site.farms.entries()) {
      const same = before?.farms[index];
      const old =
        same?.farm === farm.farm ? same : before?.farms.find((it) => it.farm === farm.farm);
      if (old !== farm) {
        changed.push({ site, farm, before: old ?? null });
      }
    }
  }
  return changed;
}

/** Sites that are not the same object as before. */
export function changedSites(
  moment: FleetMoment,
  before: FleetMoment | null,
): readonly { readonly site: SiteMoment; readonly before: SiteMoment | null }[] {
  return changesOf(moment, before).sites;
}

export function changedFarms(moment: FleetMoment, before: FleetMoment | null): readonly SeenFarm[] {
  return changesOf(moment, before).farms;
}

export function changedRollouts(
  moment: FleetMoment,
  before: FleetMoment | null,
): readonly { readonly rollout: RolloutMoment; readonly before: RolloutMoment | null }[] {
  return moment.rollouts.flatMap((rollout) => {
    const old = before?.rollouts.find(({ id }) => id === rollout.id) ?? null;
    return old === rollout ? [] : [{ rollout, before: old }];
  });
}
