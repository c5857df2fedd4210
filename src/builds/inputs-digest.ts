import type { PortagePlan } from '../gentoo/portage-plan.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Recipe } from '../gentoo/recipe.ts';
import type { Ingredients } from '../repository/provenance.ts';
import { digestOf } from '../support/digests.ts';
import { packageNameOf } from './place-jobs.ts';

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

/** Files of the profile that say which packages there are and with which USE: both are inputs of their own. */
const COUNTED_OTHERWISE =
  /^package\.(use|accept_keywords|keywords|mask|unmask|license|properties|accept_restrict)(\/|$)/;
const PATCHES = /^patches\/([^/]+\/[^/]+)\//;

/**
 * What a package will be made from, all but what it is built with. `settings` is a digest over what of the profile
 * reaches its build: a line of package.use counts by what it changes, a patch for the package that it is for.
 */
export interface OwnIngredients {
  readonly digest: string;
  readonly source: string | null;
  readonly settings: string;
}

export function ownIngredients(
  node: PortagePlan['packages'][number],
  profile: HardwareProfile,
): OwnIngredients {
  const { cpv, repo, slot, use } = node;
  const source = node.source ?? null;
  const settings = settingsOf(packageNameOf(cpv), profile);
  const own = { cpv, repo, slot, use: use.toSorted(), source, settings };
  return { digest: digestOf('sha256', JSON.stringify([INPUTS_VERSION, own])), source, settings };
}

/** See `OwnIngredients`. */
export function settingsOf(name: string, profile: HardwareProfile): string {
  const { arch, chost, flags, cpuFlags, cpuFlagsVariable, gentooProfile, features } = profile;
  const { portageFiles, buildRoot } = profile;
  const files = Object.entries(portageFiles).filter(([path]) => {
    const version = PATCHES.exec(path)?.[1];
    return version === undefined
      ? !COUNTED_OTHERWISE.test(path)
      : version === name || version.startsWith(`${name}-`) || version.startsWith(`${name}:`);
  });
  const settings = {
    arch,
    chost,
    flags,
    cpuFlagsVariable,
    cpuFlags: cpuFlags.toSorted(),
    gentooProfile,
    features: features.toSorted(),
    files: Object.fromEntries(files),
    // The paths of a prefix are in what it builds.
    prefix: buildRoot.kind === 'prefix' ? buildRoot.path : null,
  };
  return digestOf('sha256', JSON.stringify(sorted(settings)));
}

/** SHA-256, hex, over all that a package of Portage is made from and built with. */
export function fullInputs(
  own: Pick<OwnIngredients, 'digest'>,
  builtWith: Ingredients['with'],
): string {
  const parts = builtWith.map(
    ({ cpv, slot, content }) => `${packageNameOf(cpv)}:${slot} ${content}`,
  );
  return digestOf('sha256', JSON.stringify([own.digest, [...new Set(parts)].toSorted()]));
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
