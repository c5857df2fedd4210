import {
  type FailedUnit,
  type FarmMoment,
  type FleetMoment,
  type MemberMoment,
  nextCache,
  type RolloutMoment,
  type SiteMoment,
  type Visit,
} from '../../../src/fleet/plan/moment.ts';
import type {
  Action,
  Backend,
  NodeCommand,
  RolloutPlan,
  Unit,
} from '../../../src/fleet/plan/plan.ts';
import type { PlanInput } from '../../../src/fleet/plan/plan-input.ts';
import { spent } from '../../../src/fleet/plan/rollout-invariants.ts';
import { whyNotDark, whyNotSpared } from '../../../src/fleet/plan/spare.ts';

type Change = Partial<MemberMoment>;

interface Visitor {
  readonly name: string;
  readonly site: number;
  farm: string | null;
  seen: string | null;
  isBound: boolean;
}

/** A fleet that does what it is told, with visitors. Farms and sites are made anew when something in them changes. */
export class ModelFleet {
  readonly failed: FailedUnit[] = [];
  readonly #plan: RolloutPlan;
  readonly #input: PlanInput;
  readonly #random: () => number;
  readonly #places = new Map<string, readonly [site: number, farm: number, member: number]>();
  readonly #dead = new Set<string>();
  readonly #touched = new Set<string>();
  readonly #visitors: Visitor[];
  readonly #releases: readonly string[];
  #sites: SiteMoment[];
  #state: RolloutMoment['state'] = 'running';
  #at = 0;

