import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { farmsOf, membersOf } from '../../../src/fleet/inventory/inventory.ts';
import { inventoryDigest } from '../../../src/fleet/inventory/inventory-digest.ts';
import { readTomlInventory } from '../../../src/fleet/inventory/read-toml.ts';
import { resolveInventory } from '../../../src/fleet/inventory/resolve-inventory.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../docs/fleet.example.toml'), 'utf8');
const BALANCER = '[site.b.balancer.lb]\ndriver = "health-file"\nnoticed-after = "5s"\n';
const PROFILES = ['web-x86-64-v2', 'web-x86-64-v3'];

function read(...texts: readonly string[]) {
  const { parts, faults } = readTomlInventory(
    texts.map((text, index) => ({ name: `f${index + 1}.toml`, text })),
  );
  const { inventory, faults: found } = resolveInventory(parts, PROFILES);
  return { inventory, faults: faults.length > 0 ? faults : found };
}

/** A farm of a site that is whole otherwise. */
function farm(lines: string) {
  return read(`${BALANCER}[site.b.farm.f]\nprofile = "web-x86-64-v3"\n${lines}`);
}

describe('the example of an inventory', () => {
  it('is whole, with sites, farms and members in order', () => {
    const { inventory, faults } = read(EXAMPLE);

    expect(faults).toEqual([]);
    expect(inventory.sites.map(({ name }) => name)).toEqual(['berlin', 'paris']);
    expect(farmsOf(inventory).map(({ name, members }) => [name, members.length])).toEqual([
      ['web7', 16],
      ['web8', 12],
      ['web20', 4],
    ]);
  });

  it('says what is known of a site', () => {
    const { balancers, windows, peakLoad, sessionSeconds } = siteOf('berlin');

    expect({ peakLoad, sessionSeconds }).toEqual({ peakLoad: 0.6, sessionSeconds: 1800 });
    expect(windows).toEqual([
      { days: [1, 2, 3, 4], from: '22:30', to: '05:00', timeZone: 'Europe/Berlin' },
      { days: [6, 7], from: '01:00', to: '08:00', timeZone: 'Europe/Berlin' },
    ]);
    expect(balancers.at(-1)).toEqual({
      name: 'lb2',
      driver: 'haproxy',
      socket: 'tcp://10.1.0.2:9999',
      memberBackend: '{farm}',
      farmBackends: ['blue', 'green'],
    });
    expect(siteOf('paris').balancers).toEqual([
      { name: 'edge', driver: 'health-file', noticedAfterSeconds: 15 },
    ]);
  });

  it('gives members what is nearest to them', () => {
    const members = new Map(membersOf(read(EXAMPLE).inventory).map((one) => [one.node, one]));

    expect(members.get('web7-01')).toEqual({
      node: 'web7-01',
      farm: 'web7',
      index: 1,
      ssh: { host: '10.1.7.1', port: 22, user: 'root' },
      profile: 'web-x86-64-v3',
      webServer: 'nginx',
      rack: 'A',
      weight: 1,
      isEager: true,
    });
    expect(members.get('web7-16')).toMatchObject({ rack: 'B', isEager: false });
    expect(members.get('web8-spare')).toMatchObject({
      index: 13,
      profile: 'web-x86-64-v2',
      weight: 0.5,
      ssh: { host: '10.1.8.200' },
    });
    expect(members.has('web8-09')).toBe(false);
    expect(members.get('web20-04')).toMatchObject({
      webServer: 'apache',
      ssh: { host: 'web20-04.paris.example' },
    });
  });

  it('counts how many of a farm have to serve, where it does not say it', () => {
    const limits = farmsOf(read(EXAMPLE).inventory).map((one) => [one.maxOut, one.minServing]);
    expect(limits).toEqual([
      [1, 15],
      [1, 9],
      [1, 3],
    ]);
    expect(farmsOf(read(EXAMPLE).inventory)[0]?.memcached).toEqual([
      { host: 'web7-cache', port: 11_211 },
    ]);
  });

  it('has the same digest however it is written, and another when something is different', () => {
    const digest = inventoryDigest(read(EXAMPLE).inventory);
    const [head = '', paris = ''] = EXAMPLE.split('# Another site');
    const defaults = head.slice(head.indexOf('[defaults]'), head.indexOf('# A site'));
    const apart = read(head, `${defaults}\n# ${paris}`).inventory;

    expect(inventoryDigest(apart)).toBe(digest);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(
      inventoryDigest(read(EXAMPLE.replace('web20-[01-04]', 'web20-[01-05]')).inventory),
    ).not.toBe(digest);
  });
});

