import type {
  BalancerChange,
  BalancerReading,
  BalancerServer,
} from '../../../src/fleet/drivers/ports.ts';
import type { Site } from '../../../src/fleet/inventory/inventory.ts';
import type { AdminState, Backend } from '../../../src/fleet/plan/plan.ts';
import { nameOfServer } from '../../../src/fleet/rollout/unit-actions.ts';
import { AppError } from '../../../src/support/errors.ts';
import type { SimulatedTime } from './simulated-time.ts';

interface Entry {
  readonly server: BalancerServer;
  readonly index: number;
  to: AdminState;
  /** Until when requests are in flight that came before it was drained. */
  busyUntil: number;
}

/** A farm's servers in both backends, and its members. */
interface FarmEntries {
  readonly backends: readonly Entry[];
  readonly members: readonly Entry[];
}

type Said = BalancerReading['servers'][number];

const BACKENDS: readonly Backend[] = ['blue', 'green'];

/** A balancer of a site. What it was told is lost when it is started anew. An answer costs what has changed since the one before. */
export class SimulatedBalancer {
  readonly site: string;
  readonly #time: SimulatedTime;
  readonly #isUp: (server: BalancerServer) => boolean;
  readonly #requestMs: () => number;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #farms = new Map<string, FarmEntries>();
  /** The farm of each node. */
  readonly #farmOf = new Map<string, string>();
  readonly #said: Said[] = [];
  readonly #changed = new Set<Entry>();
  readonly #busy = new Set<Entry>();
  #starts = 1;
  isAway = false;

  constructor(
    site: Site,
    time: SimulatedTime,
    hooks: {
      readonly isUp: (server: BalancerServer) => boolean;
      /** How long the longest request takes that is in flight, ms. */
      readonly requestMs: () => number;
      readonly onChange: () => void;
    },
  ) {
    this.site = site.name;
    this.#time = time;
    this.#isUp = hooks.isUp;
    this.#requestMs = hooks.requestMs;
    this.#onChange = hooks.onChange;
    for (const { name, members } of site.farms) {
      this.#farms.set(name, {
        backends: BACKENDS.map((backend) => this.#add({ kind: 'farm', farm: name, backend })),
        members: members.map(({ node }) => this.#add({ kind: 'member', node })),
      });
      for (const { node } of members) {
        this.#farmOf.set(node, name);
      }
    }
  }

  /** It is started anew, with what its configuration says. */
  restart(): void {
    this.#starts += 1;
    for (const entry of this.#entries.values()) {
      entry.to = defaultOf(entry.server);
      this.#changed.add(entry);
    }
    this.#onChange();
  }

  set(changes: readonly BalancerChange[]): void {
    this.#requireThere();
    for (const { server, to } of changes) {
      const entry = this.#entries.get(nameOfServer(server));
      if (entry === undefined) {
        throw new AppError('balancer-refused', `There is no server ${nameOfServer(server)}.`);
      }
      if (entry.to === 'ready' && to !== 'ready') {
        entry.busyUntil = this.#time.now() + this.#requestMs();
        this.#busy.add(entry);
      }
      entry.to = to;
      this.#note(entry);
    }
    this.#onChange();
  }

  /** Something has happened to a node of the site. */
  nodeChanged(node: string): void {
    const farm = this.#farms.get(this.#farmOf.get(node) ?? '');
    for (const entry of [this.#entries.get(`member:${node}`), ...(farm?.backends ?? [])]) {
      if (entry !== undefined) {
        this.#changed.add(entry);
      }
    }
  }

  read(): BalancerReading {
    this.#requireThere();
    const now = this.#time.now();
    for (const entry of this.#busy) {
      if (now >= entry.busyUntil) {
        this.#busy.delete(entry);
        this.#note(entry);
      }
    }
    for (const entry of this.#changed) {
      this.#said[entry.index] = this.#say(entry, now);
    }
    this.#changed.clear();
    return { incarnation: `${this.#starts}`, servers: [...this.#said] };
  }

  adminOf(name: string): AdminState {
    return this.#entries.get(name)?.to ?? 'maint';
  }

  #add(server: BalancerServer): Entry {
    const entry = { server, index: this.#entries.size, to: defaultOf(server), busyUntil: 0 };
    this.#entries.set(nameOfServer(server), entry);
    this.#changed.add(entry);
    return entry;
  }

  /** Whether members are reached depends on the servers of their farm. */
  #note(entry: Entry): void {
    this.#changed.add(entry);
    if (entry.server.kind === 'farm') {
      for (const member of this.#farms.get(entry.server.farm)?.members ?? []) {
        this.#changed.add(member);
      }
    }
  }

  #say({ server, to, busyUntil }: Entry, now: number): Said {
    const hasRequests = (to === 'ready' && this.#isReached(server, now)) || now < busyUntil;
    return { server, to, isUp: this.#isUp(server), inFlight: hasRequests ? 1 : 0 };
  }

  /** Visitors come to a member through its farm: while no server of that is ready, and the last requests are over, nobody does. */
  #isReached(server: BalancerServer, now: number): boolean {
    if (server.kind === 'farm') {
      return true;
    }
    const farm = this.#farms.get(this.#farmOf.get(server.node) ?? '');
    return (farm?.backends ?? []).some(({ to, busyUntil }) => to === 'ready' || now < busyUntil);
  }

  #requireThere(): void {
    if (this.isAway) {
      throw new AppError('balancer-unreachable', `A balancer of ${this.site} does not answer.`);
    }
  }
}

function defaultOf(server: BalancerServer): AdminState {
  return server.kind === 'farm' && server.backend === 'green' ? 'maint' : 'ready';
}
