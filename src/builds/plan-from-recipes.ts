import { type Atom, matchesAtom, parseAtom } from '../gentoo/atom.ts';
import { parseCpv } from '../gentoo/cpv.ts';
import { suggestion } from '../gentoo/nearest-word.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import type { Recipe } from '../gentoo/recipe.ts';
import { compareVersions } from '../gentoo/version.ts';
import { AppError } from '../support/errors.ts';
import type { BuildPlan } from './build-plan.ts';
import { at, describeCycle, findCycle, stronglyConnected } from './job-graph.ts';
import { type PlanEdge, planNeeds } from './plan-needs.ts';

/** A recipe that a request comes to, with the recipes that its atoms name, as indices into the same list. */
export interface ResolvedRecipe {
  readonly recipe: Recipe;
  readonly isRequested: boolean;
  /** What `depend` and `rdepend` name. */
  readonly build: readonly number[];
  readonly run: readonly number[];
}

/**
 * The recipes for some atoms and for everything that those need, each after what it needs. An atom takes the
 * highest version that it matches.
 *
 * Throws `unknown-recipe`, naming the nearest one, `plan-cycle`, `invalid-atom`.
 */
export function resolveRecipes(
  atoms: readonly string[],
  profile: Pick<HardwareProfile, 'name' | 'recipes'>,
): ResolvedRecipe[] {
  const shelf = new RecipeShelf(profile);
  const places = new Map<string, number>();
  const found: ResolvedRecipe[] = [];
  const placeOf = (recipe: Recipe, isRequested: boolean): number => {
    const place = places.get(recipe.cpv) ?? found.length;
    if (place === found.length) {
      places.set(recipe.cpv, place);
      found.push({ recipe, isRequested, build: [], run: [] });
    }
    return place;
  };
  for (const atom of atoms) {
    placeOf(shelf.find(atom, 'The request'), true);
  }
  const look = (atom: string, needing: Recipe): number[] => {
    const { blocker } = parseAtom(atom);
    return blocker === '' ? [placeOf(shelf.find(atom, `The recipe ${needing.cpv}`), false)] : [];
  };
  for (let place = 0; place < found.length; place += 1) {
    const { recipe, isRequested } = at(found, place);
    const build = recipe.depend.flatMap((atom) => look(atom, recipe));
    const run = recipe.rdepend.flatMap((atom) => look(atom, recipe));
    found[place] = { recipe, isRequested, build, run };
  }
  return inOrder(found);
}

function inOrder(recipes: readonly ResolvedRecipe[]): ResolvedRecipe[] {
  const graph = recipes.map(({ build, run }) => [...build, ...run]);
  const cycle = findCycle(graph);
  if (cycle !== undefined) {
    const names = cycle.map((place) => at(recipes, place).recipe.cpv);
    throw new AppError('plan-cycle', `These recipes need each other: ${describeCycle(names)}.`, {
      details: { packages: names },
    });
  }
  const order = stronglyConnected(graph).components.flat();
  const moved = new Map(order.map((place, index) => [place, index]));
  const move = (place: number): number => moved.get(place) ?? place;
  return order.map((place) => {
    const { recipe, isRequested, build, run } = at(recipes, place);
    return { recipe, isRequested, build: build.map(move), run: run.map(move) };
  });
}

/** What is known of a resolved recipe once its source has been packed. */
export interface RecipeInputs {
  readonly inputs: string;
  readonly sourceSha512: string | null;
  /** A package of the repository that has these very inputs, and may be taken instead of building. */
  readonly packageId: string | null;
}

/**
 * Jobs for what has to be built. A package that is there already still brings in what it needs at run time, so that
 * what is published is complete, but not what it was built with.
 */
export function planFromRecipes(
  recipes: readonly ResolvedRecipe[],
  known: readonly RecipeInputs[],
): BuildPlan {
  const wanted = wantedRecipes(recipes, known);
  const edges = wanted.flatMap((from) => {
    const { build, run } = at(recipes, from);
    const isJob = at(known, from).packageId === null;
    return [
      ...(isJob ? build.map((to): PlanEdge => ({ from, to, strength: 'build' })) : []),
      ...run.map((to): PlanEdge => ({ from, to, strength: 'run' })),
    ];
  });
  const isWanted = new Set(wanted);
  const isJob = (place: number): boolean =>
    isWanted.has(place) && at(known, place).packageId === null;
  const needs = planNeeds(
    recipes.map(({ recipe }, place) => ({ name: recipe.cpv, isJob: isJob(place) })),
    edges,
  );
  const built = wanted.filter(isJob);
  const jobIndexOf = new Map(built.map((place, index) => [place, index]));
  return {
    jobs: built.map((place) => {
      const { recipe } = at(recipes, place);
      const { inputs, sourceSha512 } = at(known, place);
      return {
        name: recipe.cpv,
        spec: { kind: 'source-package', recipe, sourceSha512, inputs },
        needs: at(needs, place).flatMap((need) => jobIndexOf.get(need) ?? []),
      };
    }),
    reused: wanted.flatMap((place) => at(known, place).packageId ?? []),
  };
}

function wantedRecipes(
  recipes: readonly ResolvedRecipe[],
  known: readonly RecipeInputs[],
): number[] {
  const wanted = new Set<number>();
  const open = [...recipes.keys()].filter((place) => at(recipes, place).isRequested);
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (!wanted.has(place)) {
      wanted.add(place);
      const { build, run } = at(recipes, place);
      open.push(...run, ...(at(known, place).packageId === null ? build : []));
    }
  }
  return [...wanted].toSorted((one, other) => one - other);
}

/** The recipes of a profile by category/name. */
class RecipeShelf {
  readonly #profile: string;
  readonly #recipes = new Map<string, Recipe[]>();

  constructor(profile: Pick<HardwareProfile, 'name' | 'recipes'>) {
    this.#profile = profile.name;
    for (const recipe of Object.values(profile.recipes)) {
      const { category, pn } = parseCpv(recipe.cpv);
      const name = `${category}/${pn}`;
      this.#recipes.set(name, [...(this.#recipes.get(name) ?? []), recipe]);
    }
  }

  find(text: string, needing: string): Recipe {
    const atom = parseAtom(text);
    const versions = this.#recipes.get(`${atom.category}/${atom.pn}`) ?? [];
    const [best] = versions
      .filter((recipe) => matchesAtom(atom, recipe))
      .toSorted((one, other) => compareVersions(versionOf(other), versionOf(one)));
    if (best === undefined) {
      throw this.#unknown(atom, needing, versions);
    }
    return best;
  }

  #unknown(atom: Atom, needing: string, versions: readonly Recipe[]): AppError {
    const names = versions.map(({ cpv }) => cpv).join(', ');
    const hint =
      versions.length === 0
        ? suggestion(`${atom.category}/${atom.pn}`, [...this.#recipes.keys()])
        : ` There are ${names}.`;
    return new AppError(
      'unknown-recipe',
      `${needing} asks for ${atom.text}, for which the profile ${this.#profile} has no recipe.${hint}`,
      { details: { atom: atom.text } },
    );
  }
}

function versionOf(recipe: Recipe): string {
  return parseCpv(recipe.cpv).version;
}