function siteOf(name: string) {
  const site = read(EXAMPLE).inventory.sites.find((one) => one.name === name);
  if (site === undefined) {
    throw new Error(`the example has no site ${name}`);
  }
  return site;
}

describe('patterns of members', () => {
  it.each([
    ['"a[1-3]"', ['a1', 'a2', 'a3'], [1, 2, 3]],
    ['"a[08-10]b"', ['a08b', 'a09b', 'a10b'], [8, 9, 10]],
    ['"a[01,03-04]"', ['a01', 'a03', 'a04'], [1, 3, 4]],
    ['["a-7", "b[2]"]', ['b2', 'a-7'], [2, 7]],
  ])('%s', (members, nodes, indexes) => {
    const { inventory, faults } = farm(`members = ${members}`);

    expect(faults).toEqual([]);
    expect(membersOf(inventory).map(({ node }) => node)).toEqual(nodes);
    expect(membersOf(inventory).map(({ index }) => index)).toEqual(indexes);
  });
});

/** `max-out` and `min-serving` of a farm of these members, beside a default. */
function limitsOf(members: string) {
  const own = `[site.b.farm.f]\nprofile = "web-x86-64-v3"\nmembers = "${members}"\n`;
  const { inventory } = read(`[defaults]\nmax-out = 3\n${BALANCER}${own}`);
  return farmsOf(inventory).map((one) => [one.maxOut, one.minServing]);
}

describe('what several tables say', () => {
  it('counts the own table of a member more than that of a pattern, wherever they stand', () => {
    const own = '[site.b.farm.f.member.a1]\nrack = "own"\n';
    const pattern = '[site.b.farm.f.member."a[1-2]"]\nrack = "pattern"\nweight = 2\n';
    for (const tables of [own + pattern, pattern + own]) {
      const { inventory, faults } = farm(`members = "a[1-2]"\n${tables}`);
      expect(faults).toEqual([]);
      expect(membersOf(inventory)).toMatchObject([
        { rack: 'own', weight: 2 },
        { rack: 'pattern', weight: 2 },
      ]);
    }
  });

  it('lets a default be larger than a farm', () => {
    expect([limitsOf('a[1-2]'), limitsOf('a[1-5]')]).toEqual([[[2, 0]], [[3, 2]]]);
  });
});

