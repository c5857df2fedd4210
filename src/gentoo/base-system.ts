import * as z from 'zod';
import { messageOf } from '../support/errors.ts';
import { parseCpv } from './cpv.ts';
import { isUseFlag } from './use-dependency.ts';

/** A package that every node of a profile has, wherever it came from. */
export const basePackageSchema = z.strictObject({
  cpv: z.string(),
  /** `slot` or `slot/sub-slot`, as in SLOT. */
  slot: z.string(),
  /** Flags that are on, and with a `-` those that are off. */
  use: z.array(z.string()),
  /** All flags that it has. Absent: others than in `use` may be off, or not there at all. */
  iuse: z.array(z.string()).exactOptional(),
});
export type BasePackage = z.infer<typeof basePackageSchema>;

/** What nodes have before the first package of a binhost reaches them: the stage, or what was installed by hand. */
export const baseSystemSchema = z.strictObject({
  packages: z.array(basePackageSchema),
  /** `<multilib category>: <soname>`, such as `x86_64: libc.so.6`. */
  sonames: z.array(z.string()),
});
export type BaseSystem = z.infer<typeof baseSystemSchema>;

export const NO_BASE_SYSTEM: BaseSystem = { packages: [], sonames: [] };

const SLOT = /^[A-Za-z0-9_][A-Za-z0-9_+.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_+.-]*)?$/;
const CATEGORY = /^[A-Za-z0-9_]+:$/;

/**
 * Reads a file `base-system`. A line is a package, `category/pf[:slot[/sub-slot]] flag... -flag...`, or sonames that the
 * system has, `provides <multilib category>: soname...`; `#` begins a comment.
 */
export function parseBaseSystem(
  text: string,
  file: string,
): { readonly base: BaseSystem; readonly faults: readonly string[] } {
  const packages: BasePackage[] = [];
  const sonames: (readonly string[])[] = [];
  const faults: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [first, ...rest] = line
      .replace(/(?:^|\s)#.*/, '')
      .split(/\s+/)
      .filter(Boolean);
    if (first === undefined) {
      continue;
    }
    const read = first === 'provides' ? readSonames(rest) : readPackage(first, rest);
    if (typeof read === 'string') {
      faults.push(`${file}, line ${index + 1}: ${read}`);
    } else if (Array.isArray(read)) {
      sonames.push(read);
    } else {
      packages.push(read);
    }
  }
  return { base: { packages, sonames: sonames.flat() }, faults };
}

/** The text of a file `base-system`. */
export function formatBaseSystem({ packages, sonames }: BaseSystem): string {
  const byCategory = new Map<string, string[]>();
  for (const soname of sonames) {
    const [category = '', name = ''] = soname.split(': ');
    byCategory.set(category, [...(byCategory.get(category) ?? []), name]);
  }
  const lines = [
    ...packages.map(({ cpv, slot, use }) => [`${cpv}:${slot}`, ...use].join(' ')).toSorted(),
    ...[...byCategory]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([category, names]) => `provides ${category}: ${[...new Set(names)].toSorted().join(' ')}`,
      ),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Of several, everything. */
export function mergeBaseSystems(systems: readonly BaseSystem[]): BaseSystem {
  const packages = new Map(
    systems.flatMap((system) => system.packages.map((one) => [`${one.cpv}:${one.slot}`, one])),
  );
  return {
    packages: [...packages.values()],
    sonames: [...new Set(systems.flatMap((system) => system.sonames))],
  };
}

function readSonames([category = '', ...names]: readonly string[]): string[] | string {
  if (!CATEGORY.test(category) || names.length === 0) {
    return '"provides" needs a multilib category with a colon, and sonames: "provides x86_64: libc.so.6".';
  }
  return names.map((name) => `${category} ${name}`);
}

function readPackage(word: string, use: readonly string[]): BasePackage | string {
  const colon = word.indexOf(':');
  const cpv = colon < 0 ? word : word.slice(0, colon);
  const slot = colon < 0 ? '0' : word.slice(colon + 1);
  try {
    parseCpv(cpv);
  } catch (error) {
    return messageOf(error);
  }
  if (!SLOT.test(slot)) {
    return `"${slot}" is not a slot.`;
  }
  const wrong = use.find((flag) => !isUseFlag(flag.replace(/^-/, '')));
  if (wrong !== undefined) {
    return `"${wrong}" is not a USE flag.`;
  }
  const both = use.find((flag) => use.includes(`-${flag}`));
  return both === undefined ? { cpv, slot, use: [...use] } : `"${both}" cannot be on and off.`;
}
