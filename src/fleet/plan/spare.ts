import { counted, percent } from './findings.ts';
import { type FarmMoment, isDark, type SiteMoment, servingMembers, weightOf } from './moment.ts';

/**
 * Why members of a farm must not be taken out of the balancers at this moment; undefined: it can spare them. A dark farm spares all.
 * It is asked again right before each drain: members may have died since the plan was made.
 */
export function whyNotSpared(
  site: Pick<SiteMoment, 'peakLoad'>,
  farm: FarmMoment,
  nodes: readonly string[],
): string | undefined {
  if (isDark(farm)) {
    return undefined;
  }
  const serving = servingMembers(farm).filter(({ node }) => !nodes.includes(node));
  const out = farm.members.length - serving.length;
  if (out > farm.maxOut) {
    return `${counted(out, 'member')} of ${farm.farm} would be out, and it can spare ${farm.maxOut}`;
  }
  if (serving.length < farm.minServing) {
    return `${counted(serving.length, 'member')} of ${farm.farm} would serve, and it needs ${farm.minServing}`;
  }
  const share = weightOf(serving) / weightOf(farm.members);
  return site.peakLoad !== null && share < site.peakLoad
    ? `what is left of ${farm.farm} would bear ${percent(share)} of what all of it bears, and the load may be ${percent(site.peakLoad)}`
    : undefined;
}

/** Why a farm must not become dark at this moment; undefined: the others of its site bear it. */
export function whyNotDark(site: SiteMoment, name: string): string | undefined {
  const dark = site.farms.find((farm) => farm.farm !== name && isDark(farm));
  if (dark !== undefined) {
    return `${dark.farm} is dark already`;
  }
  const others = site.farms.filter(({ farm }) => farm !== name);
  const serving = weightOf(others.flatMap(servingMembers));
  const share = serving / weightOf(site.farms.flatMap(({ members }) => members));
  if (serving === 0) {
    return `no other farm of ${site.site} serves`;
  }
  return site.peakLoad !== null && share < site.peakLoad
    ? `what else serves of ${site.site} bears ${percent(share)} of what all of it bears, and the load may be ${percent(site.peakLoad)}`
    : undefined;
}
