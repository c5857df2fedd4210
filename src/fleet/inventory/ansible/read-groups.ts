import { parse } from 'yaml';
import { messageOf } from '../../../support/errors.ts';
import type { InventoryFile } from '../read-toml.ts';
import type { AnsibleHosts, Variables } from './ansible-hosts.ts';
import { expandHosts } from './host-range.ts';

const MAX_ALIASES = 100;
const MAX_DEPTH = 50;

/**
 * Reads a YAML inventory: groups with `hosts`, `vars` and `children`. Source: Ansible's documentation of the inventory plugin
 * `yaml`. Returns sentences for what is wrong.
 */
export function readYaml({ name, text }: InventoryFile, into: AnsibleHosts): string[] {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: MAX_ALIASES });
  } catch (error) {
    return [`${name}: it is no YAML: ${messageOf(error).split('\n', 1)[0]}.`];
  }
  const faults: string[] = [];
  for (const [group, body] of entriesOf(value)) {
    readGroup(group, body, { into, faults, file: name, depth: 0 });
  }
  return faults;
}

/** Reads what `ansible-inventory --list` prints: groups, and `_meta.hostvars`. */
export function readList({ name, text }: InventoryFile, into: AnsibleHosts): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return [`${name}: it is no JSON: ${messageOf(error)}.`];
  }
  for (const [group, body] of entriesOf(value)) {
    if (group !== '_meta') {
      into.addVars(group, variablesIn(memberOf(body, 'vars')));
      listOf(memberOf(body, 'children')).forEach((child) => {
        into.addChild(group, child);
      });
      listOf(Array.isArray(body) ? body : memberOf(body, 'hosts')).forEach((host) => {
        into.addHost(host, group);
      });
    }
  }
  for (const [host, vars] of entriesOf(memberOf(memberOf(value, '_meta'), 'hostvars'))) {
    into.addHost(host, 'all', variablesIn(vars));
  }
  return [];
}

function readGroup(
  group: string,
  body: unknown,
  at: {
    readonly into: AnsibleHosts;
    readonly faults: string[];
    readonly file: string;
    readonly depth: number;
  },
): void {
  const { into, faults, file, depth } = at;
  into.addVars(group, variablesIn(memberOf(body, 'vars')));
  for (const [pattern, vars] of entriesOf(memberOf(body, 'hosts'))) {
    const hosts = expandHosts(pattern);
    if (hosts === undefined) {
      faults.push(`${file}: ${group}.hosts: "${pattern}" is no range of hosts such as web[01:16].`);
    }
    hosts?.forEach((host) => {
      into.addHost(host, group, variablesIn(vars));
    });
  }
  for (const [child, inner] of entriesOf(memberOf(body, 'children'))) {
    into.addChild(group, child);
    if (depth < MAX_DEPTH) {
      readGroup(child, inner, { ...at, depth: depth + 1 });
    }
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function variablesIn(value: unknown): Variables {
  return Object.fromEntries(entriesOf(value));
}
