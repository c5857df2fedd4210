import type { BalancerServer, Drivers } from '../../../src/fleet/drivers/ports.ts';
import type { Farm, Inventory, Site } from '../../../src/fleet/inventory/inventory.ts';
import { violations } from '../../../src/fleet/plan/invariants.ts';
import {
  type BegunUnit,
  type FailedUnit,
  type FarmMoment,
  type FarmServer,
  type FleetMoment,
  type MemberMoment,
  nextCache,
  type SiteMoment,
  type StepRun,
} from '../../../src/fleet/plan/moment.ts';
import type { AdminState, Backend, RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import type { RolloutState } from '../../../src/fleet/rollout/rollout.ts';
import { effectOf, nameOfServer } from '../../../src/fleet/rollout/unit-actions.ts';
import { isOpen } from '../../../src/fleet/rollout/windows.ts';
import type { SimulatedFleet } from './simulated-fleet.ts';
import type { SimulatedTime } from './simulated-time.ts';
import { type AtBalancer, adminOf, STRONGEST, visible, WEAKEST, writersAt } from './told-states.ts';

/** An event of the journal, as far as it tells of the rollout. */
export interface Told {
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Those that a rollout says of itself by their own name. */
const OTHER_STATES = ['paused', 'aborting', 'aborted', 'done', 'done-with-held'] as const;

/** Between two looks at everything. */
const EVENTS_BETWEEN = 2000;
/** Whether a rollout did it is told by what was there before. */
const BY_CHANGE: readonly string[] = ['I3'];

/**
 * The simulated fleet as the invariants look at it, from what really is there. Of balancers it has what they were told: what one has
 * forgotten that was started anew is nobody's deed, and that it is told again is looked at apart.
 */
export class WatchedFleet {
  /** What broke first. */
  broken: string | undefined;
  events = 0;
  /** Units that visitors might notice: begun, and come to an end. */
  readonly noticed = { begun: 0, ended: 0 };
  state: RolloutState = 'draft';
  /** What the rollout has to account for at its end: what it only fetched something for was its own only if it served before. */
  readonly touched = new Set<string>();
  readonly #plan: RolloutPlan;
  readonly #fleet: SimulatedFleet;
  readonly #time: Pick<SimulatedTime, 'now'>;
  readonly #inventory: Inventory;
  readonly #places = new Map<string, { readonly site: number; readonly farm: number }>();
  readonly #farmOf = new Map<string, string>();
  readonly #profileOf = new Map<string, string>();
  readonly #canaries: ReadonlySet<string>;
  /** Units that visitors might notice. */
  readonly #noticeable: ReadonlySet<string>;
  /** Of each site, what each of its balancers was told. */
  readonly #told = new Map<string, Map<string, Map<string, AdminState>>>();
  readonly #outBy = new Set<string>();
  readonly #held = new Map<string, string>();
  readonly #busy = new Set<string>();
  #failed: FailedUnit[] = [];
  #sites: SiteMoment[] = [];
  #before: FleetMoment | null = null;

  constructor(
    plan: RolloutPlan,
    inventory: Inventory,
    fleet: SimulatedFleet,
    time: Pick<SimulatedTime, 'now'>,
  ) {
    this.#plan = plan;
    this.#fleet = fleet;
    this.#time = time;
    this.#inventory = inventory;
    this.#canaries = new Set(
      plan.stages.flatMap(({ type, units }) =>
        type === 'canary' ? units.map(({ id }) => id) : [],
      ),
    );
    const units = plan.stages.flatMap((stage) => stage.units);
    this.#noticeable = new Set(
      units.flatMap((unit) => (effectOf(unit).isNoticeable ? [unit.id] : [])),
    );
    for (const [site, { farms }] of inventory.sites.entries()) {
      for (const [farm, { name, members }] of farms.entries()) {
        this.#places.set(name, { site, farm });
        for (const { node, profile } of members) {
          this.#farmOf.set(node, name);
          this.#profileOf.set(node, profile);
        }
      }
    }
    this.#sites = inventory.sites.map((site) => ({
      site: site.name,
      peakLoad: site.peakLoad,
      farms: site.farms.map((farm) => this.#farmMoment(site, farm)),
    }));
    fleet.onChange = (farm) => {
      if (farm !== null) {
        this.#change([farm]);
      }
    };
    fleet.onStep = (node, step, times) => {
      this.#look([], [{ node, step, times }]);
    };
    fleet.onFlush = (farm) => {
      this.#change([farm], true);
    };
    this.#look([], []);
  }

  /** The drivers, with an eye on what balancers are told. */
  wrap(drivers: Drivers): Drivers {
    return {
      ...drivers,
      balancers: {
        read: async (...asked) => await drivers.balancers.read(...asked),
        set: async (site, balancer, changes) => {
          for (const { server, to } of changes) {
            if (server.kind === 'member') {
              this.#takeOut(server.node, to !== 'ready');
            }
          }
          await drivers.balancers.set(site, balancer, changes);
          const told = this.#toldTo(site.name, balancer.name);
          for (const { server, to } of changes) {
            told.set(nameOfServer(server), to);
          }
          this.#change([...new Set(changes.map(({ server }) => this.#farmNamed(server)))]);
        },
      },
    };
  }

  /**
   * What a balancer has neither as it was told nor as is wanted of it now, by the names of servers: what it did not hear while it
   * was away may be what it has come to by forgetting. Undefined: nothing.
   */
  forgotten(
    site: Pick<Site, 'name'>,
    balancer: string,
    wanted: ReadonlyMap<string, string>,
  ): string | undefined {
    const now = this.#fleet.balancer(site, balancer);
    for (const [server, to] of this.#toldTo(site.name, balancer)) {
      const has = now.adminOf(server);
      if (has !== to && has !== wanted.get(server)) {
        return `${balancer} of ${site.name} was told ${server} ${to}, forgot it, and has ${has}`;
      }
    }
    return undefined;
  }

  /** Notes an event of the journal. */
  hear({ kind, data }: Told): void {
    const unit = /^rollout-unit-(?<state>.*)$/.exec(kind)?.groups?.['state'];
    if (unit !== undefined) {
      this.#hearUnit(unit, data);
    } else if (kind === 'rollout-started' || kind === 'rollout-resumed') {
      this.#failed = kind === 'rollout-resumed' ? [] : this.#failed;
      this.#become('running', data);
    } else {
      const next = OTHER_STATES.find((state) => kind === `rollout-${state}`);
      if (next !== undefined) {
        this.#become(next, data);
      }
    }
  }

  breaks(sentence: string): void {
    this.broken ??= sentence;
  }

  #hearUnit(state: string, data: Told['data']): void {
    const unit = String(data['unit']);
    const farm = String(data['farm']);
    const nodes = strings(data['nodes']);
    const begun = state === 'running' ? [this.#begunUnit(unit, String(data['site']))] : [];
    if (state === 'undone' || state === 'held') {
      const profile = this.#profileOf.get(nodes[0] ?? '') ?? '';
      const isCanary = this.#canaries.has(unit);
      this.#failed = [...this.#failed, { unit, farm, profile, isCanary }];
    }
    const isBusy = state === 'running' || state === 'undoing';
    this.noticed.ended += this.#noticeable.has(unit) && !isBusy ? 1 : 0;
    if (state === 'running') {
      this.#touch(unit, farm, nodes);
    }
    for (const node of nodes) {
      this.#noteNode(node, isBusy, state === 'held' ? `${unit} is held` : undefined);
    }
    this.#change([farm], false, begun);
  }

  #noteNode(node: string, isBusy: boolean, held: string | undefined): void {
    if (isBusy) {
      this.#busy.add(node);
    } else {
      this.#busy.delete(node);
    }
    if (held !== undefined) {
      this.#held.set(node, held);
    }
  }

  /** Of a unit that nobody notices, those that serve as it begins. */
  #touch(unit: string, farm: string, nodes: readonly string[]): void {
    const isNoticed = this.#noticeable.has(unit);
    this.noticed.begun += isNoticed ? 1 : 0;
    const serving = this.#farmNow(farm).members.filter(({ isServing }) => isServing);
    for (const node of nodes) {
      if (isNoticed || serving.some((member) => member.node === node)) {
        this.touched.add(node);
      }
    }
  }

  #begunUnit(unit: string, site: string): BegunUnit {
    const found = this.#inventory.sites.find(({ name }) => name === site);
    const obeys = this.#plan.policy.obeysWindows && this.#noticeable.has(unit);
    const isInWindow = obeys && found !== undefined ? isOpen(found, this.#time.now()) : null;
    return { rollout: this.#plan.id, unit, site, isInWindow };
  }

  #become(state: RolloutState, data: Told['data']): void {
    this.state = state;
    const held = strings(data['held']);
    for (const node of held) {
      this.#held.set(node, 'It does not serve at the end of the rollout.');
    }
    this.#change([...new Set(held.map((node) => this.#farmOf.get(node) ?? ''))]);
  }

  #takeOut(node: string, isOut: boolean): void {
    if (isOut) {
      this.#outBy.add(node);
    } else {
      this.#outBy.delete(node);
    }
  }

  /** Looks at everything anew, whatever is known: what is there has to be what changes have led to. */
  lookAtAll(): void {
    for (const [index, site] of this.#inventory.sites.entries()) {
      for (const [number, farm] of site.farms.entries()) {
        const known = visible(this.#sites[index]?.farms[number]);
        const now = visible(this.#farmMoment(site, farm));
        if (known !== now) {
          this.breaks(`${farm.name} has changed, and nobody has said so: ${known} is ${now}`);
        }
      }
    }
    const moment = this.#moment([], []);
    const broken = violations(moment, { ...moment, sites: [] }).find(
      ({ invariant, cause }) => cause === 'rollout' && !BY_CHANGE.includes(invariant),
    );
    if (broken !== undefined) {
      this.breaks(`${broken.invariant}: ${broken.sentence}`);
    }
  }

  #change(farms: readonly string[], isFlushed = false, begun: readonly BegunUnit[] = []): void {
    for (const name of farms) {
      const { place, site, farm, old, before } = this.#placeOf(name);
      const now = this.#farmMoment(site, farm);
      const moment = { ...now, cache: nextCache(before, now, isFlushed) };
      this.#sites = this.#sites.with(place.site, {
        ...old,
        farms: old.farms.with(place.farm, moment),
      });
    }
    this.#look(begun, []);
  }

  #farmNow(name: string): FarmMoment {
    return this.#placeOf(name).before;
  }

  #placeOf(name: string) {
    const place = this.#places.get(name) ?? { site: -1, farm: -1 };
    const site = this.#inventory.sites[place.site];
    const farm = site?.farms[place.farm];
    const old = this.#sites[place.site];
    const before = old?.farms[place.farm];
    if (site === undefined || farm === undefined || old === undefined || before === undefined) {
      throw new Error(`there is no farm ${name}`);
    }
    return { place, site, farm, old, before };
  }

  #look(begun: readonly BegunUnit[], ran: readonly StepRun[]): void {
    this.events += 1;
    const now = this.#moment(begun, ran);
    const broken = violations(now, this.#before).find(({ cause }) => cause === 'rollout');
    this.#before = now;
    if (broken !== undefined) {
      this.breaks(`${broken.invariant}: ${broken.sentence}`);
    }
    if (this.events % EVENTS_BETWEEN === 0) {
      this.lookAtAll();
    }
  }

  #moment(begun: readonly BegunUnit[], ran: readonly StepRun[]): FleetMoment {
    return {
      at: this.#time.now(),
      sites: this.#sites,
      rollouts:
        this.state === 'draft'
          ? []
          : [
              {
                id: this.#plan.id,
                plan: this.#plan,
                state: this.state,
                approved: [this.#plan.id],
                isProven: true,
                failed: this.#failed,
                touched: this.touched,
              },
            ],
      begun,
      ran,
      visits: [],
      releases: ['v1', 'v2'],
    };
  }

  #farmMoment(site: Site, farm: Farm): FarmMoment {
    const { name, maxOut, minServing } = farm;
    const told = [...this.#toldAt(site.name).values()];
    const count = site.balancers.length;
    const members = farm.members.map((member) => this.#memberMoment(told, count, member));
    const backend = (of: Backend): FarmServer => ({
      admin: adminOf(told, count, { kind: 'farm', farm: name, backend: of }, WEAKEST),
    });
    return {
      farm: name,
      maxOut,
      minServing,
      backends: { blue: backend('blue'), green: backend('green') },
      members,
      cache: { writers: writersAt(members), isStale: false },
    };
  }

  #memberMoment(
    told: readonly AtBalancer[],
    count: number,
    { node, profile, weight }: Farm['members'][number],
  ): MemberMoment {
    const simulated = this.#fleet.node({ node });
    const admin = adminOf(told, count, { kind: 'member', node }, STRONGEST);
    return {
      node,
      profile,
      weight,
      admin,
      isServing: admin === 'ready' && simulated.isUp,
      isWebRunning: simulated.isWebRunning,
      isBooting: simulated.isBooting,
      release: simulated.release,
      tree: simulated.phpActive,
      outBy: this.#outBy.has(node) ? this.#plan.id : null,
      held: this.#held.get(node) ?? null,
      owners: this.#busy.has(node) ? [this.#plan.id] : [],
      lacks: [],
    };
  }

  #toldTo(site: string, balancer: string): Map<string, AdminState> {
    const at = this.#toldAt(site);
    const told = at.get(balancer) ?? new Map<string, AdminState>();
    at.set(balancer, told);
    return told;
  }

  #toldAt(site: string): Map<string, Map<string, AdminState>> {
    const told = this.#told.get(site) ?? new Map<string, Map<string, AdminState>>();
    this.#told.set(site, told);
    return told;
  }

  #farmNamed(server: BalancerServer): string {
    return server.kind === 'farm' ? server.farm : (this.#farmOf.get(server.node) ?? '');
  }
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
