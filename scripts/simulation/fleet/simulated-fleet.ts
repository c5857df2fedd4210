import type { BalancerServer, Drivers, Notice } from '../../../src/fleet/drivers/ports.ts';
import type { Inventory, Member, Site } from '../../../src/fleet/inventory/inventory.ts';
import type { NodeCommand } from '../../../src/fleet/plan/plan.ts';
import { AppError } from '../../../src/support/errors.ts';
import { SimulatedBalancer } from './simulated-balancer.ts';
import { SimulatedNode, type StepFate } from './simulated-node.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** What chance decides. Without it, everything works and takes its time. */
export interface Fates {
  step(node: string, command: NodeCommand): StepFate;
  /** How long the longest request in flight takes, ms. */
  requestMs(): number;
  /** Whether an answer of a cache is lost. */
  losesCache(): boolean;
}

export const GOOD_FATES: Fates = {
  step: (_, command) => ({
    seconds: SECONDS[command.name] ?? 2,
    exitCode: 0,
    isInterrupted: false,
    delivery: 'answered',
  }),
  requestMs: () => 3000,
  losesCache: () => false,
};

export const SECONDS: Readonly<Partial<Record<NodeCommand['name'], number>>> = {
  merge: 240,
  prefetch: 60,
  'pull-php': 30,
  reboot: 5,
  snapshot: 3,
};

/**
 * A fleet of nodes, balancers and caches that are simulated, behind the ports of the engine. Their contract is the one of
 * `test/fleet/contracts`. `onChange` is called after each change that a visitor could notice.
 */
export class SimulatedFleet {
  readonly nodes: ReadonlyMap<string, SimulatedNode>;
  readonly balancers: ReadonlyMap<string, SimulatedBalancer>;
  readonly notices: Notice[] = [];
  /** How often the cache of a farm was emptied. */
  readonly flushes = new Map<string, number>();
  readonly #fates: Fates;
  onChange: (farm: string | null, site: string) => void = () => undefined;
  onStep: (node: string, step: string, times: number) => void = () => undefined;
  onFlush: (farm: string) => void = () => undefined;

  constructor(
    inventory: Inventory,
    time: SimulatedTime,
    options: {
      readonly fates?: Fates;
      readonly serves?: { readonly release: string | null; readonly tree: string | null };
      readonly timestampOf?: (serial: number) => number;
    } = {},
  ) {
    this.#fates = options.fates ?? GOOD_FATES;
    const serves = options.serves ?? { release: 'r1', tree: 'php-1' };
    const members = inventory.sites.flatMap((site) => site.farms.flatMap((farm) => farm.members));
    const sites = new Map(
      inventory.sites.flatMap((site) => site.farms.map((farm) => [farm.name, site])),
    );
    this.nodes = new Map(
      members.map((member) => [
        member.node,
        new SimulatedNode(member.node, time, serves, {
          timestampOf: options.timestampOf ?? ((serial) => serial * 1000),
          onChange: () => {
            this.#nodeChanged(member, sites.get(member.farm));
          },
        }),
      ]),
    );
    this.balancers = new Map(
      inventory.sites.flatMap((site) =>
        site.balancers.map(({ name }) => [keyOf(site, name), this.#balancer(site, time)]),
      ),
    );
  }

  drivers(): Drivers {
    return {
      nodes: {
        start: async (member, step) => {
          const node = this.node(member);
          const before = node.steps.has(step.id);
          try {
            node.take(step, this.#fates.step(member.node, step.command));
          } finally {
            if (!before && node.steps.has(step.id)) {
              this.onStep(member.node, step.id, node.effects.get(step.id) ?? 0);
            }
          }
        },
        state: async (member, id) => this.node(member).stateOf(id),
        look: async (member) => this.node(member).look(),
      },
      balancers: {
        set: async (site, { name }, changes) => {
          this.balancer(site, name).set(changes);
        },
        read: async (site, { name }) => this.balancer(site, name).read(),
      },
      caches: {
        flush: async (farm) => {
          if (this.#fates.losesCache()) {
            throw new AppError('cache-unreachable', `The cache of ${farm.name} does not answer.`);
          }
          this.flushes.set(farm.name, (this.flushes.get(farm.name) ?? 0) + 1);
          this.onFlush(farm.name);
        },
      },
      notifier: {
        tell: async (notice) => {
          this.notices.push(notice);
        },
      },
    };
  }

  node({ node }: Pick<Member, 'node'>): SimulatedNode {
    const found = this.nodes.get(node);
    if (found === undefined) {
      throw new Error(`there is no node ${node}`);
    }
    return found;
  }

  balancer(site: Pick<Site, 'name'>, name: string): SimulatedBalancer {
    const found = this.balancers.get(keyOf(site, name));
    if (found === undefined) {
      throw new Error(`there is no balancer ${name}`);
    }
    return found;
  }

  #nodeChanged({ node, farm }: Member, site: Site | undefined): void {
    if (site !== undefined) {
      for (const { name } of site.balancers) {
        this.balancer(site, name).nodeChanged(node);
      }
      this.onChange(farm, site.name);
    }
  }

  #balancer(site: Site, time: SimulatedTime): SimulatedBalancer {
    const farms = new Map(site.farms.map((farm) => [farm.name, farm]));
    const isUp = (server: BalancerServer): boolean =>
      server.kind === 'member'
        ? this.node(server).isUp
        : (farms.get(server.farm)?.members ?? []).some((member) => this.node(member).isUp);
    return new SimulatedBalancer(site, time, {
      isUp,
      requestMs: () => this.#fates.requestMs(),
      onChange: () => {
        this.onChange(null, site.name);
      },
    });
  }
}

function keyOf(site: Pick<Site, 'name'>, balancer: string): string {
  return JSON.stringify([site.name, balancer]);
}