  constructor(plan: RolloutPlan, input: PlanInput, random: () => number) {
    this.#plan = plan;
    this.#input = input;
    this.#random = random;
    const old = [...input.observed.values()].map(({ system }) => system?.release ?? null);
    const next = plan.artefacts.release?.release;
    const before = [
      ...new Set(old.flatMap((name) => (name === null || name === next ? [] : [name]))),
    ];
    this.#releases = next === undefined ? before : [...before, next];
    this.#sites = input.inventory.sites.map((site) => ({
      site: site.name,
      peakLoad: site.peakLoad,
      farms: site.farms.map((farm) => farmAtRest(farm, site.name, input)),
    }));
    for (const [site, { farms }] of this.#sites.entries()) {
      for (const [farm, { members }] of farms.entries()) {
        for (const [member, { node }] of members.entries()) {
          this.#places.set(node, [site, farm, member]);
        }
      }
    }
    for (const node of input.held.keys()) {
      this.#dead.add(node);
    }
    this.#visitors = this.#sites.flatMap((_, site) =>
      [1, 2, 3].map((number) => ({
        name: `visitor ${site}.${number}`,
        site,
        farm: null,
        seen: null,
        isBound: false,
      })),
    );
  }

  moment(begun: FleetMoment['begun']): FleetMoment {
    this.#at += 1;
    return {
      at: this.#at,
      sites: [...this.#sites],
      rollouts: [this.#rollout()],
      begun,
      ran: [],
      visits: this.#visit(),
      releases: this.#releases,
    };
  }

  serves(node: string): boolean {
    return this.#member(node).isServing;
  }

  profileOf(node: string): string {
    return this.#member(node).profile;
  }

  /** Whether the members of a unit may be touched: of its farm, nobody else is out who must not be. */
  canSpare({ nodes, farm: name, site: siteName }: Unit): boolean {
    const site = this.#sites.find((it) => it.site === siteName);
    const farm = site?.farms.find((it) => it.farm === name);
    if (site === undefined || farm === undefined) {
      throw new Error(`there is no farm ${name}`);
    }
    if (this.#plan.kind === 'app' && nodes.length > 1) {
      return (
        whyNotDark(site, name) === undefined && farm.members.every(({ held }) => held === null)
      );
    }
    const node = nodes[0] ?? '';
    return this.#member(node).isServing && whyNotSpared(site, farm, [node]) === undefined;
  }

  own(nodes: readonly string[], isOwned: boolean): void {
    for (const node of nodes) {
      this.#touched.add(node);
      this.#change(node, { owners: isOwned ? [this.#plan.id] : [] });
    }
  }

  hold(nodes: readonly string[]): void {
    for (const node of nodes) {
      this.#change(node, { held: 'its unit failed' });
    }
  }

  /** A dead node that a rollout has touched is on the list when it ends. */
  holdDead(): void {
    this.hold([...this.#touched].filter((node) => !this.serves(node)));
  }

  isSpent(): boolean {
    return spent(this.#rollout()) !== undefined;
  }

  end(isAborted: boolean): 'done' | 'done-with-held' | 'aborted' {
    const held = [...this.#touched].some((node) => this.#member(node).held !== null);
    const state = isAborted ? 'aborted' : held ? 'done-with-held' : 'done';
    this.#state = state;
    return state;
  }

  die(random: number): void {
    const nodes = [...this.#places.keys()];
    const node = nodes[Math.floor(random * nodes.length)];
    if (node !== undefined) {
      this.#dead.add(node);
      this.#change(node, { isWebRunning: false });
    }
  }

  /** Does it; false when it cannot be done. */
  act(action: Action): boolean {
    switch (action.do) {
      case 'set-members':
        return this.#setMembers(action.nodes, action.to);
      case 'set-farms':
        if (action.changes.some(({ farm, to }) => to === 'maint' && this.#whyNotDark(farm))) {
          return false;
        }
        for (const { farm, backend, to } of action.changes) {
          this.#changeFarm(farm, (old) => ({
            ...old,
            backends: old.backends && { ...old.backends, [backend]: { admin: to } },
          }));
        }
        return true;
      case 'await-serving':
        return action.nodes.every((node) => this.serves(node));
      case 'flush':
        this.#changeFarm(action.farm, (farm) => farm, true);
        return true;
      case 'await-idle':
      case 'gate':
        return true;
      case 'node':
        return action.nodes.map((node) => this.#runOn(node, action.run)).every(Boolean);
      default:
        throw new Error('there is no such action');
    }
  }

  #whyNotDark(farm: string): string | undefined {
    const site = this.#sites.find(({ farms }) => farms.some((it) => it.farm === farm));
    return site && whyNotDark(site, farm);
  }

  #setMembers(nodes: readonly string[], to: 'ready' | 'drain' | 'maint'): boolean {
    for (const node of nodes) {
      const [index, number] = this.#place(node);
      const site = this.#sites[index];
      const farm = site?.farms[number];
      const why = site && farm && whyNotSpared(site, farm, [node]);
      // The engine looks again before it takes one out: members may have died since the unit began.
      if (to !== 'ready' && this.serves(node) && why !== undefined) {
        return false;
      }
      this.#change(node, { admin: to, outBy: to === 'ready' ? null : this.#plan.id });
    }
    return true;
  }

  #runOn(node: string, run: NodeCommand): boolean {
    if (this.#dead.has(node)) {
      return false;
    }
    if (run.name === 'check') {
      return this.#isAsWanted(node, run.tree, run.release);
    }
    this.#change(node, effectOf(run));
    return true;
  }

  #isAsWanted(node: string, tree: string | null, release: string | null): boolean {
    const member = this.#member(node);
    const isTree = tree === null || member.tree === tree;
    return member.isWebRunning && isTree && (release === null || member.release === release);
  }

  #change(node: string, change: Change): void {
    const [site, farm, index] = this.#place(node);
    const name = this.#sites[site]?.farms[farm]?.farm ?? '';
    this.#changeFarm(name, (old) => ({
      ...old,
      members: old.members.with(index, this.#withServing({ ...this.#member(node), ...change })),
    }));
  }

  #withServing(member: MemberMoment): MemberMoment {
    const isAlive = member.isWebRunning && !this.#dead.has(member.node);
    return { ...member, isServing: isAlive && member.admin === 'ready' };
  }

  #changeFarm(name: string, change: (farm: FarmMoment) => FarmMoment, isFlushed = false): void {
    this.#sites = this.#sites.map((site) =>
      site.farms.some(({ farm }) => farm === name)
        ? {
            ...site,
            farms: site.farms.map((old) => {
              const now = old.farm === name ? change(old) : old;
              return old.farm === name ? { ...now, cache: nextCache(old, now, isFlushed) } : old;
            }),
          }
        : site,
    );
  }

  #place(node: string): readonly [number, number, number] {
    const place = this.#places.get(node);
    if (place === undefined) {
      throw new Error(`there is no node ${node}`);
    }
    return place;
  }

  #member(node: string): MemberMoment {
    const [site, farm, index] = this.#place(node);
    const member = this.#sites[site]?.farms[farm]?.members[index];
    if (member === undefined) {
      throw new Error(`there is no node ${node}`);
    }
    return member;
  }

  #rollout(): RolloutMoment {
    return {
      id: this.#plan.id,
      plan: this.#plan,
      state: this.#state,
      approved: [this.#plan.id],
      isProven: true,
      failed: [...this.failed],
      touched: this.#touched,
    };
  }

  /**
   * Each visitor asks once. Whoever was answered through the new backend has a cookie and reaches only that; the others stay with their
   * farm while it takes them, and otherwise go wherever new ones may.
   */
  #visit(): readonly Visit[] {
    return this.#visitors.flatMap((visitor): readonly Visit[] => {
      const site = this.#sites[visitor.site];
      const fresh = this.#input.live.get(site?.site ?? '') === 'blue' ? 'green' : 'blue';
      const doors = (site?.farms ?? [])
        .filter(({ members }) => members.some(({ isServing }) => isServing))
        .flatMap((farm) => [doorOf(farm, 'blue'), doorOf(farm, 'green')])
        .filter(({ backend }) => !visitor.isBound || backend === fresh);
      const own = doors.find(({ farm, admin }) => farm.farm === visitor.farm && admin !== 'maint');
      const ready = doors.filter(({ admin }) => admin === 'ready');
      const door = own ?? ready[Math.floor(this.#random() * ready.length)];
      const release = door === undefined ? null : releaseOf(door.farm);
      if (door === undefined || release === null) {
        return [];
      }
      const { seen, name } = visitor;
      visitor.farm = door.farm.farm;
      visitor.seen = release;
      visitor.isBound ||= door.backend === fresh;
      return [{ visitor: name, farm: door.farm.farm, release, seen }];
    });
  }
}

