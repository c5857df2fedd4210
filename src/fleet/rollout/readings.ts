import { messageOf } from '../../support/errors.ts';
import type { BalancerDriver, BalancerReading } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';
import type { AdminState, Backend } from '../plan/plan.ts';
import type { Time } from './rollout-context.ts';
import { nameOfServer } from './unit-actions.ts';

/** What a balancer says of one server. */
type Said = BalancerReading['servers'][number];

/** Where the servers of one balancer stood in its last answer, by their names. */
class Places {
  known: ReadonlyMap<string, number> = new Map();
}

/** The servers in one answer of a balancer. Nearly always they stand where they stood before: then nothing has to be indexed. */
class SaidServers {
  readonly #servers: readonly Said[];
  readonly #places: Places;
  #own: ReadonlyMap<string, number> | undefined;

  constructor(servers: readonly Said[], places: Places) {
    this.#servers = servers;
    this.#places = places;
  }

  get(name: string): Said | undefined {
    const found = this.#at(name);
    if (found !== undefined || this.#own !== undefined) {
      return found;
    }
    this.#own = new Map(this.#servers.map(({ server }, index) => [nameOfServer(server), index]));
    this.#places.known = this.#own;
    return this.#at(name);
  }

  #at(name: string): Said | undefined {
    const place = (this.#own ?? this.#places.known).get(name);
    const found = place === undefined ? undefined : this.#servers[place];
    return found !== undefined && nameOfServer(found.server) === name ? found : undefined;
  }
}

/** What all balancers of a site said at about one moment. */
export class SiteReading {
  readonly site: string;
  /** When the asking began, epoch milliseconds. */
  readonly at: number;
  /** By the name of the balancer; a sentence of why it has not answered. */
  readonly balancers: ReadonlyMap<string, BalancerReading | string>;
  readonly #servers: readonly (SaidServers | undefined)[];

  /** `places`: by the name of the balancer, those of the reading before. */
  constructor(
    site: string,
    at: number,
    balancers: ReadonlyMap<string, BalancerReading | string>,
    places: Map<string, Places> = new Map(),
  ) {
    this.site = site;
    this.at = at;
    this.balancers = balancers;
    this.#servers = [...balancers].map(([name, reading]) => {
      if (typeof reading === 'string') {
        return undefined;
      }
      const known = places.get(name) ?? new Places();
      places.set(name, known);
      return new SaidServers(reading.servers, known);
    });
  }

  /** Sentences about balancers that have not answered. */
  get silent(): readonly string[] {
    return [...this.balancers.values()].filter((reading) => typeof reading === 'string');
  }

  /** Whether all balancers give it requests; `unknown` when one of them has not answered and none says no. */
  member(node: string): 'serving' | 'out' | 'unknown' {
    return this.#state(`member:${node}`);
  }

  farm(farm: string, backend: Backend): 'serving' | 'out' | 'unknown' {
    return this.#state(`farm:${farm}:${backend}`);
  }

  /** What each balancer that has answered says of a server; undefined from one that does not know it. */
  said(server: string): readonly (Said | undefined)[] {
    return this.#servers.flatMap((servers) => (servers === undefined ? [] : [servers.get(server)]));
  }

  /** Whether every balancer has it in this state. */
  isSet(server: string, to: AdminState): boolean {
    return this.#servers.every((servers) => servers?.get(server)?.to === to);
  }

  /**
   * The same, with each of these servers as it is wanted in every answer that knows it, when that is out: a balancer that was
   * started anew shows as `ready` what it is about to be told again.
   */
  asWanted(wanted: ReadonlyMap<string, Exclude<AdminState, 'ready'>>): SiteReading {
    if ([...wanted].every(([server, to]) => this.isSet(server, to))) {
      return this;
    }
    const balancers = [...this.balancers].map(
      ([name, reading]): [string, BalancerReading | string] => [
        name,
        typeof reading === 'string'
          ? reading
          : {
              ...reading,
              servers: reading.servers.map((said) => ({
                ...said,
                to: wanted.get(nameOfServer(said.server)) ?? said.to,
              })),
            },
      ],
    );
    return new SiteReading(this.site, this.at, new Map(balancers));
  }

  #state(server: string): 'serving' | 'out' | 'unknown' {
    let isUnknown = false;
    for (const servers of this.#servers) {
      const said = servers?.get(server);
      if (servers === undefined) {
        isUnknown = true;
      } else if (said?.to !== 'ready' || !said.isUp) {
        return 'out';
      }
    }
    return isUnknown ? 'unknown' : 'serving';
  }
}

/** Asks balancers, once for all who want to know at the same time. */
export class Readings {
  readonly #driver: BalancerDriver;
  readonly #time: Pick<Time, 'now'>;
  /** By site and balancer. */
  readonly #places = new Map<string, Map<string, Places>>();
  readonly #running = new Map<string, Promise<SiteReading>>();
  readonly #next = new Map<string, Promise<SiteReading>>();

  constructor(driver: BalancerDriver, time: Pick<Time, 'now'>) {
    this.#driver = driver;
    this.#time = time;
  }

  /** What the balancers say after this call was made. Never throws: who does not answer is in it as a sentence. */
  async of(site: Site): Promise<SiteReading> {
    const { name } = site;
    const running = this.#running.get(name);
    if (running === undefined) {
      return await this.#begin(site);
    }
    const next = this.#next.get(name) ?? running.then(async () => await this.#begin(site));
    this.#next.set(name, next);
    return await next;
  }

  #begin(site: Site): Promise<SiteReading> {
    this.#next.delete(site.name);
    const reading = this.#read(site).finally(() => {
      if (this.#running.get(site.name) === reading) {
        this.#running.delete(site.name);
      }
    });
    this.#running.set(site.name, reading);
    return reading;
  }

  async #read(site: Site): Promise<SiteReading> {
    const at = this.#time.now();
    const said = await Promise.all(
      site.balancers.map(async (balancer): Promise<[string, BalancerReading | string]> => {
        try {
          return [balancer.name, await this.#driver.read(site, balancer)];
        } catch (error) {
          return [balancer.name, messageOf(error)];
        }
      }),
    );
    const places = this.#places.get(site.name) ?? new Map<string, Places>();
    this.#places.set(site.name, places);
    return new SiteReading(site.name, at, new Map(said), places);
  }
}
