import {
  type FarmMoment,
  type FleetMoment,
  isDark,
  type MemberMoment,
  type SiteMoment,
  servingMembers,
  weightOf,
} from './moment.ts';
import { changedFarms, changedSites, type SeenFarm, type Violation } from './violation.ts';

/** I1: of a farm that takes visitors, never more members are out than it can spare. */
export function tooManyOut(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedFarms(moment, before).flatMap((seen) => {
    const { farm } = seen;
    const out = farm.members.filter(({ isServing }) => !isServing);
    if (isDark(farm) || out.length <= farm.maxOut) {
      return [];
    }
    const sentence = `${out.length} members of ${farm.farm} are out (${names(out)}), and it can spare ${farm.maxOut}`;
    return [{ invariant: 'I1', subject: farm.farm, sentence, cause: causeOfOut(seen) }];
  });
}

/** I2: a farm that takes visitors has the members for them. */
export function tooFewServing(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedFarms(moment, before).flatMap((seen) => {
    const { farm, site } = seen;
    const serving = servingMembers(farm);
    if (isDark(farm)) {
      return [];
    }
    const found = { invariant: 'I2', subject: farm.farm, cause: causeOfOut(seen) };
    if (serving.length < farm.minServing) {
      const out = names(farm.members.filter(({ isServing }) => !isServing));
      const sentence = `${serving.length} members of ${farm.farm} serve, and it needs ${farm.minServing} (${out} out)`;
      return [{ ...found, sentence }];
    }
    const share = weightOf(serving) / weightOf(farm.members);
    // The site's load is spread over other farms too while one is dark: then I3 judges all of them together.
    if (site.peakLoad === null || share >= site.peakLoad || site.farms.some(isDark)) {
      return [];
    }
    const sentence = `the members of ${farm.farm} that serve bear ${percent(share)} of what all of it bears, and the load may be ${percent(site.peakLoad)}`;
    return [{ ...found, sentence }];
  });
}

/** I3: at most one farm of a site is dark, another one serves, and the rest bears the load. */
export function tooDark(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedSites(moment, before).flatMap(({ site, before: old }) => {
    const dark = site.farms.filter(isDark);
    if (dark.length === 0) {
      return [];
    }
    const cause = causeOfDark(site, old);
    const found = (sentence: string): Violation => {
      return { invariant: 'I3', subject: site.site, sentence, cause };
    };
    const broken: Violation[] = [];
    if (dark.length > 1) {
      const which = dark.map(({ farm }) => farm).join(', ');
      broken.push(
        found(`${dark.length} farms of ${site.site} are dark at the same time: ${which}`),
      );
    }
    const taking = site.farms.filter((farm) => !isDark(farm));
    const serving = weightOf(taking.flatMap(servingMembers));
    if (serving === 0) {
      broken.push(found(`no farm of ${site.site} serves`));
    }
    const share = serving / weightOf(site.farms.flatMap(({ members }) => members));
    if (serving > 0 && site.peakLoad !== null && share < site.peakLoad) {
      broken.push(
        found(
          `what serves of ${site.site} bears ${percent(share)} of what all of it bears, and the load may be ${percent(site.peakLoad)}`,
        ),
      );
    }
    return broken;
  });
}

/** I4: no visitor is answered by an older release than one that has answered before; and no backend mixes releases. */
export function goesBack(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  const age = (release: string): number => moment.releases.indexOf(release);
  const visits = moment.visits.flatMap(({ visitor, farm, release, seen }): Violation[] => {
    if (seen === null || age(release) >= age(seen)) {
      return [];
    }
    const sentence = `${visitor} had seen ${seen} and was answered by ${release} of ${farm}`;
    return [{ invariant: 'I4', subject: visitor, sentence, cause: 'rollout' }];
  });
  const mixed = changedSites(moment, before).flatMap(({ site }) =>
    (['blue', 'green'] as const).flatMap((backend): Violation[] => {
      const farms = site.farms.filter(({ backends }) => takes(backends?.[backend].admin));
      const releases = [...new Set(farms.flatMap(servedReleases))];
      if (releases.length < 2) {
        return [];
      }
      const which = releases.map((release) => {
        const serve = (farm: FarmMoment) =>
          servingMembers(farm).filter((it) => it.release === release);
        const where = farms.filter((farm) => serve(farm).length > 0);
        return `${release} (${where.map((farm) => `${farm.farm}: ${some(serve(farm))}`).join('; ')})`;
      });
      const sentence = `${backend} of ${site.site} serves more than one release: ${which.join(', ')}`;
      const isOurs = farms.some(({ members }) => members.some(isWorkedOn));
      return [
        { invariant: 'I4', subject: site.site, sentence, cause: isOurs ? 'rollout' : 'event' },
      ];
    }),
  );
  return [...visits, ...mixed];
}

