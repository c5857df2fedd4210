import type { Balancer, Endpoint, Site } from '../../../src/fleet/inventory/inventory.ts';
import { memberAt } from '../step-node.ts';

/** Farm `f1` with two members, `f2` with one. */
export function testSite(
  balancers: readonly Balancer[],
  memcached: readonly Endpoint[] = [],
): Site {
  const farm = (name: string, size: number) => ({
    name,
    site: 'eu',
    memcached,
    maxOut: 1,
    minServing: 1,
    members: Array.from({ length: size }, (_, at) => ({
      ...memberAt(`${name}-${at + 1}`, { host: '127.0.0.1', port: 22, user: 'root' }),
      farm: name,
      index: at + 1,
    })),
  });
  return {
    name: 'eu',
    balancers,
    farms: [farm('f1', 2), farm('f2', 1)],
    peakLoad: null,
    sessionSeconds: null,
    windows: [],
  };
}
