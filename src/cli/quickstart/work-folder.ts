import { accessSync, constants } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { parse, stringify, type TomlTable } from 'smol-toml';
import { AppError } from '../../support/errors.ts';
import { namesIn, readTextIfPresent } from '../../support/files.ts';
import { runChecked, toolEnvironment } from '../../support/processes.ts';

/** What builds the sample: real Portage where `emerge` is on PATH, the `source` executor elsewhere. */
export type SampleExecutor = 'portage' | 'source';

/** The folders of a quickstart. */
export interface WorkFolder {
  readonly folder: string;
  readonly config: string;
  readonly state: string;
  readonly logs: string;
  readonly agentWork: string;
  readonly profiles: string;
  readonly roots: string;
}

const PREFIX_TIMEOUT_MS = 120_000;

export function workFolderAt(folder: string): WorkFolder {
  return {
    folder,
    config: join(folder, 'rookery.toml'),
    state: join(folder, 'state'),
    logs: join(folder, 'logs'),
    agentWork: join(folder, 'agent'),
    profiles: join(folder, 'profiles'),
    roots: join(folder, 'roots'),
  };
}

/** `portage` when a program named `emerge` can be run from this PATH. */
export function chooseExecutor(path: string): SampleExecutor {
  const isThere = path.split(delimiter).some((folder) => isExecutable(join(folder, 'emerge')));
  return isThere ? 'portage' : 'source';
}

/**
 * Writes configuration and profiles anew, from what the project ships; state stays. Throws `sample-missing` when the
 * project is incomplete.
 */
export async function prepareWorkFolder(
  work: WorkFolder,
  project: string,
  executor: SampleExecutor,
): Promise<void> {
  for (const folder of [work.folder, work.logs, work.agentWork]) {
    await mkdir(folder, { recursive: true });
  }
  await writeFile(work.config, configText(work));
  await rm(work.profiles, { recursive: true, force: true });
  await cp(join(project, 'profiles'), work.profiles, { recursive: true });
  const sample = join(project, 'scripts', 'sample', 'recipes');
  for (const name of await readdir(work.profiles)) {
    await adaptProfile(join(work.profiles, name), sample, executor, work.roots);
  }
}

/** Makes the throw-away Gentoo prefix of one profile, or renews its configuration. */
export async function makePrefix(
  work: WorkFolder,
  project: string,
  profile: string,
  signal: AbortSignal,
): Promise<void> {
  const scripts = join(project, 'scripts');
  await runChecked(
    [
      'bash',
      join(scripts, 'make-prefix'),
      join(work.roots, profile),
      join(scripts, 'sample', 'overlay'),
    ],
    { env: toolEnvironment(), timeoutMs: PREFIX_TIMEOUT_MS, signal },
  );
}

function configText(work: WorkFolder): string {
  const config: TomlTable = {
    http: { host: '127.0.0.1', port: 8700, 'next-free-port': true },
    paths: {
      state: work.state,
      'mirror-root': join(work.folder, 'mirror-root'),
      profiles: work.profiles,
    },
  };
  return `# Written by "rookery quickstart" at each run.\n${stringify(config)}\n`;
}

/**
 * The root of a family of profiles gets the executor, the build root and the sample's recipes; the others keep only
 * what makes their hardware.
 */
async function adaptProfile(
  folder: string,
  sample: string,
  executor: SampleExecutor,
  roots: string,
): Promise<void> {
  const file = join(folder, 'profile.toml');
  const text = await readTextIfPresent(file);
  if (text === undefined) {
    return;
  }
  const { executor: _, 'build-root': __, 'gentoo-profile': ___, ...kept } = parse(text);
  const isRoot = kept['extends'] === undefined;
  const buildRoot =
    executor === 'portage' ? { kind: 'prefix', path: join(roots, '{profile}') } : { kind: 'host' };
  const adapted = isRoot ? { ...kept, executor, 'build-root': buildRoot } : kept;
  await writeFile(file, `${stringify(adapted)}\n`);
  if (isRoot) {
    await copyRecipes(sample, join(folder, 'recipes'));
  }
}

/** Recipes name their source folder relative to their own file, which moves. */
async function copyRecipes(from: string, to: string): Promise<void> {
  const names = (await namesIn(from)).filter((name) => name.endsWith('.toml'));
  if (names.length === 0) {
    throw new AppError('sample-missing', `There are no recipes in ${from}.`);
  }
  await mkdir(to, { recursive: true });
  for (const name of names) {
    const recipe = parse(await readFile(join(from, name), 'utf8'));
    const { source } = recipe;
    if (typeof source === 'object' && 'folder' in source && typeof source.folder === 'string') {
      recipe['source'] = { folder: resolve(from, source.folder) };
    }
    await writeFile(join(to, name), `${stringify(recipe)}\n`);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
