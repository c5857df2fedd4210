import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type PhpBuild, phpRecipe } from '../gentoo/php-build.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';
import { syncDirectory } from '../support/files.ts';
import type { BuildsContext } from './builds-context.ts';
import { keepRequest } from './create-request.ts';
import { inputsDigest } from './inputs-digest.ts';
import type { BuildRequest } from './request.ts';

export interface NewPhpTree {
  readonly profile: string;
  readonly build: PhpBuild;
  /** A channel that shows the tree once it is there; null for none. */
  readonly channel: string | null;
  readonly file: string;
  /** Of the file. */
  readonly sha512: string;
  readonly author: string;
}

/**
 * See `Builds.requestPhpTree`. Whatever the profile builds its packages with, a tree is built by the executor `source`, as one job
 * whose recipe is made here. Its id is set aside now: it is the place that PHP is configured for.
 */
export async function requestPhpTree(
  context: BuildsContext,
  wanted: NewPhpTree,
): Promise<BuildRequest> {
  const { build, channel, file, sha512, author } = wanted;
  const profile = { ...context.profiles.get(wanted.profile), executor: 'source' as const };
  requireMachine(profile);
  const id = await context.trees.reserve(profile.name, build.version);
  const recipe = phpRecipe(id, build);
  await keepSource(join(context.folders.state, 'sources'), file, sha512);
  const sources = [build.tarball, ...build.extensions].map(({ name, sha256 }) => ({
    name,
    sha256,
  }));
  const spec = {
    kind: 'source-package' as const,
    recipe,
    sourceSha512: sha512,
    inputs: inputsDigest({ recipe, sourceDigest: sha512, profile, dependencies: [] }),
    tree: { id, php: build.version, channel, sources },
  };
  const because = `It becomes the PHP tree ${id}.`;
  const atoms = [`=${recipe.cpv}`];
  return await keepRequest(context, {
    profile,
    wanted: { profile: profile.name, atoms, author },
    atoms,
    plan: { jobs: [{ name: recipe.cpv, because, spec, needs: [] }], reused: [] },
  });
}

/** The executor says so as well, but only on the agent. */
function requireMachine({ name, buildRoot }: HardwareProfile): void {
  if (buildRoot.kind === 'chroot') {
    throw new AppError(
      'build-root-unsupported',
      `PHP trees are built on the machine itself; the profile ${name} asks for the chroot ${buildRoot.path}.`,
      { details: { profile: name } },
    );
  }
}

async function keepSource(sources: string, file: string, sha512: string): Promise<void> {
  await mkdir(sources, { recursive: true });
  await rename(file, join(sources, sha512));
  await syncDirectory(sources);
}
