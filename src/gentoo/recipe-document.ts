import { messageOf } from '../support/errors.ts';
import { parseAtom } from './atom.ts';
import { parseCpv } from './cpv.ts';
import { type DocumentKeys, describeFaults, show } from './document-faults.ts';
import { type Recipe, recipeSchema } from './recipe.ts';
import { isWholeText } from './whitespace.ts';

/** The EAPI in whose words the dependencies of recipes are written. */
const RECIPE_EAPI = '8';
const SLOT = /^[A-Za-z0-9_][A-Za-z0-9_+.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_+.-]*)?$/;
const URL_START = /^https?:\/\/[^/]/;
const ONE_LINE = ['description', 'homepage', 'license', 'keywords'] as const;
const KEYS: DocumentKeys = {
  '': Object.keys(recipeSchema.shape),
  source: ['folder', 'url', 'sha512'],
};

/** The recipe in a TOML document, or a sentence for everything that is wrong with it. */
export function readRecipeDocument(
  value: unknown,
  file: string,
):
  | { readonly recipe: Recipe; readonly faults: readonly [] }
  | { readonly recipe: undefined; readonly faults: readonly string[] } {
  const result = recipeSchema.safeParse(value);
  if (!result.success) {
    return { recipe: undefined, faults: describeFaults(result.error, value, { file, keys: KEYS }) };
  }
  const faults = faultsIn(result.data, file);
  return faults.length > 0 ? { recipe: undefined, faults } : { recipe: result.data, faults: [] };
}

function faultsIn(recipe: Recipe, file: string): string[] {
  const faults: string[] = [];
  const expectReadable = (key: string, value: string, read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      faults.push(`${file}: ${key} = ${show(value)}: ${messageOf(error)}`);
    }
  };
  expectReadable('cpv', recipe.cpv, () => parseCpv(recipe.cpv));
  for (const key of ['depend', 'rdepend'] as const) {
    for (const [index, atom] of recipe[key].entries()) {
      expectReadable(`${key}[${index}]`, atom, () => parseAtom(atom, { eapi: RECIPE_EAPI }));
    }
  }
  if (!SLOT.test(recipe.slot)) {
    faults.push(`${file}: slot = ${show(recipe.slot)}: it has to be a slot or slot/sub-slot.`);
  }
  for (const key of ONE_LINE) {
    if (!isWholeText(recipe[key] ?? '')) {
      faults.push(`${file}: ${key} = ${show(recipe[key])}: it has to be one line.`);
    }
  }
  if ('url' in recipe.source && !URL_START.test(recipe.source.url)) {
    const { url } = recipe.source;
    faults.push(`${file}: source.url = ${show(url)}: it has to begin with https:// or http://.`);
  }
  return faults;
}
