import { realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type BaseSystem, parseBaseSystem } from '../gentoo/base-system.ts';
import { faultsInPortageFile } from '../gentoo/portage-file.ts';
import { NAME_PATTERN } from '../gentoo/profile.ts';
import type { ProfileDocument } from '../gentoo/profile-document.ts';
import { readProfileDocument } from '../gentoo/profile-document.ts';
import type { Recipe } from '../gentoo/recipe.ts';
import { readRecipeDocument } from '../gentoo/recipe-document.ts';
import type { ProfileSource } from '../gentoo/resolve-profile.ts';
import { parseSetFile, SET_NAME_PATTERN } from '../gentoo/set-file.ts';
import { parseToml } from '../support/parse-toml.ts';
import { readTextTree, type TextTree } from './read-text-tree.ts';

/** Files of `portage/` that Rookery makes itself, and where their content belongs instead. */
const MADE_FILES = new Map([
  ['make.conf', 'profile.toml'],
  ['make.profile', 'gentoo-profile of profile.toml'],
  ['sets', 'the folder sets beside portage'],
]);
/** These are folders in the configuration that is laid over; a file of that name would be in the way. */
const ONLY_FOLDERS = ['binrepos.conf', 'repos.conf'];
const NAME_RULE =
  'small letters, digits, ".", "_" and "-" make a name, the first a letter or digit';

/**
 * Reads the folder of one profile: `profile.toml`, `portage/**`, `sets/*` and `recipes/*.toml`. Nothing is thrown for
 * what is wrong with it; everything becomes a sentence in `faults`.
 */
export async function readProfileFolder(folder: string, name: string): Promise<ProfileSource> {
  const file = `${name}/profile.toml`;
  if (!NAME_PATTERN.test(name)) {
    const fault = `${name}: a profile cannot be called so; ${NAME_RULE}.`;
    return emptySource(name, file, [fault]);
  }
  const tree = await readTextTree(join(folder, name), {
    label: name,
    boundary: await realpath(folder),
  });
  const { document, faults } = readDocument(tree, file);
  const sets = readSets(tree, name);
  const portage = readPortageFiles(tree, name);
  const recipes = readRecipes(tree, { name, folder: join(folder, name) });
  const system = readBaseSystem(tree, name);
  return {
    name,
    file,
    document,
    sets: sets.sets,
    portageFiles: portage.files,
    recipes: recipes.recipes,
    baseSystem: system.base,
    faults: [
      ...tree.faults,
      ...faults,
      ...sets.faults,
      ...portage.faults,
      ...recipes.faults,
      ...system.faults,
    ],
  };
}

function emptySource(name: string, file: string, faults: readonly string[]): ProfileSource {
  return { name, file, document: undefined, sets: {}, portageFiles: {}, recipes: {}, faults };
}

function readDocument(
  tree: TextTree,
  file: string,
): { readonly document: ProfileDocument | undefined; readonly faults: readonly string[] } {
  const text = tree.files.get('profile.toml');
  if (text === undefined) {
    const isExplained = tree.faults.some(
      (fault) => fault.startsWith(`${file} `) || fault.startsWith(`${dirname(file)} `),
    );
    return { document: undefined, faults: isExplained ? [] : [`${file} is missing.`] };
  }
  const { value, faults } = parseToml(text, file);
  return value === undefined ? { document: undefined, faults } : readProfileDocument(value, file);
}

function readBaseSystem(
  tree: TextTree,
  name: string,
): { readonly base: BaseSystem | undefined; readonly faults: readonly string[] } {
  const text = tree.files.get('base-system');
  return text === undefined
    ? { base: undefined, faults: [] }
    : parseBaseSystem(text, `${name}/base-system`);
}

function readSets(
  tree: TextTree,
  name: string,
): {
  readonly sets: Readonly<Record<string, readonly string[]>>;
  readonly faults: readonly string[];
} {
  const sets: (readonly [string, readonly string[]])[] = [];
  const faults: string[] = [];
  for (const [path, text] of filesBelow(tree, 'sets')) {
    if (!SET_NAME_PATTERN.test(path)) {
      faults.push(`${name}/sets/${path}: "${path}" is not the name of a set.`);
      continue;
    }
    const set = parseSetFile(text, `${name}/sets/${path}`);
    sets.push([path, set.atoms]);
    faults.push(...set.faults);
  }
  return { sets: Object.fromEntries(sets), faults };
}

function readPortageFiles(
  tree: TextTree,
  name: string,
): { readonly files: Readonly<Record<string, string>>; readonly faults: readonly string[] } {
  const files = Object.fromEntries(filesBelow(tree, 'portage'));
  const faults = Object.entries(files).flatMap(([path, text]) => {
    const first = path.split('/', 1)[0] ?? '';
    const place = MADE_FILES.get(first);
    if (place !== undefined) {
      return [`${name}/portage/${path}: Rookery makes ${first} itself; its place is ${place}.`];
    }
    return ONLY_FOLDERS.includes(path)
      ? [`${name}/portage/${path}: ${path} has to be a folder here, with the file in it.`]
      : faultsInPortageFile(path, text, `${name}/portage/${path}`);
  });
  return { files, faults };
}

function readRecipes(
  tree: TextTree,
  profile: { readonly name: string; readonly folder: string },
): { readonly recipes: Readonly<Record<string, Recipe>>; readonly faults: readonly string[] } {
  const recipes = new Map<string, Recipe>();
  const faults: string[] = [];
  for (const [path, text] of filesBelow(tree, 'recipes')) {
    const file = `${profile.name}/recipes/${path}`;
    if (!path.endsWith('.toml')) {
      faults.push(`${file}: only files that end in .toml may be here.`);
      continue;
    }
    const { value, faults: found } = parseToml(text, file);
    const read =
      value === undefined ? { recipe: undefined, faults: found } : readRecipeDocument(value, file);
    faults.push(...read.faults);
    if (read.recipe !== undefined && recipes.has(read.recipe.cpv)) {
      faults.push(`${file}: cpv = "${read.recipe.cpv}": another recipe has it too.`);
    } else if (read.recipe !== undefined) {
      const base = dirname(join(profile.folder, 'recipes', path));
      recipes.set(read.recipe.cpv, withAbsoluteFolder(read.recipe, base));
    }
  }
  return { recipes: Object.fromEntries(recipes), faults };
}

function withAbsoluteFolder(recipe: Recipe, base: string): Recipe {
  const { source } = recipe;
  return 'folder' in source
    ? { ...recipe, source: { folder: resolve(base, source.folder) } }
    : recipe;
}

/** Files below a folder of the profile, by their path in it. */
function filesBelow(tree: TextTree, folder: string): (readonly [string, string])[] {
  const prefix = `${folder}/`;
  return [...tree.files]
    .filter(([path]) => path.startsWith(prefix))
    .map(([path, text]) => [path.slice(prefix.length), text] as const);
}
