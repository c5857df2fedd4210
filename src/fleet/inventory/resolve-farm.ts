import { suggestion } from '../../gentoo/nearest-word.ts';
import { HOST_RULE, isHost, parseEndpoint } from './endpoint.ts';
import type { Endpoint, Farm, Member } from './inventory.ts';
import type { DefaultsDocument, FarmDocument, MemberDocument } from './inventory-document.ts';
import { expandMembers, fillIn, type NamedMember, PLACEHOLDERS } from './member-pattern.ts';
import { type Resolving, takeName } from './resolving.ts';

const SSH_PORT = 22;
const MEMCACHED_PORT = 11_211;

/** A table that may say something about a member; the nearest one that does counts. */
export interface Layer {
  readonly path: string;
  readonly table: DefaultsDocument & { readonly index?: number };
}

interface FarmAt {
  readonly path: string;
  readonly name: string;
  readonly farm: FarmDocument;
}

/** `around`: the defaults, nearest first. The site is left to who calls. */
export function resolveFarm(
  resolving: Resolving,
  at: FarmAt,
  around: readonly Layer[],
): Omit<Farm, 'site'> {
  const { path, name, farm } = at;
  takeName(resolving, 'farm', name, path);
  const layers = [{ path, table: farm }, ...around];
  const members = membersOf(resolving, at, layers);
  return {
    name,
    memcached: memcachedOf(resolving, at, layers),
    ...limitsOf(resolving, at, { layers, size: members.length }),
    members: members.toSorted((a, b) => a.index - b.index),
  };
}

/** The nearest table that has the key, with the path of the key. */
function nearest<Key extends keyof Layer['table']>(
  layers: readonly Layer[],
  key: Key,
): { readonly value: NonNullable<Layer['table'][Key]>; readonly path: string } | undefined {
  for (const { path, table } of layers) {
    const value = table[key];
    if (value !== undefined && value !== null) {
      return { value, path: `${path}.${key}` };
    }
  }
  return undefined;
}

function said<Key extends keyof Layer['table'], Default>(
  layers: readonly Layer[],
  key: Key,
  otherwise: Default,
): NonNullable<Layer['table'][Key]> | Default {
  return nearest(layers, key)?.value ?? otherwise;
}

function memcachedOf(
  { faults }: Resolving,
  { name, path }: FarmAt,
  layers: readonly Layer[],
): Endpoint[] {
  const found = nearest(layers, 'memcached');
  const site = siteOf(path);
  return (found?.value ?? []).flatMap((text) => {
    const { text: filled, unknown } = fillIn(text, { farm: name, site });
    const endpoint = unknown === undefined ? parseEndpoint(filled, MEMCACHED_PORT) : undefined;
    if (endpoint === undefined) {
      const rule = 'has to be HOST or HOST:PORT, where {farm} and {site} may stand for names';
      faults.value(found?.path ?? path, text, rule);
      return [];
    }
    return [endpoint];
  });
}

/** `site.<name>.farm.<name>`: names of sites may have dots. */
function siteOf(path: string): string {
  return path.replace(/^site\./, '').replace(/\.farm\..*$/, '');
}

function limitsOf(
  { faults }: Resolving,
  { path, farm }: FarmAt,
  { layers, size }: { readonly layers: readonly Layer[]; readonly size: number },
): Pick<Farm, 'maxOut' | 'minServing'> {
  const own = farm['max-out'];
  // A default may be larger than a small farm.
  const maxOut = own ?? Math.max(1, Math.min(nearest(layers, 'max-out')?.value ?? 1, size));
  if (own !== undefined && own > size && size > 0) {
    faults.value(`${path}.max-out`, own, `may be at most ${size}, the number of members`);
  }
  const left = Math.max(0, size - maxOut);
  const minServing = farm['min-serving'] ?? left;
  if (minServing > left && size > 0) {
    const rule = `may be at most ${left}: so many of ${size} members are left while ${maxOut} may be out`;
    faults.value(`${path}.min-serving`, minServing, rule);
  }
  return { maxOut, minServing };
}

interface Overrides {
  readonly path: string;
  readonly table: MemberDocument;
}

function membersOf(resolving: Resolving, at: FarmAt, layers: readonly Layer[]): Member[] {
  const named = namesOf(resolving, at);
  const overrides = overridesOf(resolving, at, named);
  const taken = new Map<number, string>();
  return named.flatMap((member) => {
    takeName(resolving, 'node', member.name, `${at.path}.members`);
    const own = overrides.get(member.name) ?? [];
    const index = indexOf(resolving, at, { member, own, taken });
    return index === undefined
      ? []
      : [memberOf(resolving, { at, name: member.name, index }, [...own, ...layers])];
  });
}

function namesOf({ faults }: Resolving, { path, farm }: FarmAt): NamedMember[] {
  const patterns = typeof farm.members === 'string' ? [farm.members] : farm.members;
  return patterns.flatMap((pattern) => {
    const { members, fault } = expandMembers(pattern);
    if (fault !== undefined) {
      faults.value(`${path}.members`, pattern, fault);
    }
    return members;
  });
}

