import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Recipe } from '../gentoo/recipe.ts';
import { digestOf } from '../support/digests.ts';

/** To be raised when the way in which the `source` executor builds changes what comes out. */
const INPUTS_VERSION = 1;

/**
 * SHA-256, hex, over everything that decides what a recipe's package will be: the recipe, its source, the settings
 * of the profile that reach the compiler, and the digests of what it is built with. A package with the same digest
 * need not be built again.
 */
export function inputsDigest(inputs: {
  readonly recipe: Recipe;
  /** Of the source's contents, wherever they come from. */
  readonly sourceDigest: string;
  readonly profile: Pick<
    HardwareProfile,
    'arch' | 'chost' | 'flags' | 'cpuFlags' | 'cpuFlagsVariable'
  >;
  /** Inputs digests of the packages that `depend` and `rdepend` came to. */
  readonly dependencies: readonly string[];
}): string {
  const { arch, chost, flags, cpuFlags, cpuFlagsVariable } = inputs.profile;
  const { source: _place, ...recipe } = inputs.recipe;
  const text = JSON.stringify(
    sorted({
      version: INPUTS_VERSION,
      recipe,
      source: inputs.sourceDigest,
      profile: { arch, chost, flags, cpuFlagsVariable, cpuFlags: cpuFlags.toSorted() },
      dependencies: [...new Set(inputs.dependencies)].toSorted(),
    }),
  );
  return digestOf('sha256', text);
}

/** The same value with the keys of every object in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([key, inner]) => [key, sorted(inner)]),
    );
  }
  return value;
}
