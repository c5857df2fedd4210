import { describe, expect, it } from '@jest/globals';
import {
  planFromRecipes,
  type RecipeInputs,
  resolveRecipes,
} from '../../src/builds/plan-from-recipes.ts';
import { makeRecipe, sourceProfile } from './farm.ts';

function known(cpv: string, packageId: string | null): RecipeInputs {
  return { inputs: `inputs of ${cpv}`, sourceSha512: null, packageId };
}

/** What is to be built, with needs, and what is reused, when the repository has these packages. */
function planned(
  atoms: readonly string[],
  profile: ReturnType<typeof sourceProfile>,
  had: readonly string[] = [],
): { readonly jobs: Record<string, string[]>; readonly reused: readonly string[] } {
  const recipes = resolveRecipes(atoms, profile);
  const plan = planFromRecipes(
    recipes,
    recipes.map(({ recipe: { cpv } }) => known(cpv, had.includes(cpv) ? `pkg ${cpv}` : null)),
  );
  return {
    jobs: Object.fromEntries(
      plan.jobs.map(({ name, needs }) => [name, needs.map((need) => plan.jobs[need]?.name ?? '')]),
    ),
    reused: plan.reused,
  };
}

const PROFILE = sourceProfile([
  makeRecipe('dev-lang/php-8.3.1', {
    depend: ['dev-util/re2c'],
    rdepend: ['dev-libs/oniguruma:0'],
  }),
  makeRecipe('dev-lang/php-8.2.20'),
  makeRecipe('dev-libs/oniguruma-6.9', { depend: ['!dev-libs/onig', 'dev-util/re2c'] }),
  makeRecipe('dev-util/re2c-3.1', { rdepend: ['dev-libs/tiny'] }),
  makeRecipe('dev-libs/tiny-1'),
]);

describe('a request for recipes', () => {
  it('comes to the highest version that the atom matches, and to all that it needs, in order', () => {
    expect(planned(['dev-lang/php'], PROFILE)).toEqual({
      jobs: {
        'dev-libs/tiny-1': [],
        'dev-util/re2c-3.1': ['dev-libs/tiny-1'],
        'dev-libs/oniguruma-6.9': ['dev-util/re2c-3.1'],
        'dev-lang/php-8.3.1': ['dev-libs/oniguruma-6.9', 'dev-util/re2c-3.1'].toSorted((one) =>
          one.startsWith('dev-util') ? -1 : 1,
        ),
      },
      reused: [],
    });
    expect(planned(['<dev-lang/php-8.3'], PROFILE).jobs).toEqual({ 'dev-lang/php-8.2.20': [] });
  });

  it('reuses what is there, with what that needs to run, but not what it was built with', () => {
    expect(planned(['dev-libs/oniguruma'], PROFILE, ['dev-libs/oniguruma-6.9'])).toEqual({
      jobs: {},
      reused: ['pkg dev-libs/oniguruma-6.9'],
    });
    expect(planned(['dev-lang/php'], PROFILE, ['dev-util/re2c-3.1'])).toMatchObject({
      jobs: {
        'dev-libs/tiny-1': [],
        'dev-libs/oniguruma-6.9': ['dev-libs/tiny-1'],
      },
      reused: ['pkg dev-util/re2c-3.1'],
    });
  });

  it('names the nearest recipe when there is none, or the versions that there are', () => {
    expect(() => planned(['dev-lang/phq'], PROFILE)).toThrow(
      expect.objectContaining({
        code: 'unknown-recipe',
        message:
          'The request asks for dev-lang/phq, for which the profile php has no recipe. Did you mean "dev-lang/php"?',
      }),
    );
    expect(() => planned(['>dev-lang/php-9'], PROFILE)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('There are dev-lang/php-8.3.1, dev-lang/php-8.2.20.'),
      }),
    );
    const broken = sourceProfile([makeRecipe('a/b-1', { depend: ['a/c'] })]);
    expect(() => planned(['a/b'], broken)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('The recipe a/b-1 asks for a/c'),
      }),
    );
  });

  it('is refused when recipes need each other, and the circle is named', () => {
    const profile = sourceProfile([
      makeRecipe('a/top-1', { depend: ['a/one'] }),
      makeRecipe('a/one-1', { depend: ['a/two'] }),
      makeRecipe('a/two-1', { rdepend: ['a/one'] }),
    ]);
    expect(() => planned(['a/top'], profile)).toThrow(
      expect.objectContaining({
        code: 'plan-cycle',
        message: expect.stringMatching(
          /a\/one-1 -> a\/two-1 -> a\/one-1|a\/two-1 -> a\/one-1 -> a\/two-1/,
        ),
      }),
    );
    const narcissus = sourceProfile([makeRecipe('a/b-1', { depend: ['a/b'] })]);
    expect(() => planned(['a/b'], narcissus)).toThrow(
      expect.objectContaining({ message: 'These recipes need each other: a/b-1 -> a/b-1.' }),
    );
  });
});