/** Of each member the tables that name it, its own before those of patterns. Patterns may not contradict each other. */
function overridesOf(
  { faults }: Resolving,
  { path, farm }: FarmAt,
  named: readonly NamedMember[],
): ReadonlyMap<string, readonly Overrides[]> {
  const names = named.map(({ name }) => name);
  const overrides = new Map<string, Overrides[]>();
  for (const [key, table] of Object.entries(farm.member ?? {})) {
    const own = { path: `${path}.member.${key}`, table };
    const { members, fault } = expandMembers(key);
    const strangers = members.filter(({ name }) => !names.includes(name));
    if (fault !== undefined) {
      faults.value(own.path, key, fault);
    }
    for (const { name } of strangers) {
      faults.value(own.path, name, 'is no member of the farm', suggestion(name, names));
    }
    for (const { name } of members) {
      const before = overrides.get(name) ?? [];
      if (name === key) {
        overrides.set(name, [own, ...before]);
      } else {
        sayContradiction(faults, own, { name, before: before.filter((one) => !isOf(one, name)) });
        overrides.set(name, [...before, own]);
      }
    }
  }
  return overrides;
}

function isOf({ path }: Overrides, name: string): boolean {
  return path.endsWith(`.member.${name}`);
}

function sayContradiction(
  faults: Resolving['faults'],
  own: Overrides,
  { name, before }: { readonly name: string; readonly before: readonly Overrides[] },
): void {
  for (const [key, value] of Object.entries(own.table)) {
    const other = before.find(({ table }) => Object.hasOwn(table, key));
    if (other !== undefined) {
      const rule = `says of ${name} what ${faults.at(other.path)} says too; give it to one of them`;
      faults.value(`${own.path}.${key}`, value, rule);
    }
  }
}

function indexOf(
  { faults }: Resolving,
  { path }: FarmAt,
  {
    member,
    own,
    taken,
  }: {
    readonly member: NamedMember;
    readonly own: readonly Overrides[];
    readonly taken: Map<number, string>;
  },
): number | undefined {
  const given = nearest(own, 'index');
  const index = given?.value ?? member.index;
  if (index === null) {
    const rule = 'its name does not end in a number from 1 to 99, which would be its index';
    faults.missing(`${path}.member.${member.name}.index`, rule);
    return undefined;
  }
  const other = taken.get(index);
  if (other !== undefined && other !== member.name) {
    const rule = `has the index ${index} of ${other}; give one of them another`;
    faults.value(given?.path ?? `${path}.members`, given?.value ?? member.name, rule);
  }
  taken.set(index, member.name);
  return index;
}

function memberOf(
  resolving: Resolving,
  { at, name, index }: { readonly at: FarmAt; readonly name: string; readonly index: number },
  layers: readonly Layer[],
): Member {
  return {
    node: name,
    farm: at.name,
    index,
    ssh: {
      host: hostOf(
        resolving,
        { name, farm: at.name, site: siteOf(at.path), index },
        { layers, at },
      ),
      port: said(layers, 'ssh-port', SSH_PORT),
      user: said(layers, 'ssh-user', 'root'),
    },
    profile: profileOf(resolving, name, { layers, at }),
    webServer: said(layers, 'web-server', 'nginx'),
    rack: said(layers, 'rack', null),
    weight: said(layers, 'weight', 1),
    isEager: said(layers, 'eager', false),
  };
}

function hostOf(
  resolving: Resolving,
  values: Parameters<typeof fillIn>[1] & { readonly name: string },
  { layers, at }: { readonly layers: readonly Layer[]; readonly at: FarmAt },
): string {
  const found = nearest(layers, 'address');
  const port = said(layers, 'ssh-port', SSH_PORT);
  if (found === undefined) {
    takeAddress(resolving, `${values.name}:${port}`, values.name);
    return values.name;
  }
  const { faults } = resolving;
  const { text, unknown } = fillIn(found.value, values);
  if (unknown !== undefined) {
    const known = PLACEHOLDERS.map((one) => `{${one}}`);
    const rule = `has ${unknown}, which stands for nothing; known are ${known.join(', ')} and {index+N}`;
    faults.value(found.path, found.value, rule, suggestion(unknown, known));
  } else if (!isHost(text)) {
    const what = text === found.value ? HOST_RULE : `${HOST_RULE}, and gives ${text}`;
    faults.value(found.path, found.value, `${what} for ${values.name} of ${at.name}`);
  } else {
    const other = takeAddress(resolving, `${text}:${port}`, values.name);
    if (other !== undefined) {
      const rule = `is ${text}, port ${port}, for ${values.name} as well as for ${other}: what is meant for one would be done to the other`;
      faults.value(found.path, found.value, rule);
    }
  }
  return text;
}

function profileOf(
  { faults, profiles }: Resolving,
  name: string,
  { layers, at }: { readonly layers: readonly Layer[]; readonly at: FarmAt },
): string {
  const found = nearest(layers, 'profile');
  if (found === undefined) {
    const rule = `${name} needs one, from its farm, its site's defaults, or those of the file`;
    faults.missing(`${at.path}.profile`, rule);
    return '';
  }
  if (profiles?.includes(found.value) === false) {
    const hint = suggestion(found.value, profiles);
    faults.value(found.path, found.value, 'is no hardware profile of this farm', hint);
  }
  return found.value;
}

/** Who has the address already. A name of a node that is there twice is said elsewhere. */
function takeAddress({ named }: Resolving, address: string, node: string): string | undefined {
  const key = `address ${address.toLowerCase()}`;
  const other = named.get(key);
  named.set(key, other ?? node);
  return other === node ? undefined : other;
}