function effectOf(run: NodeCommand): Change {
  if (run.name === 'activate-php') {
    return { tree: run.tree.id };
  }
  if (run.name === 'activate-release') {
    return { release: run.release.release };
  }
  const wakes = run.name === 'start-web' || run.name === 'reboot';
  return wakes || run.name === 'stop-web' ? { isWebRunning: wakes } : {};
}

interface Door {
  readonly farm: FarmMoment;
  readonly backend: Backend;
  readonly admin: string | null;
}

function doorOf(farm: FarmMoment, backend: Backend): Door {
  return { farm, backend, admin: farm.backends?.[backend].admin ?? null };
}

function releaseOf(farm: FarmMoment): string | null {
  return farm.members.find(({ isServing }) => isServing)?.release ?? null;
}

function farmAtRest(
  farm: PlanInput['inventory']['sites'][number]['farms'][number],
  site: string,
  input: PlanInput,
): FarmMoment {
  const live = input.farmBackends?.get(farm.name) ?? input.live.get(site) ?? 'blue';
  const admin = (backend: Backend) => (backend === live ? 'ready' : 'maint');
  const members = farm.members.map(({ node, profile, weight }): MemberMoment => {
    const observed = input.observed.get(node);
    const held = input.held.get(node) ?? null;
    return {
      node,
      profile,
      weight,
      admin: held === null ? 'ready' : 'maint',
      isServing: held === null,
      isWebRunning: held === null,
      isBooting: false,
      release: observed?.system?.release ?? null,
      tree: observed?.php.active ?? null,
      outBy: null,
      held,
      owners: [],
      lacks: [],
    };
  });
  const releases = members.flatMap(({ release }) => (release === null ? [] : [release]));
  return {
    farm: farm.name,
    maxOut: farm.maxOut,
    minServing: farm.minServing,
    backends: { blue: { admin: admin('blue') }, green: { admin: admin('green') } },
    members,
    cache: { writers: [...new Set(releases)], isStale: false },
  };
}
