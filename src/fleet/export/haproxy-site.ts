import type { Farm, HaproxyBalancer, Site } from '../inventory/inventory.ts';
import type { Backend } from '../plan/plan.ts';
import type { RolloutPolicy } from '../plan/policy.ts';

/** How visitors are kept from going back to an older release; see docs/fleet.md, "The application's side". */
export const HAPROXY_PATTERNS = ['generation-cookie', 'drain-the-old'] as const;
export type HaproxyPattern = (typeof HAPROXY_PATTERNS)[number];

export interface HaproxyOptions {
  readonly pattern: HaproxyPattern;
  /** Of the site's balancers; null: the first one that is an HAProxy. */
  readonly balancer: string | null;
  /** What `bind` gets: `:80`, `10.0.0.9:443 ssl crt /etc/haproxy/site.pem`. */
  readonly bind: string;
  /** Where members serve, at the address that ssh reaches them at. */
  readonly memberPort: number;
  /** What is asked of a member to see whether it is well: light, and not the page of the application that costs most. */
  readonly checkPath: string;
  /** Path of the runtime socket; null: that of the inventory, when it is a path. */
  readonly socket: string | null;
  /** Of visitors, at the same time; it takes twice as many open files. */
  readonly maxConnections: number;
  /** Where its state is kept over a reload. */
  readonly stateFile: string;
  /** Of the generation cookie: the backend whose farms serve today. The other one takes the next release. */
  readonly live: Backend;
  /** A word that no earlier upgrade of this site had: letters, digits, `.`, `_`, `-`. */
  readonly generation: string;
  readonly newSessions: RolloutPolicy['newSessions'];
}

/** What the sections are written from. */
export interface HaproxySite {
  readonly site: Site;
  readonly balancer: HaproxyBalancer;
  readonly options: HaproxyOptions;
  /** Names of the backends: of the release that serves, and of the next one. */
  readonly live: string;
  readonly next: string;
}

export const FARM_COOKIE = 'ROOKERY_FARM';
export const GENERATION_COOKIE = 'ROOKERY_GEN';
/** Of the listener behind which a farm's members are: an abstract socket, which a chroot does not hide. */
export function farmListener({ site, balancer }: HaproxySite, farm: Farm): string {
  return `abns@rookery-${site.name}-${balancer.name}-${farm.name}`;
}
