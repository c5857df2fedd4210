import type { Farm, Inventory, Member, Site } from '../inventory/inventory.ts';
import type { ObservedNode } from '../observed/observed-node.ts';
import { counted, type Findings, someOf } from './findings.ts';
import type { PlanInput } from './plan-input.ts';

/** A node that the plan is about, with what is known of it. */
export interface Target {
  readonly site: Site;
  readonly farm: Farm;
  readonly member: Member;
  readonly observed: ObservedNode;
}

interface Placed {
  readonly site: Site;
  readonly farm: Farm;
  readonly member: Member;
}

/** The nodes in scope that can be worked on; for the others it says why not. */
export function findTargets(input: PlanInput, findings: Findings): readonly Target[] {
  requireScope(input, findings);
  const inScope = placesOf(input.inventory).filter((place) => isInScope(place, input.scope));
  if (inScope.length === 0 && findings.problems.length === 0) {
    findings.problem('scope-empty', 'scope', 'No node is in the scope of this plan.');
  }
  const free = inScope.filter(({ member }) => !input.held.has(member.node));
  const held = inScope.filter(({ member }) => input.held.has(member.node));
  if (input.kind === 'app') {
    for (const { member, farm } of held) {
      const why = input.held.get(member.node);
      const sentence = `${member.node} is held (${why}), and a release is rolled out to the whole of ${farm.name}: give it free, or take it out of the inventory.`;
      findings.problem('node-held', member.node, sentence);
    }
    return free.flatMap((place) => observe(place, input, findings));
  }
  for (const { member } of held) {
    findings.remark(`${member.node} is left out: it is held (${input.held.get(member.node)}).`);
  }
  const weak = weakFarms(free, input, findings);
  return free
    .filter(({ farm }) => !weak.has(farm.name))
    .flatMap((place) => observe(place, input, findings));
}

export function heldOf(farm: Farm, held: PlanInput['held']): readonly Member[] {
  return farm.members.filter(({ node }) => held.has(node));
}

function placesOf({ sites }: Inventory): readonly Placed[] {
  return sites.flatMap((site) =>
    site.farms.flatMap((farm) => farm.members.map((member) => ({ site, farm, member }))),
  );
}

function isInScope({ site, farm, member }: Placed, scope: PlanInput['scope']): boolean {
  const { sites, farms, nodes } = scope;
  return (
    sites.length + farms.length + nodes.length === 0 ||
    sites.includes(site.name) ||
    farms.includes(farm.name) ||
    nodes.includes(member.node)
  );
}

function requireScope({ inventory, scope, kind }: PlanInput, findings: Findings): void {
  const places = placesOf(inventory);
  const known = {
    sites: new Set(inventory.sites.map(({ name }) => name)),
    farms: new Set(places.map(({ farm }) => farm.name)),
    nodes: new Set(places.map(({ member }) => member.node)),
  };
  for (const what of ['sites', 'farms', 'nodes'] as const) {
    for (const name of scope[what].filter((it) => !known[what].has(it))) {
      const sentence = `The inventory has no ${what.slice(0, -1)} "${name}".`;
      findings.problem('scope-unknown', name, sentence);
    }
  }
  if (kind === 'app' && scope.nodes.length > 0) {
    const sentence = `A release is rolled out to whole farms, and the scope names nodes: ${someOf(scope.nodes)}.`;
    findings.problem('scope-not-farms', 'scope', sentence);
  }
}

/** Farms that cannot spare anybody: those who are held already use up what may be out. */
function weakFarms(
  free: readonly Placed[],
  { held }: PlanInput,
  findings: Findings,
): ReadonlySet<string> {
  const weak = new Set<string>();
  for (const farm of new Set(free.map((place) => place.farm))) {
    const out = heldOf(farm, held);
    if (out.length >= farm.maxOut) {
      weak.add(farm.name);
      const names = someOf(out.map(({ node }) => node));
      findings.remark(
        `${farm.name} is left out: ${counted(out.length, 'member')} held (${names}), and it can spare ${farm.maxOut}.`,
      );
    }
  }
  if (weak.size > 0 && free.every(({ farm }) => weak.has(farm.name))) {
    const sentence = `No farm in scope can spare a member: ${someOf([...weak])} have as many held nodes as may be out.`;
    findings.problem('farms-weakened', 'scope', sentence);
  }
  return weak;
}

function observe(place: Placed, input: PlanInput, findings: Findings): readonly Target[] {
  const { node, profile } = place.member;
  const observed = input.observed.get(node);
  if (observed === undefined) {
    findings.problem('node-unobserved', node, `${node} has never reported.`);
    return [];
  }
  const age = Math.round((input.now - observed.reportedAt) / 1000);
  if (age > input.policy.freshSeconds) {
    const sentence = `${node} reported ${age} s ago, and what is older than ${input.policy.freshSeconds} s is not relied on.`;
    findings.problem('observation-stale', node, sentence);
  }
  const change = input.changed?.get(node);
  if (change !== undefined && change.at > observed.reportedAt) {
    const sentence = `${node} has not reported since the rollout ${change.rollout.slice(0, 12)} changed it: run \`rookery-node report\` there.`;
    findings.problem('observation-outdated', node, sentence);
  }
  if (observed.profile !== profile) {
    const sentence = `${node} reports the profile "${observed.profile}", and the inventory says "${profile}".`;
    findings.problem('profile-differs', node, sentence);
  }
  const wanted = input.cpuFlags?.get(profile) ?? [];
  const lacking = wanted.filter((flag) => observed.system?.cpuFlags.includes(flag) === false);
  if (lacking.length > 0) {
    const sentence = `The processor of ${node} has not ${lacking.join(', ')}, which packages of "${profile}" use.`;
    findings.problem('processor-lacks', node, sentence);
  }
  return [{ ...place, observed }];
}
