import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import {
  type Balancer,
  type HealthFileBalancer,
  type Member,
  type Site,
} from '../inventory/inventory.ts';
import type { AdminState } from '../plan/plan.ts';
import type { BalancerChange, BalancerDriver, BalancerReading } from './ports.ts';
import type { NodeHealth } from './step-runner.ts';

/** Asks and tells nodes what they say of their health; `StepRunner` does. */
export interface HealthTeller {
  /** Throws `node-unreachable`. */
  health(member: Member, to?: AdminState): Promise<NodeHealth>;
}

/** How long a node that is ready and well is believed to stay so, ms: a site may have hundreds. */
const BELIEVED_MS = 5000;

/**
 * For every balancer that asks nodes for their health: the node says that it leaves. A change has happened when the balancer has
 * had the time to notice it. The node remembers it over a restart, and so does whoever asks it.
 *
 * Only members can be set, not farms: no visitor's farm can be told from there.
 */
export class HealthFileDriver implements BalancerDriver {
  readonly #nodes: HealthTeller;
  readonly #time: { now(): number; sleep(ms: number): Promise<void> };
  readonly #well = new Map<string, { readonly health: NodeHealth; readonly at: number }>();

  constructor(nodes: HealthTeller, time: { now(): number; sleep(ms: number): Promise<void> }) {
    this.#nodes = nodes;
    this.#time = time;
  }

  async set(site: Site, balancer: Balancer, changes: readonly BalancerChange[]): Promise<void> {
    const wanted = changes.map(({ server, to }) => {
      if (server.kind === 'farm') {
        throw refused(balancer, site, `the farm ${server.farm} cannot be set by its nodes`);
      }
      const member = membersOfSite(site).find(({ node }) => node === server.node);
      if (member === undefined) {
        throw refused(balancer, site, `no farm has a member ${server.node}`);
      }
      return { member, to };
    });
    const notice = own(balancer).noticedAfterSeconds;
    const waits = await Promise.all(
      wanted.map(async ({ member, to }) => {
        const before = await this.#ask(balancer, member);
        const after = await this.#ask(balancer, member, to);
        const isNew = before.told !== to;
        return isNew ? notice : to === 'ready' ? 0 : Math.max(0, notice - after.seconds);
      }),
    );
    await this.#time.sleep(Math.max(0, ...waits) * 1000);
  }

  async read(site: Site, balancer: Balancer): Promise<BalancerReading> {
    const servers = await Promise.all(
      membersOfSite(site).map(async (member) => {
        const { told, isWebRunning } = await this.#askOften(balancer, member);
        const server = { kind: 'member', node: member.node } as const;
        return { server, to: told, isUp: told === 'ready' && isWebRunning, inFlight: null };
      }),
    );
    // Nodes keep what they were told: no start of a balancer makes anybody forget it.
    return { incarnation: 'nodes', servers };
  }

  /** A node that does not answer is not up; what it was told last cannot be known, so it counts as ready. */
  async #askOften(balancer: Balancer, member: Member): Promise<NodeHealth> {
    const known = this.#well.get(member.node);
    if (known !== undefined && this.#time.now() - known.at < BELIEVED_MS) {
      return known.health;
    }
    try {
      return await this.#ask(balancer, member);
    } catch (error) {
      if (isAppError(error, 'balancer-unreachable')) {
        return { told: 'ready', seconds: 0, isWebRunning: false };
      }
      throw error;
    }
  }

  async #ask(balancer: Balancer, member: Member, to?: AdminState): Promise<NodeHealth> {
    this.#well.delete(member.node);
    try {
      const health = await this.#nodes.health(member, to);
      if (health.told === 'ready' && health.isWebRunning) {
        this.#well.set(member.node, { health, at: this.#time.now() });
      }
      return health;
    } catch (error) {
      throw isAppError(error, 'node-unreachable')
        ? new AppError(
            'balancer-unreachable',
            `The balancer ${balancer.name} goes by what nodes say, and ${messageOf(error)}`,
            { details: { balancer: balancer.name, node: member.node }, cause: error },
          )
        : error;
    }
  }
}

function own(balancer: Balancer): HealthFileBalancer {
  if (balancer.driver !== 'health-file') {
    throw new Error(`${balancer.name} does not go by health files`);
  }
  return balancer;
}

function membersOfSite(site: Site): readonly Member[] {
  return site.farms.flatMap(({ members }) => members);
}

function refused(balancer: Balancer, site: Site, why: string): AppError {
  return new AppError(
    'balancer-refused',
    `The balancer ${balancer.name} of ${site.name} refuses: ${why}.`,
    { details: { site: site.name, balancer: balancer.name } },
  );
}
