import { show } from '../../../gentoo/document-faults.ts';
import { canonicalJson } from '../../../support/canonical-json.ts';
import { checkedPart, type InventoryFile, type ReadParts } from '../read-toml.ts';
import { AnsibleHosts, type Variables } from './ansible-hosts.ts';
import { readList, readYaml } from './read-groups.ts';
import { readIni } from './read-ini.ts';

/** Variables of a host -> keys of a member in an inventory document. */
const MEMBER_VARIABLES: Readonly<Record<string, string>> = {
  ansible_host: 'address',
  ansible_port: 'ssh-port',
  ansible_user: 'ssh-user',
  rookery_index: 'index',
  rookery_profile: 'profile',
  rookery_web_server: 'web-server',
  rookery_rack: 'rack',
  rookery_weight: 'weight',
  rookery_eager: 'eager',
};
const FARM_VARIABLES: Readonly<Record<string, string>> = {
  rookery_memcached: 'memcached',
  rookery_max_out: 'max-out',
  rookery_min_serving: 'min-serving',
};
const SITE_VARIABLES: Readonly<Record<string, string>> = {
  rookery_balancers: 'balancer',
  rookery_peak_load: 'peak-load',
  rookery_session: 'session',
  rookery_time_zone: 'time-zone',
  rookery_windows: 'window',
};
const NUMBERS = new Set(['ssh-port', 'index', 'weight', 'max-out', 'min-serving', 'peak-load']);

type Table = Record<string, unknown>;

/**
 * Reads inventories of Ansible: what `ansible-inventory --list` prints, YAML and INI, told apart by the text and the ending of
 * the name. Hosts with `rookery_farm` are members; the variables stand in docs/fleet.md.
 */
export function readAnsibleInventory(
  files: readonly InventoryFile[],
): ReadParts & { readonly remarks: readonly string[] } {
  const hosts = new AnsibleHosts();
  const faults = files.flatMap((file) => readFile(file, hosts));
  const members = hosts.names.filter((name) => hosts.varsOf(name)['rookery_farm'] !== undefined);
  const passed = hosts.names.length - members.length;
  const remarks =
    passed > 0
      ? [`${passed} of ${hosts.names.length} hosts have no rookery_farm: passed over.`]
      : [];
  const document = documentOf(members, hosts, faults);
  if (faults.length > 0) {
    return { parts: [], faults, remarks };
  }
  const file = files.map(({ name }) => name).join(', ');
  return { ...checkedPart(document, { file, nameOf: variableAt }), remarks };
}

function readFile(file: InventoryFile, into: AnsibleHosts): string[] {
  if (/^\s*\{/.test(file.text)) {
    return readList(file, into);
  }
  return /\.ya?ml$/i.test(file.name) ? readYaml(file, into) : readIni(file, into);
}

function documentOf(members: readonly string[], hosts: AnsibleHosts, faults: string[]): Table {
  const sites: Record<string, Table & { farm: Record<string, Table> }> = {};
  for (const host of members) {
    const vars = hosts.varsOf(host);
    const [site, farm] = [vars['rookery_site'], vars['rookery_farm']];
    if (typeof site !== 'string' || typeof farm !== 'string') {
      const [name, value] =
        typeof site === 'string' ? ['rookery_farm', farm] : ['rookery_site', site];
      faults.push(`host ${host}: ${name} = ${show(value ?? null)}: it has to be the name of one.`);
      continue;
    }
    const table = (sites[site] ??= { farm: {} });
    const own = (table.farm[farm] ??= { members: [], member: {} });
    agree(table, translated(vars, SITE_VARIABLES), { of: `site ${site}`, host, faults });
    agree(own, translated(vars, FARM_VARIABLES), { of: `farm ${farm}`, host, faults });
    own['members'] = [...listIn(own['members']), host];
    own['member'] = { ...tableIn(own['member']), [host]: translated(vars, MEMBER_VARIABLES) };
  }
  return { site: sites };
}

/** All members of a farm or site have to say the same of it. */
function agree(
  table: Table,
  said: Table,
  { of, host, faults }: { readonly of: string; readonly host: string; readonly faults: string[] },
): void {
  for (const [key, value] of Object.entries(said)) {
    if (table[key] !== undefined && canonicalJson(table[key]) !== canonicalJson(value)) {
      const name = variableNamed(key) ?? key;
      faults.push(
        `host ${host}: ${name} = ${show(value)}: other hosts of the ${of} say ${show(table[key])}.`,
      );
    }
    table[key] ??= value;
  }
}

function translated(vars: Variables, names: Readonly<Record<string, string>>): Table {
  return Object.fromEntries(
    Object.entries(names).flatMap(([variable, key]) => {
      const value = vars[variable];
      return value === undefined || value === null ? [] : [[key, valueFor(key, value)]];
    }),
  );
}

/** Ansible has numbers and booleans as texts where its formats know no others. */
function valueFor(key: string, value: unknown): unknown {
  if (typeof value === 'string' && NUMBERS.has(key) && /^-?[0-9]+(?:\.[0-9]+)?$/.test(value)) {
    return Number(value);
  }
  if (key === 'eager' && typeof value === 'string' && /^(?:true|false|yes|no)$/i.test(value)) {
    return /^(?:true|yes)$/i.test(value);
  }
  return key === 'rack' && typeof value === 'number' ? String(value) : value;
}

const PLACES: readonly (readonly [string, RegExp])[] = [
  ['host', /\.member\.(?<name>.*)\.(?<key>[a-z-]+)$/],
  ['farm', /\.farm\.(?<name>.*)\.(?<key>[a-z-]+)$/],
  ['site', /^site\.(?<name>[^.]*)\.(?<key>[a-z-]+)/],
];

/** `site.b.farm.f.member.web-1.index` -> `host web-1: rookery_index`. */
function variableAt(path: string): string | undefined {
  for (const [kind, pattern] of PLACES) {
    const { name, key = '' } = pattern.exec(path)?.groups ?? {};
    if (name !== undefined) {
      return `${kind} ${name}: ${variableNamed(key) ?? path}`;
    }
  }
  return undefined;
}

function variableNamed(key: string): string | undefined {
  const all = { ...MEMBER_VARIABLES, ...FARM_VARIABLES, ...SITE_VARIABLES };
  return Object.entries(all).find(([, one]) => one === key)?.[0];
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function tableIn(value: unknown): Table {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}
