import type { PortagePlan } from '../gentoo/portage-plan.ts';
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

/**
 * What is known to decide how Portage's build of each ebuild of a plan ends, by CPV: SHA-256, hex, over the version and
 * its repository, USE, the bytes of ebuild and eclasses, the settings of the profile, and the versions that it is built
 * with. A rebuild of the same version of one of those counts as the same.
 */
export function portageInputs(
  plan: PortagePlan,
  profile: HardwareProfile,
): ReadonlyMap<string, string> {
  const { arch, chost, flags, cpuFlags, cpuFlagsVariable, gentooProfile, use, features } = profile;
  const { portageFiles, buildRoot } = profile;
  const settings = digestOf(
    'sha256',
    JSON.stringify(
      sorted({
        arch,
        chost,
        flags,
        cpuFlagsVariable,
        cpuFlags: cpuFlags.toSorted(),
        gentooProfile,
        use,
        features,
        portageFiles,
        buildRoot,
      }),
    ),
  );
  const cpvOf = new Map(plan.packages.map(({ id, cpv }) => [id, cpv]));
  const builtWith = new Map<string, Set<string>>();
  for (const { from, to, kinds } of plan.edges) {
    const cpv = cpvOf.get(to);
    if (cpv !== undefined && kinds.some((kind) => kind.startsWith('buildtime'))) {
      builtWith.set(from, (builtWith.get(from) ?? new Set()).add(cpv));
    }
  }
  return new Map(
    plan.packages
      .filter(({ type }) => type === 'ebuild')
      .map(({ id, cpv, repo, slot, use: flagsOn, source }) => {
        const needs = [...(builtWith.get(id) ?? [])].toSorted();
        const own = { cpv, repo, slot, use: flagsOn.toSorted(), source: source ?? null };
        return [cpv, digestOf('sha256', JSON.stringify([INPUTS_VERSION, own, settings, needs]))];
      }),
  );
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
