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
  to: AdminState;
  /** Until when requests are in flight that came before it was drained. */
  busyUntil: number;
}

const BACKENDS: readonly Backend[] = ['blue', 'green'];

/** A balancer of a site. What it was told is lost when it is started anew. */
export class SimulatedBalancer {
  readonly site: string;
  readonly #time: SimulatedTime;
  readonly #isUp: (server: BalancerServer) => boolean;
  readonly #requestMs: () => number;
  readonly #onChange: () => void;
  readonly #entries: Map<string, Entry>;
  /** The farm of each node. */
  readonly #farms: ReadonlyMap<string, string>;
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
    this.#farms = new Map(
      site.farms.flatMap(({ name, members }) => members.map(({ node }) => [node, name])),
    );
    const servers = site.farms.flatMap((farm): BalancerServer[] => [
      ...BACKENDS.map((backend) => ({ kind: 'farm' as const, farm: farm.name, backend })),
      ...farm.members.map(({ node }) => ({ kind: 'member' as const, node })),
    ]);
    this.#entries = new Map(
      servers.map((server) => [
        nameOfServer(server),
        { server, to: defaultOf(server), busyUntil: 0 },
      ]),
    );
  }

  /** It is started anew, with what its configuration says. */
  restart(): void {
    this.#starts += 1;
    for (const entry of this.#entries.values()) {
      entry.to = defaultOf(entry.server);
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
      }
      entry.to = to;
    }
    this.#onChange();
  }

  read(): BalancerReading {
    this.#requireThere();
    const now = this.#time.now();
    return {
      incarnation: `${this.#starts}`,
      servers: [...this.#entries.values()].map(({ server, to, busyUntil }) => ({
        server,
        to,
        isUp: this.#isUp(server),
        inFlight: (to === 'ready' && this.#isReached(server)) || now < busyUntil ? 1 : 0,
      })),
    };
  }

  adminOf(name: string): AdminState {
    return this.#entries.get(name)?.to ?? 'maint';
  }

  /** Visitors come to a member through its farm: while no server of that is ready, and the last requests are over, nobody does. */
  #isReached(server: BalancerServer): boolean {
    const farm = server.kind === 'member' ? this.#farms.get(server.node) : undefined;
    return (
      farm === undefined ||
      BACKENDS.some((backend) => {
        const entry = this.#entries.get(nameOfServer({ kind: 'farm', farm, backend }));
        return entry?.to === 'ready' || this.#time.now() < (entry?.busyUntil ?? 0);
      })
    );
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