describe('faults of an inventory', () => {
  it.each([
    ['members = "a[1-"', 'it has to have one pair of brackets, as in "web7-[01-16]".'],
    ['members = "a[0-3]"', 'it has "0-3" in its brackets, which is no number or range'],
    ['members = "a[5-3]"', 'it has the range "5-3", which ends before it begins.'],
    ['members = ["a[1-2]", "a2"]', 'it is the name of a node already'],
    ['members = ["a[1-2]", "b2"]', 'it has the index 2 of a2; give one of them another.'],
    ['members = "spare"', 'site.b.farm.f.member.spare.index is missing: its name does not end'],
    [
      'members = "web100"',
      'member.web100.index is missing: its name does not end in a number from',
    ],
    ['members = "a1"\nmemcached = ["h:0"]', 'f.memcached = "h:0": it has to be HOST or HOST:PORT'],
    ['members = "a b[1]"', 'it is not the name of a node: it has to be of letters'],
    ['members = "a[1-3]"\nmin-serving = 3', 'f.min-serving = 3: it may be at most 2: so many of 3'],
    ['members = "a[1-3]"\nmax-out = 4', 'f.max-out = 4: it may be at most 3, the number'],
    [
      'members = "a1"\nmemcachd = []',
      'f.memcachd = []: there is no such key. Did you mean "memcached"?',
    ],
    [
      'members = "a1"\nmemcached = ["h:99999"]',
      'f.memcached = "h:99999": it has to be HOST or HOST:PORT',
    ],
    ['members = "a1"\naddress = "-oProxy=x"', 'it has to be the name or address of a host for a1'],
    ['members = "a1"\naddress = "10.1.7.{index+300}"', 'a host, and gives 10.1.7.301 for a1 of f.'],
    [
      'members = "a1"\naddress = "{indx}"',
      'it has {indx}, which stands for nothing; known are {name}',
    ],
    ['members = "a1"\nssh-user = "-x"', 'f.ssh-user = "-x": it has to be the name of a user.'],
    ['members = "a1"\nssh-port = 0', 'f.ssh-port = 0: it has to be a number from 1 to 65535.'],
    ['members = "a1"\nweb-server = "ngnix"', 'Did you mean "nginx"?'],
    ['members = "a1"\nweight = 0', 'f.weight = 0: it has to be more than 0.'],
    [
      'members = "a1"\n[site.b.farm.f.member.a2]\nrack = "x"',
      'it is no member of the farm. Did you mean "a1"?',
    ],
    [
      'members = "a[1-2]"\naddress = "10.1.7.1"',
      'f.address = "10.1.7.1": it is 10.1.7.1, port 22, for a2 as well as for a1',
    ],
    [
      'members = "a1"\n[site.b.farm.f.member.a1]\nprofile = "web-x86-64-v4"',
      'member.a1.profile = "web-x86-64-v4": it is no hardware profile of this farm. Did you mean',
    ],
    [
      'members = "a[1-4]"\n[site.b.farm.f.member."a[1-3]"]\nrack = "x"\n[site.b.farm.f.member."a[3-4]"]\nrack = "y"',
      'it says of a3 what f1.toml: site.b.farm.f.member.a[1-3] says too',
    ],
  ])('%j', (lines, sentence) => {
    const { faults } = farm(lines);
    expect(faults.join('\n')).toContain(sentence);
    expect(faults).toHaveLength(1);
  });

  it.each([
    ['', 'site is missing; it has to be a table.'],
    ['[site]', 'The inventory has no site'],
    ['[site.b]\n', 'f1.toml: site.b.balancer is missing: a site needs at least one balancer'],
    [BALANCER, 'f1.toml: site.b.farm is missing: a site needs at least one farm.'],
    [
      `[site.b.balancer.x]\ndriver = "haproxxy"`,
      'has to be "haproxy", "health-file" or "command". Did you mean "haproxy"?',
    ],
    [
      `[site.b.balancer.x]\ndriver = "haproxy"\nsocket = "/run/x"`,
      'site.b.balancer.x.socket = "/run/x": it has to look like',
    ],
    [
      `[site.b.balancer.x]\ndriver = "command"\ncommand = ["x"]\nsocket = "y"`,
      'site.b.balancer.x.socket = "y": there is no such key.',
    ],
    [
      `${BALANCER}[[site.b.window]]\ndays = "mon-fry"\nfrom = "22:00"\nto = "24:00"`,
      'site.b.window[0].days = "mon-fry": it has to be days',
    ],
    [
      `${BALANCER}[[site.b.window]]\ndays = "mon"\nfrom = "22:00"\nto = "24:00"`,
      'site.b.window[0].to = "24:00": it has to be a time',
    ],
    [
      `${BALANCER}[site.b.farm.f]\nmembers = "a[1-2]"`,
      'site.b.farm.f.profile is missing: a1 needs one',
    ],
    ['[sites.b]', 'sites = {"b":{}}: there is no such key. Did you mean "site"?'],
    ['x = ', 'f1.toml, line 1'],
  ])('%j', (text, sentence) => {
    expect(read(text).faults.join('\n')).toContain(sentence);
  });

  it('finds names that are taken in another file', () => {
    const one = `${BALANCER}[site.b.farm.f]\nmembers = "a1"\nprofile = "web-x86-64-v3"\n`;
    const { faults } = read(one, one.replaceAll('site.b', 'site.c').replaceAll('.f]', '.g]'));
    expect(faults).toEqual([
      'f2.toml: site.c.farm.g.members = "a1": it is the name of a node already, at f1.toml: site.b.farm.f.members.',
    ]);
  });
});
