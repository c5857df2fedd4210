/**
 * What production consists of, as its administrators wrote it down: the recorded state. What nodes say of themselves is
 * `observed/`, what a rollout wants is its plan. The three are never mixed.
 */
export interface Inventory {
  /** Sorted by name; names of sites, farms and nodes are unique in all of it. */
  readonly sites: readonly Site[];
}

/** A place with balancers of its own. Visitors of one site never reach another one's farms. */
export interface Site {
  readonly name: string;
  /** A member is drained when all of them say so. */
  readonly balancers: readonly Balancer[];
  readonly farms: readonly Farm[];
  /** Which part of what all members can bear is used at the busiest time, above 0 and at most 1; null: not known. */
  readonly peakLoad: number | null;
  /** Half of the sessions live longer than this, seconds; null: not known. */
  readonly sessionSeconds: number | null;
  /** When steps that visitors might notice may begin; empty: always. */
  readonly windows: readonly Window[];
}

/** Weekly, local to its zone. `from` later than `to` reaches into the next day. */
export interface Window {
  /** 1 Monday to 7 Sunday. */
  readonly days: readonly number[];
  /** "22:30". */
  readonly from: string;
  readonly to: string;
  /** IANA name. */
  readonly timeZone: string;
}

export type Balancer = HaproxyBalancer | HealthFileBalancer | CommandBalancer;

/** HAProxy through its runtime socket. See `scripts/haproxy` for the configuration that it needs. */
export interface HaproxyBalancer {
  readonly name: string;
  readonly driver: 'haproxy';
  /** `tcp://HOST:PORT`, or `ssh://[USER@]HOST[:PORT]/path/of/socket`. */
  readonly socket: string;
  /** Names of backends; `{farm}` stands for the farm. A member is the server of its node's name in it. */
  readonly memberBackend: string;
  /** A farm is the server of its name in these two: see `Backend` in `plan/plan.ts`. */
  readonly farmBackends: readonly [blue: string, green: string];
}

/** Any balancer that asks each node for its health: a file on the node makes the node say that it leaves. */
export interface HealthFileBalancer {
  readonly name: string;
  readonly driver: 'health-file';
  /** How long it takes at most until the balancer has noticed, seconds. */
  readonly noticedAfterSeconds: number;
}

/** Any other, through a program of the administrators; see `drivers/`. */
export interface CommandBalancer {
  readonly name: string;
  readonly driver: 'command';
  readonly command: readonly string[];
}

export interface Farm {
  readonly name: string;
  readonly site: string;
  readonly memcached: readonly Endpoint[];
  /** How many members may be out at the same time, for whatever reason. At least 1. */
  readonly maxOut: number;
  /** How many have to serve while the farm takes visitors. */
  readonly minServing: number;
  /** By index. Farms of one site may differ in size. */
  readonly members: readonly Member[];
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export type WebServer = 'nginx' | 'apache' | 'apache-mod-php';

export interface Member {
  /** The name that it reports under. */
  readonly node: string;
  readonly farm: string;
  /** 1 to 99, unique in the farm; gaps are allowed. */
  readonly index: number;
  /** How ssh reaches it. */
  readonly ssh: Endpoint & { readonly user: string };
  readonly profile: string;
  readonly webServer: WebServer;
  readonly rack: string | null;
  /** What part of the farm's requests it takes, relative to the others. */
  readonly weight: number;
  /** Whether it is gladly among the first. */
  readonly isEager: boolean;
}

export function farmsOf(inventory: Inventory): readonly Farm[] {
  return inventory.sites.flatMap(({ farms }) => farms);
}

export function membersOf(inventory: Inventory): readonly Member[] {
  return farmsOf(inventory).flatMap(({ members }) => members);
}