/** I5: a farm takes visitors only when its cache has nothing of another release, nor of before it was dark. */
export function readsOldCache(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedFarms(moment, before).flatMap(({ farm, before: old }) => {
    if (isDark(farm)) {
      return [];
    }
    const serving = servingMembers(farm);
    const served = releasesOf(serving);
    const foreign = farm.cache.writers.filter(
      (name) => served.length > 0 && !served.includes(name),
    );
    const cause = old !== null && isDark(old) ? 'rollout' : causeOfWork(farm);
    const found = (sentence: string): Violation => {
      return { invariant: 'I5', subject: farm.farm, sentence, cause };
    };
    return [
      ...(foreign.length === 0
        ? []
        : [
            found(
              `${farm.farm} (${some(serving)}) serves ${served.join(', ')} and its cache may have what ${foreign.join(', ')} wrote`,
            ),
          ]),
      ...(farm.cache.isStale
        ? [
            found(
              `${farm.farm} (${some(serving)}) takes visitors again and was not flushed since it was dark`,
            ),
          ]
        : []),
    ];
  });
}

/** I6: the members of a farm that serve have one release, and at most two PHP trees of a profile. */
export function mixesVersions(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedFarms(moment, before).flatMap(({ farm }) => {
    const serving = servingMembers(farm);
    const found = (sentence: string): Violation => {
      return { invariant: 'I6', subject: farm.farm, sentence, cause: causeOfWork(farm) };
    };
    const releases = releasesOf(serving);
    const mixed = releases.length > 1 && !isDark(farm);
    const by = (key: 'release' | 'tree', values: readonly string[]): string =>
      values
        .map((value) => `${value} (${some(serving.filter((member) => member[key] === value))})`)
        .join(', ');
    const profiles = [...new Set(serving.map(({ profile }) => profile))];
    return [
      ...(mixed
        ? [found(`${farm.farm} serves more than one release: ${by('release', releases)}`)]
        : []),
      ...profiles.flatMap((profile) => {
        const of = serving.filter((member) => member.profile === profile);
        const trees = [...new Set(of.flatMap(({ tree }) => (tree === null ? [] : [tree])))];
        const text = `${farm.farm} serves with more than two PHP trees of ${profile}: ${by('tree', trees)}`;
        return trees.length > 2 ? [found(text)] : [];
      }),
    ];
  });
}

/** I15: whatever PHP tree lies on a node can be switched to. */
export function lacksSonames(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedFarms(moment, before).flatMap(({ farm, before: old }) =>
    farm.members.flatMap((member, index): Violation[] => {
      if (member.lacks.length === 0 || old?.members[index] === member) {
        return [];
      }
      const sentence = `PHP trees on ${member.node} of ${farm.farm} need what nothing provides any more: ${member.lacks.join(', ')}`;
      const cause = isWorkedOn(member) ? 'rollout' : 'event';
      return [{ invariant: 'I15', subject: member.node, sentence, cause }];
    }),
  );
}

function takes(admin: string | null | undefined): boolean {
  return admin === 'ready' || admin === 'drain';
}

/** Of a farm as it was at some moment: it is asked about again at every event of its site. */
const knownReleases = new WeakMap<FarmMoment, readonly string[]>();

function servedReleases(farm: FarmMoment): readonly string[] {
  const known = knownReleases.get(farm);
  if (known !== undefined) {
    return known;
  }
  const releases = releasesOf(servingMembers(farm));
  knownReleases.set(farm, releases);
  return releases;
}

function releasesOf(members: readonly MemberMoment[]): readonly string[] {
  return [...new Set(members.flatMap(({ release }) => (release === null ? [] : [release])))];
}

function isWorkedOn({ outBy, owners }: MemberMoment): boolean {
  return outBy !== null || owners.length > 0;
}

function causeOfWork({ members }: FarmMoment): Violation['cause'] {
  return members.some(isWorkedOn) ? 'rollout' : 'event';
}

/** A rollout did it when it has just taken out a member that served, or has let a farm take visitors with too few. */
function causeOfOut({ farm, before }: SeenFarm): Violation['cause'] {
  const taken = farm.members.filter(({ isServing, outBy }) => !isServing && outBy !== null);
  if (before === null) {
    return taken.length > farm.maxOut ? 'rollout' : 'event';
  }
  const served = new Set(servingMembers(before).map(({ node }) => node));
  const isDeed = taken.some(({ node }) => served.has(node)) || isDark(before);
  return isDeed ? 'rollout' : 'event';
}

/** The same for a site: a farm has just become dark. */
function causeOfDark(site: SiteMoment, before: SiteMoment | null): Violation['cause'] {
  const dark = new Set(before?.farms.filter(isDark).map(({ farm }) => farm));
  const isNew = site.farms.some((farm) => isDark(farm) && !dark.has(farm.farm));
  return isNew ? 'rollout' : 'event';
}

function names(members: readonly MemberMoment[]): string {
  return members
    .map(({ node, held }) => (held === null ? node : `${node}, held: ${held}`))
    .join('; ');
}

const NAMED = 5;

function some(members: readonly MemberMoment[]): string {
  const more = members.length - NAMED;
  const named = members.slice(0, NAMED).map(({ node }) => node);
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function percent(part: number): string {
  return `${Math.round(part * 1000) / 10} %`;
}
