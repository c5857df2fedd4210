import { formatPolicyDuration } from '../../../gentoo/promotion-policy.ts';
import type { Balancer, Endpoint, Farm, Inventory, Member, Site } from '../inventory.ts';
import { farmsOf, membersOf } from '../inventory.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/**
 * The inventory as a dynamic inventory of Ansible prints it for `--list`: a group `rookery` with a group for each site, in it one
 * for each farm; every member's variables in `_meta.hostvars`. Reading it again gives the same inventory.
 */
export function exportAnsible(inventory: Inventory): Readonly<Record<string, unknown>> {
  const groups: Record<string, unknown> = {};
  for (const site of inventory.sites) {
    const children = site.farms.map(({ name }) => groupName('farm', name));
    groups[groupName('site', site.name)] = { children, vars: siteVariables(site) };
  }
  for (const farm of farmsOf(inventory)) {
    const hosts = farm.members.map(({ node }) => node);
    groups[groupName('farm', farm.name)] = { hosts, vars: farmVariables(farm) };
  }
  return {
    _meta: {
      hostvars: Object.fromEntries(
        membersOf(inventory).map((member) => [member.node, memberVariables(member)]),
      ),
    },
    all: { children: ['rookery'] },
    rookery: { children: inventory.sites.map(({ name }) => groupName('site', name)) },
    ...groups,
  };
}

/** Ansible wants letters, digits and "_"; other characters are written as their number, so that no two names become one. */
function groupName(kind: 'site' | 'farm', name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9]/g, (one) =>
    one === '-' ? '_' : `_x${one.charCodeAt(0).toString(16)}_`,
  );
  return `${kind}_${plain}`;
}

function siteVariables({ name, balancers, peakLoad, sessionSeconds, windows }: Site) {
  return {
    rookery_site: name,
    rookery_balancers: Object.fromEntries(balancers.map((one) => [one.name, balancerTable(one)])),
    ...(peakLoad !== null && { rookery_peak_load: peakLoad }),
    ...(sessionSeconds !== null && {
      rookery_session: formatPolicyDuration(sessionSeconds * 1000),
    }),
    ...(windows.length > 0 && {
      rookery_time_zone: windows[0]?.timeZone,
      rookery_windows: windows.map(({ days, from, to }) => ({
        days: days.map((day) => DAYS[day - 1]).join(','),
        from,
        to,
      })),
    }),
  };
}

function balancerTable(balancer: Balancer) {
  switch (balancer.driver) {
    case 'haproxy':
      return {
        driver: balancer.driver,
        socket: balancer.socket,
        'member-backend': balancer.memberBackend,
        'farm-backends': [...balancer.farmBackends],
      };
    case 'health-file':
      return {
        driver: balancer.driver,
        'noticed-after': formatPolicyDuration(balancer.noticedAfterSeconds * 1000),
      };
    case 'command':
      return { driver: balancer.driver, command: [...balancer.command] };
    default:
      return balancer satisfies never;
  }
}

function farmVariables({ name, memcached, maxOut, minServing }: Farm) {
  return {
    rookery_farm: name,
    rookery_memcached: memcached.map(endpointText),
    rookery_max_out: maxOut,
    rookery_min_serving: minServing,
  };
}

function memberVariables({ index, ssh, profile, webServer, rack, weight, isEager }: Member) {
  return {
    ansible_host: ssh.host,
    ansible_port: ssh.port,
    ansible_user: ssh.user,
    rookery_index: index,
    rookery_profile: profile,
    rookery_web_server: webServer,
    ...(rack !== null && { rookery_rack: rack }),
    rookery_weight: weight,
    rookery_eager: isEager,
  };
}

function endpointText({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
