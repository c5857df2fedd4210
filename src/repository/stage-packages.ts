import { rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { epochSeconds } from '../support/clock.ts';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { AppError } from '../support/errors.ts';
import { exists, namesIn, syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { indexHeader } from './index-header.ts';
import { indexedPackages } from './package-store.ts';
import { TEMPORARY_PREFIX } from './pool.ts';
import { requirePackages } from './publish-snapshot.ts';
import type { RepositoryContext } from './repository-context.ts';
import { writeBinhost } from './write-binhost.ts';

/** See `Repository.stage`. Throws `staging-name-invalid`, `staging-exists`, `unknown-profile`, `unknown-package`. */
export async function stagePackages(
  context: RepositoryContext,
  name: string,
  profileName: string,
  packageIds: readonly string[],
): Promise<void> {
  requireStagingName(name);
  const profile = context.profiles.get(profileName);
  const { staging } = context.layout;
  const packagesFolder = context.layout.packages(profileName);
  await withStaging(context, name, profileName, async () => {
    await requirePackages(context.database, profileName, packageIds);
    if (await exists(join(staging, name))) {
      throw new AppError('staging-exists', `There is a staging tree ${name} already.`, {
        details: { name },
      });
    }
    await makeDurableFolder(staging);
    const temporary = join(staging, `${TEMPORARY_PREFIX}${newId('staging')}`);
    try {
      await writeBinhost({
        folder: temporary,
        packagesFolder,
        linkTo: (category) => resolve(packagesFolder, category),
        header: indexHeader(profile),
        timestampSeconds: epochSeconds(context.clock),
        packages: await indexedPackages(context.database, [...new Set(packageIds)]),
      });
      await rename(temporary, join(staging, name));
      await syncDirectory(staging);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
}

/** Two things at a time: one tree, and no package of the profile is removed while it is written. */
async function withStaging(
  { locks }: RepositoryContext,
  name: string,
  profile: string,
  work: () => Promise<void>,
): Promise<void> {
  await locks.run(
    `repository-staging:${name}`,
    async () => await locks.run(stagedLock(profile), work),
  );
}

/** Held while a staging tree of the profile is written, and while packages of it are removed. */
export function stagedLock(profile: string): string {
  return `repository-staged:${profile}`;
}

function requireStagingName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) {
    throw new AppError('staging-name-invalid', `"${name}" cannot be the name of a staging tree.`, {
      details: { name },
    });
  }
}

/** See `Repository.staged`. */
export async function stagedNames({ layout }: RepositoryContext): Promise<string[]> {
  return (await namesIn(layout.staging)).filter((name) => !name.startsWith('.'));
}

/** See `Repository.unstage`. */
export async function unstagePackages(
  { layout, locks }: RepositoryContext,
  name: string,
): Promise<void> {
  requireStagingName(name);
  await locks.run(`repository-staging:${name}`, async () => {
    await rm(join(layout.staging, name), { recursive: true, force: true });
  });
}
