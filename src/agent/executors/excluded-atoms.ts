import { VERSION_SOURCE } from '../../gentoo/version.ts';

const VERSION = new RegExp(`-${VERSION_SOURCE}\\*?$`);

/**
 * The `category/name` of an atom, which is all that emerge's `--usepkg-exclude` takes. A name without a category,
 * as emerge allows it, stands for that name in any category.
 */
export function packageNameOf(atom: string): string {
  const [operator = ''] = /^[<>=~]*/.exec(atom) ?? [];
  const bare = atom.slice(operator.length).replace(/[:[].*$/, '');
  const name = operator === '' ? bare : bare.replace(VERSION, '');
  return name.includes('/') ? name : `*/${name}`;
}

/**
 * What is not to be taken from binaries when the atoms and sets of a request are to be built again: `category/name`. Sets
 * that the profile does not have are Portage's own, as @world, and stay what they are: only Portage knows what is in them.
 */
export function excludedFromBinaries(
  atoms: readonly string[],
  sets: Readonly<Record<string, readonly string[]>>,
): string[] {
  const seen = new Set<string>();
  const expand = (atom: string): string[] => {
    if (!atom.startsWith('@')) {
      return [packageNameOf(atom)];
    }
    if (seen.has(atom)) {
      return [];
    }
    seen.add(atom);
    return sets[atom.slice(1)]?.flatMap(expand) ?? [atom];
  };
  return [...new Set(atoms.flatMap(expand))];
}
