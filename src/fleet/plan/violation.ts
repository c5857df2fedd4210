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

/** Sites that are not the same object as before. */
export function changedSites(
  moment: FleetMoment,
  before: FleetMoment | null,
): readonly { readonly site: SiteMoment; readonly before: SiteMoment | null }[] {
  return moment.sites.flatMap((site, index) => {
    const same = before?.sites[index];
    const old = same?.site === site.site ? same : before?.sites.find((it) => it.site === site.site);
    return old === site ? [] : [{ site, before: old ?? null }];
  });
}

export function changedFarms(moment: FleetMoment, before: FleetMoment | null): readonly SeenFarm[] {
  return changedSites(moment, before).flatMap(({ site, before: oldSite }) =>
    site.farms.flatMap((farm, index) => {
      const same = oldSite?.farms[index];
      const old =
        same?.farm === farm.farm ? same : oldSite?.farms.find((it) => it.farm === farm.farm);
      return old === farm ? [] : [{ site, farm, before: old ?? null }];
    }),
  );
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
