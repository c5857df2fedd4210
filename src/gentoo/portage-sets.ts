import { suggestion } from './nearest-word.ts';

/** Sets that Portage itself has (`cnf/sets/portage.conf`). */
export const PORTAGE_SETS: readonly string[] =
  'world profile selected selected-packages selected-sets system security installed usersets preserved-rebuild live-rebuild deprecated-live-rebuild module-rebuild x11-module-rebuild rebuilt-binaries changed-subslot downgrade unavailable unavailable-binaries changed-deps golang-rebuild rust-rebuild'.split(
    ' ',
  );

/** A sentence for each `@set` that neither these sets (name -> atoms) nor Portage has. `fileOf` names the file of a set. */
export function faultsInSets(
  sets: Readonly<Record<string, readonly string[]>>,
  fileOf: (set: string) => string,
): string[] {
  const known = [...Object.keys(sets), ...PORTAGE_SETS].map((name) => `@${name}`);
  return Object.entries(sets).flatMap(([name, atoms]) =>
    atoms
      .filter((atom) => atom.startsWith('@') && !known.includes(atom))
      .map((atom) => `${fileOf(name)}: "${atom}": there is no such set.${suggestion(atom, known)}`),
  );
}
