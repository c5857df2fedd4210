import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { exportAnsible } from '../../../src/fleet/inventory/ansible/export-ansible.ts';
import { expandHosts } from '../../../src/fleet/inventory/ansible/host-range.ts';
import { membersOf } from '../../../src/fleet/inventory/inventory.ts';
import { readInventory } from '../../../src/fleet/inventory/read-inventory.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../docs/fleet.example.toml'), 'utf8');
const PROFILES = ['web-x86-64-v2', 'web-x86-64-v3'];
const INI = `
lonely.example
[web7]
web7-[01:02] rack_of_old=1   # a comment
web7-05:2222 rookery_eager=yes rookery_rack="row 3"
[web7:vars]
rookery_farm=web7
rookery_memcached=['10.1.7.250']
[berlin:children]
web7
[berlin:vars]
rookery_site = berlin
rookery_profile=web-x86-64-v3
rookery_balancers={"edge": {"driver": "health-file", "noticed-after": "5s"}}
[all:vars]
ansible_user=deploy
rookery_profile=web-x86-64-v2
`;
const YAML = `
all:
  hosts: {lonely.example: }
  vars: {ansible_user: deploy, rookery_profile: web-x86-64-v2}
  children:
    berlin:
      vars:
        rookery_site: berlin
        rookery_profile: web-x86-64-v3
        rookery_balancers: {edge: {driver: health-file, noticed-after: 5s}}
      children:
        web7:
          hosts:
            web7-[01:02]: {rack_of_old: 1}
            web7-05: {ansible_port: 2222, rookery_eager: true, rookery_rack: row 3}
          vars: {rookery_farm: web7, rookery_memcached: [10.1.7.250]}
`;

function read(name: string, text: string) {
  return readInventory('ansible', [{ name, text }], PROFILES);
}

describe('an inventory of Ansible', () => {
  it('is the same after it was exported and read again', () => {
    const { inventory, faults } = readInventory('toml', [{ name: 'f', text: EXAMPLE }], PROFILES);
    const again = read('hosts.json', JSON.stringify(exportAnsible(inventory)));

    expect([faults, again.faults, again.remarks]).toEqual([[], [], []]);
    expect(again.inventory).toEqual(inventory);
  });

  it.each([
    ['hosts', INI],
    ['hosts.yml', YAML],
  ])('is read from %s', (name, text) => {
    const { inventory, faults, remarks } = read(name, text);

    expect(faults).toEqual([]);
    expect(remarks).toEqual(['1 of 4 hosts have no rookery_farm: passed over.']);
    expect(membersOf(inventory)).toMatchObject([
      { node: 'web7-01', index: 1, ssh: { host: 'web7-01', port: 22, user: 'deploy' } },
      { node: 'web7-02', index: 2, rack: null, isEager: false },
      {
        node: 'web7-05',
        index: 5,
        ssh: { port: 2222 },
        isEager: true,
        rack: 'row 3',
        profile: 'web-x86-64-v3',
      },
    ]);
    expect(inventory.sites[0]?.farms[0]?.memcached).toEqual([{ host: '10.1.7.250', port: 11_211 }]);
  });

  it('names host and variable of what is wrong', () => {
    const text = `${INI}[web7:vars]\nrookery_web_server=ngnix\n[other]\nx1 rookery_farm=web7\n`;
    expect(read('hosts', text).faults).toEqual([
      'host x1: rookery_site = null: it has to be the name of one.',
    ]);
    expect(read('hosts', text.replace('x1 rookery_farm=web7', '')).faults).toContainEqual(
      'host web7-01: rookery_web_server = "ngnix": it has to be "nginx" or "apache" or "apache-mod-php". Did you mean "nginx"?',
    );
  });

  it('refuses members that say different things of their farm', () => {
    const text = `${INI}[web7]\nweb7-02 rookery_max_out=2\nweb7-01 rookery_max_out=1\n`;
    expect(read('hosts', text).faults).toEqual([
      'host web7-02: rookery_max_out = 2: other hosts of the farm web7 say 1.',
    ]);
  });

  it.each([
    ['web[01:03]', ['web01', 'web02', 'web03']],
    ['w[1:5:2].x', ['w1.x', 'w3.x', 'w5.x']],
    ['db-[a:c]', ['db-a', 'db-b', 'db-c']],
    ['a[1:2]b[x:y]', ['a1bx', 'a1by', 'a2bx', 'a2by']],
    ['plain', ['plain']],
    ['web[3:1]', undefined],
    ['web[1:z]', undefined],
    ['web[1-3]', undefined],
  ])('range %s', (pattern, hosts) => {
    expect(expandHosts(pattern)).toEqual(hosts);
  });
});
