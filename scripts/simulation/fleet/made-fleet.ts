import type { Farm, Inventory, Member, Site } from '../../../src/fleet/inventory/inventory.ts';

export interface FleetShape {
  readonly sites: number;
  readonly farms: number;
  readonly members: number;
  readonly balancers?: number;
  readonly maxOut?: number;
}

/** Sites of farms of members, all alike: `s1`, `s1f2`, `s1f2-3`. */
export function madeInventory(shape: FleetShape): Inventory {
  return { sites: numbers(shape.sites).map((number) => madeSite(`s${number}`, shape)) };
}

function madeSite(name: string, shape: FleetShape): Site {
  return {
    name,
    balancers: numbers(shape.balancers ?? 2).map((number) => ({
      name: `lb${number}`,
      driver: 'haproxy',
      socket: `tcp://127.0.0.1:${number}`,
      memberBackend: 'members_{farm}',
      farmBackends: ['blue', 'green'],
    })),
    farms: numbers(shape.farms).map((number) => madeFarm(name, `${name}f${number}`, shape)),
    peakLoad: null,
    sessionSeconds: null,
    windows: [],
  };
}

function madeFarm(site: string, name: string, shape: FleetShape): Farm {
  return {
    name,
    site,
    memcached: [{ host: '127.0.0.1', port: 11211 }],
    maxOut: shape.maxOut ?? 1,
    minServing: 1,
    members: numbers(shape.members).map(
      (index): Member => ({
        node: `${name}-${index}`,
        farm: name,
        index,
        ssh: { host: '127.0.0.1', port: 22, user: 'root' },
        profile: 'zen3',
        webServer: 'nginx',
        rack: `rack${index}`,
        weight: 1,
        isEager: false,
      }),
    ),
  };
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
