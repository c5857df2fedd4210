import type { Site } from '../inventory/inventory.ts';
import { requirePeak } from './app-capacity.ts';
import { type AppFarm, appSteps } from './app-steps.ts';
import { farmsInOrder } from './farm-order.ts';
import { type Findings, grouped, someOf } from './findings.ts';
import { outdatedBalancers } from './outdated-balancers.ts';
import { phpTargets, pullSteps } from './php-trees.ts';
import type { Backend, Stage } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import { prefetchStage } from './stages.ts';
import type { Target } from './targets.ts';

/** Kind 3: one farm after the other is dark, and comes back in the other backend; one site after the other. */
export function planApp(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly Stage[] {
  const { release, trees } = input.artefacts;
  if (release === null) {
    const sentence = 'No release of the web application is given.';
    findings.problem('release-missing', 'release', sentence);
    return [];
  }
  const withPhp = trees.length === 0 ? [] : phpTargets(input, targets, findings);
  const sites = [...grouped(targets, ({ site }) => site.name).values()];
  const farms = sites
    .toSorted((one, other) => sizeOf(one) - sizeOf(other))
    .flatMap((of) => siteFarms(input, of, findings));
  if (farms.length === 0 && findings.problems.length === 0) {
    const sentence = `There is nothing to do: every farm in scope already serves ${release.release}.`;
    findings.problem('nothing-to-do', 'scope', sentence);
  }
  const changing = new Set(farms.flatMap(({ targets: of }) => of.map(({ member }) => member.node)));
  const php = new Map(withPhp.map((target) => [target.member.node, target]));
  const pulled = targets.filter(({ member }) => changing.has(member.node));
  return [
    ...prefetchStage(pulled, ({ member }) => {
      const target = php.get(member.node);
      return target === undefined ? [] : pullSteps(target);
    }),
    ...farms.map((farm): Stage => {
      const id = `farm-${farm.farm.name}`;
      const nodes = farm.targets.map(({ member }) => member.node);
      const steps = appSteps(farm, release, php, input);
      const { canarySoakSeconds, soakSeconds, hasCanary } = input.policy;
      const isFirst = farm === farms[0] && hasCanary && input.reverses === null;
      return {
        id,
        type: 'farm',
        title: `${farm.farm.name} from ${farm.from} to ${farm.to}`,
        units: [
          {
            id: `${id}/${farm.farm.name}`,
            site: farm.farm.site,
            farm: farm.farm.name,
            nodes,
            steps,
          },
        ],
        soakSeconds: isFirst ? canarySoakSeconds : soakSeconds,
      };
    }),
  ];
}

function sizeOf(targets: readonly Target[]): number {
  return targets.length;
}

/** The farms of one site that have something to do, in their order. */
function siteFarms(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly AppFarm[] {
  const site = targets[0]?.site;
  if (site === undefined) {
    return [];
  }
  requireFarmServers(site, findings);
  const byFarm = grouped(targets, ({ farm }) => farm.name);
  const ways = backendsOf(site, input, findings);
  if (ways === null) {
    return [];
  }
  const todo = farmsInOrder(site, byFarm).filter(({ name }) => !ways.done.has(name));
  if (todo.length === 0) {
    findings.remark(`Nothing is done in ${site.name}: its farms already serve it.`);
    return [];
  }
  requireNewConfigurations(site, input, findings);
  for (const farm of todo) {
    requireFarm(farm.name, byFarm.get(farm.name) ?? [], input, findings);
  }
  requirePeak(site, todo, input.policy, findings);
  const left = site.farms.filter((farm) => !ways.done.has(farm.name) && !todo.includes(farm));
  if (left.length > 0) {
    findings.remark(
      `${site.name} stays between two releases: ${someOf(left.map(({ name }) => name))} are not in scope and go on with the old one in ${ways.from}.`,
    );
  }
  const old = site.farms.filter(({ name }) => !ways.done.has(name)).map(({ name }) => name);
  return todo.map((farm, index) => ({
    farm,
    targets: byFarm.get(farm.name) ?? [],
    from: ways.from,
    to: ways.to,
    isFirst: index === 0 && ways.done.size === 0,
    old: old.filter((name) => name !== farm.name),
  }));
}

interface Ways {
  readonly from: Backend;
  readonly to: Backend;
  /** Farms that serve the release already. */
  readonly done: ReadonlySet<string>;
}

/** From which backend to which. A site that was left between two releases goes on to the backend that has this release. */
function backendsOf(site: Site, input: PlanInput, findings: Findings): Ways | null {
  const live = input.live.get(site.name);
  if (live === undefined) {
    const sentence = `Which backend of ${site.name} serves is not known: none of its balancers has said it.`;
    findings.problem('live-unknown', site.name, sentence);
    return null;
  }
  const release = input.artefacts.release?.release;
  const done = new Set(
    site.farms
      .filter(({ members }) =>
        members.every(({ node }) => input.observed.get(node)?.system?.release === release),
      )
      .map(({ name }) => name),
  );
  const backendOf = (name: string): Backend => input.farmBackends?.get(name) ?? live;
  const side = (isDone: boolean): readonly Backend[] => [
    ...new Set(
      site.farms.filter(({ name }) => done.has(name) === isDone).map(({ name }) => backendOf(name)),
    ),
  ];
  const [from = live, ...froms] = side(false);
  const [to = from === 'blue' ? 'green' : 'blue', ...tos] = side(true);
  if (froms.length + tos.length > 0 || (from === to && done.size < site.farms.length)) {
    const where = site.farms.map(
      ({ name }) => `${name} in ${backendOf(name)}${done.has(name) ? ' with the release' : ''}`,
    );
    const sentence = `The farms of ${site.name} are not one backend for each release: ${where.join(', ')}.`;
    findings.problem('backends-mixed', site.name, sentence);
    return null;
  }
  return { from, to, done };
}

/** With the configuration of the upgrade before, who has seen that upgrade would not be let to the next one. */
function requireNewConfigurations(
  site: Site,
  { live, configured }: PlanInput,
  findings: Findings,
): void {
  const said = configured?.get(site.name) ?? new Map();
  for (const { balancer, sentence } of outdatedBalancers(
    site,
    live.get(site.name) ?? 'blue',
    said,
  )) {
    findings.problem('balancer-outdated', balancer, sentence);
  }
}

function requireFarmServers(site: Site, findings: Findings): void {
  if (site.balancers.length === 0) {
    const sentence = `${site.name} has no balancer in the inventory: nobody could take its farms out.`;
    findings.problem('balancer-missing', site.name, sentence);
  }
  for (const { name, driver } of site.balancers.filter((it) => it.driver === 'health-file')) {
    const sentence = `The balancer ${name} of ${site.name} (${driver}) has no servers for farms: it cannot take one out.`;
    findings.problem('balancer-without-farms', name, sentence);
  }
  if (site.farms.length < 2) {
    const sentence = `${site.name} has one farm: while it is dark nobody would serve.`;
    findings.problem('farm-alone', site.name, sentence);
  }
}

function requireFarm(
  name: string,
  targets: readonly Target[],
  { artefacts }: PlanInput,
  findings: Findings,
): void {
  const farm = targets[0]?.farm;
  if (farm !== undefined && farm.memcached.length === 0) {
    const sentence = `${name} has no memcached in the inventory: what the old release left in it could not be flushed.`;
    findings.problem('memcached-missing', name, sentence);
  }
  for (const { member, observed } of targets) {
    const { node } = member;
    const release = artefacts.release;
    const there = observed.system?.releases.find((it) => it.release === release?.release);
    if (observed.system === null) {
      const sentence = `The report of ${node} does not say which releases it has: its node program is too old.`;
      findings.problem('report-too-old', node, sentence);
    } else if (there === undefined) {
      const sentence = `The release ${release?.release} does not lie on ${node}.`;
      findings.problem('release-not-there', node, sentence);
    } else if (there.digest !== release?.digest) {
      const sentence = `The release ${there.release} on ${node} has another content (${there.digest.slice(0, 12)}) than the one to be activated (${release?.digest.slice(0, 12)}).`;
      findings.problem('release-differs', node, sentence);
    }
  }
}
