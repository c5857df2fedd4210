import type { Farm, Site } from '../inventory/inventory.ts';
import { counted, type Findings, percent } from './findings.ts';
import { weightOf } from './moment.ts';
import type { PlanInput } from './plan-input.ts';
import { heldOf, type Target } from './targets.ts';

/** Where the sessions go that are new, and those whose farm goes dark, once an upgraded farm serves. */
export type SessionMode =
  /** Both to upgraded farms only. */
  | 'strict'
  /** New ones to upgraded farms only, the others anywhere. */
  | 'moved-to-any'
  /** Anywhere. Who has seen the new release stays with it by a cookie of the balancer. */
  | 'any-with-floor';

export interface FarmUpgrade {
  /** What each farm bears, in any unit; all farms of the site, in the order of their upgrade. Those of others come last. */
  readonly capacities: readonly number[];
  /** How many of them are upgraded. */
  readonly upgrades: number;
  /** How long a farm is dark, and then watched before the next one, seconds. */
  readonly darkSeconds: number;
  readonly watchSeconds: number;
  /** Half of the sessions live longer; null: not known, and taken as nothing, which is the worst. */
  readonly sessionSeconds: number | null;
  readonly mode: SessionMode;
}

export interface Peak {
  /** Times its usual load. */
  readonly times: number;
  /** Of `capacities`. */
  readonly farm: number;
  /** The upgrade during which it is reached. */
  readonly during: number;
}

/**
 * The highest load of any farm while the farms of a site are upgraded one after the other, as a multiple of what it usually has.
 * A fluid model: sessions end at random, as many begin as end, and balancers give a session to the farm that has the fewest for what
 * it bears. With one farm that cannot be: `times` is infinite.
 */
export function peakOf(upgrade: FarmUpgrade): Peak {
  const { capacities, upgrades, mode, darkSeconds, watchSeconds } = upgrade;
  const all = weightOf(capacities.map((weight) => ({ weight })));
  const parts = capacities.map((capacity) => capacity / all);
  const loads = [...parts];
  const ends = [darkSeconds, watchSeconds].map((seconds) =>
    stayPart(seconds, upgrade.sessionSeconds),
  );
  let peak: Peak = { times: 1, farm: 0, during: 0 };
  const look = (during: number): void => {
    for (const [farm, load] of loads.entries()) {
      const times = load / (parts[farm] ?? 1);
      peak = times > peak.times + 1e-9 ? { times, farm, during } : peak;
    }
  };
  for (let turn = 0; turn < upgrades; turn += 1) {
    const others = parts.map((_, farm) => farm).filter((farm) => farm !== turn);
    const upgraded = others.filter((farm) => farm < turn);
    const isFree = upgraded.length === 0 || mode === 'any-with-floor';
    const moved = loads[turn] ?? 0;
    loads[turn] = 0;
    pour(loads, parts, moved, mode === 'strict' && !isFree ? upgraded : others);
    look(turn);
    live(loads, parts, ends[0] ?? 1, isFree ? others : upgraded);
    look(turn);
    const now = [...upgraded, turn];
    live(
      loads,
      parts,
      ends[1] ?? 1,
      mode === 'any-with-floor' ? parts.map((_, farm) => farm) : now,
    );
    look(turn);
  }
  return capacities.length < 2 && upgrades > 0 ? { times: Infinity, farm: 0, during: 0 } : peak;
}

/** The part of sessions that lives on after so many seconds. */
function stayPart(seconds: number, half: number | null): number {
  return half === null ? 0 : 2 ** (-seconds / half);
}

/** Sessions end everywhere, and as many begin on some. */
function live(
  loads: number[],
  parts: readonly number[],
  stay: number,
  to: readonly number[],
): void {
  for (const farm of loads.keys()) {
    loads[farm] = (loads[farm] ?? 0) * stay;
  }
  pour(loads, parts, 1 - stay, to);
}

/** Gives load to those that have the least for what they bear, until they are alike. */
function pour(
  loads: number[],
  parts: readonly number[],
  amount: number,
  to: readonly number[],
): void {
  const level = (farm: number): number => (loads[farm] ?? 0) / (parts[farm] ?? 1);
  const sorted = to.toSorted((one, other) => level(one) - level(other));
  let left = amount;
  let bears = 0;
  for (const [index, farm] of sorted.entries()) {
    bears += parts[farm] ?? 0;
    const next = sorted[index + 1];
    const rise = next === undefined ? Infinity : level(next) - level(farm);
    const added = Math.min(left, rise * bears);
    for (const filled of sorted.slice(0, index + 1)) {
      loads[filled] = (loads[filled] ?? 0) + (added * (parts[filled] ?? 0)) / bears;
    }
    left -= added;
    if (left <= 0) {
      return;
    }
  }
}

/** Kind 2: each farm has to bear its load with one member out, beside those that are held. */
export function requireSpareCapacity(
  targets: readonly Target[],
  input: PlanInput,
  findings: Findings,
): void {
  const sites = new Map<Site, Set<Farm>>();
  for (const { site, farm } of targets) {
    sites.set(site, (sites.get(site) ?? new Set()).add(farm));
  }
  for (const [site, farms] of sites) {
    requireBalancers(site, findings);
    for (const farm of farms) {
      requireSpare(site, farm, input, findings);
    }
    if (site.peakLoad === null) {
      const weakest = Math.min(...[...farms].map((farm) => shareWithOneOut(farm, input)));
      findings.remark(
        `Whether the farms of ${site.name} bear the load with a member out is not known, because its peak-load is not: what is left of the weakest is ${percent(weakest)}.`,
      );
    }
  }
}

function requireSpare(site: Site, farm: Farm, input: PlanInput, findings: Findings): void {
  const left = farm.members.length - heldOf(farm, input.held).length - 1;
  if (left < farm.minServing) {
    const sentence = `With one member out, ${counted(left, 'member')} of ${farm.name} would serve, and it needs ${farm.minServing}.`;
    findings.problem('too-few-serving', farm.name, sentence);
    return;
  }
  const share = shareWithOneOut(farm, input);
  if (site.peakLoad !== null && share < site.peakLoad) {
    const sentence = `With one member out, ${farm.name} bears ${percent(share)} of what all of it bears, and the load of ${site.name} reaches ${percent(site.peakLoad)}: it fits while the load is at most ${percent(share)}.`;
    findings.problem('capacity', farm.name, sentence);
  }
}

/** The heaviest member is the one that is out. */
function shareWithOneOut(farm: Farm, { held }: PlanInput): number {
  const free = farm.members.filter(({ node }) => !held.has(node));
  const heaviest = free.reduce((most, { weight }) => Math.max(most, weight), 0);
  return (weightOf(free) - heaviest) / weightOf(farm.members);
}

function requireBalancers(site: Site, findings: Findings): void {
  if (site.balancers.length === 0) {
    const sentence = `${site.name} has no balancer in the inventory: nobody could take its members out.`;
    findings.problem('balancer-missing', site.name, sentence);
  }
}
