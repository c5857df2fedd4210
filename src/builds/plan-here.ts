import { join } from 'node:path';
import { matchesAtom, parseAtom } from '../gentoo/atom.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Recipe } from '../gentoo/recipe.ts';
import { AppError, isAppError, isPassing } from '../support/errors.ts';
import type { BuildPlan } from './build-plan.ts';
import type { BuildsContext } from './builds-context.ts';
import { inputsDigest } from './inputs-digest.ts';
import { at } from './job-graph.ts';
import { planFromRecipes, type RecipeInputs, resolveRecipes } from './plan-from-recipes.ts';
import {
  type Again,
  listed,
  MOST_PLANS,
  notPlanned,
  rebuildsForPlan,
  withReasons,
} from './rebuilds.ts';
import { packSource, type SourceArchive } from './source-archive.ts';

/**
 * Plans what is wanted, and what has to be built again with it before it can be published.
 *
 * Throws `rebuild-not-planned`, unless a part of it may be published, and what `planHere` throws.
 */
export async function planWithRebuilds(
  context: BuildsContext,
  profile: HardwareProfile,
  wanted: Omit<WantedHere, 'again'> & {
    readonly publish: string | undefined;
    readonly partial: boolean;
  },
): Promise<BuildPlan> {
  const target = { profile: profile.name, publish_channel: wanted.publish ?? null };
  let again: readonly Again[] = [];
  let plan = await planHere(context, profile, { ...wanted, again });
  for (let round = 1; ; round += 1) {
    const packages = plan.jobs.flatMap(({ spec }) =>
      spec.kind === 'source-package' ? [spec.recipe] : [],
    );
    const rebuilds = await rebuildsForPlan(context, target, { packages, reused: plan.reused });
    const missing = notPlanned(rebuilds, plan);
    if (missing.length === 0 || round === MOST_PLANS) {
      return withReasons(plan, { again, rebuilds });
    }
    const more = [...again, ...missing];
    try {
      plan = await planHere(context, profile, { ...wanted, again: more });
      again = more;
    } catch (error) {
      if (!isAppError(error) || isPassing(error)) {
        throw error;
      }
      if (wanted.partial) {
        return withReasons(plan, { again, rebuilds });
      }
      throw notPossible(missing, error);
    }
  }
}

function notPossible(missing: readonly Again[], cause: AppError): AppError {
  return new AppError(
    'rebuild-not-planned',
    `These would have to be built again with it, and that cannot be planned: ${listed(missing)}. ${cause.message}`,
    { cause, details: { again: missing } },
  );
}

export interface WantedHere {
  readonly atoms: readonly string[];
  /** What the atoms name is built again. */
  readonly rebuild: boolean;
  /** What else is built again. */
  readonly again: readonly Again[];
}

/** Plans by the recipes of a profile, here and now. Throws what `resolveRecipes` and `packSource` throw. */
export async function planHere(
  context: BuildsContext,
  profile: HardwareProfile,
  wanted: WantedHere,
): Promise<BuildPlan> {
  const again = wanted.again.map(({ atom }) => atom);
  const recipes = resolveRecipes([...wanted.atoms, ...again], profile);
  const anew = again.map((atom) => parseAtom(atom));
  const sources = new SourceShelf(join(context.folders.state, 'sources'));
  const known: RecipeInputs[] = [];
  for (const { recipe, isRequested, build, run } of recipes) {
    const source = await sources.of(recipe);
    const inputs = inputsDigest({
      recipe,
      sourceDigest: source.digest,
      profile,
      dependencies: [...build, ...run].map((place) => at(known, place).inputs),
    });
    const isWantedAnew =
      (wanted.rebuild && isRequested) || anew.some((atom) => matchesAtom(atom, recipe));
    const built = isWantedAnew
      ? undefined
      : await context.repository.findPackageByInputs(profile.name, inputs);
    known.push({ inputs, sourceSha512: source.sha512, packageId: built?.id ?? null });
  }
  return planFromRecipes(recipes, known);
}

/** Packs each source folder once. */
class SourceShelf {
  readonly #sources: string;
  readonly #packed = new Map<string, SourceArchive>();

  constructor(sources: string) {
    this.#sources = sources;
  }

  /** `sha512` is null when the agent fetches the source itself. */
  async of({
    source,
  }: Recipe): Promise<{ readonly digest: string; readonly sha512: string | null }> {
    if ('url' in source) {
      return { digest: source.sha512, sha512: null };
    }
    const archive =
      this.#packed.get(source.folder) ?? (await packSource(source.folder, this.#sources));
    this.#packed.set(source.folder, archive);
    return { digest: archive.contentSha256, sha512: archive.sha512 };
  }
}
