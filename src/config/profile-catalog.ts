import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suggestion } from '../gentoo/nearest-word.ts';
import type { HardwareProfile, ProfileCatalog } from '../gentoo/profile.ts';
import { type ResolvedProfiles, resolveProfiles } from '../gentoo/resolve-profile.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { readProfileFolder } from './read-profile-folder.ts';

/**
 * Reads every profile below a folder: each folder in it is one, and its name is the profile's. A broken one never
 * stops the others.
 *
 * Throws `profiles-unreadable` when there is no such folder.
 */
export async function openProfileCatalog(folder: string): Promise<ProfileCatalog> {
  return catalogOf(await readProfiles(folder));
}

/** Throws `profiles-unreadable`. */
export async function readProfiles(folder: string): Promise<ResolvedProfiles> {
  const sources = [];
  for (const name of await profileNames(folder)) {
    sources.push(await readProfileFolder(folder, name));
  }
  return resolveProfiles(sources);
}

/** A profile that is in both lists can be had; its faults are those of what its folder holds now. */
export function catalogOf({ profiles, broken }: ResolvedProfiles): ProfileCatalog {
  const byName = new Map(profiles.map((profile) => [profile.name, profile]));
  return {
    list: () => profiles,
    broken: () => broken,
    get: (name) => byName.get(name) ?? refuse(name, profiles, broken),
  };
}

async function profileNames(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
    const kinds = await Promise.all(names.map(async (name) => await isFolder(join(folder, name))));
    return names.filter((_, index) => kinds[index]);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR') || isErrno(error, 'EACCES')) {
      throw new AppError('profiles-unreadable', `The profiles folder ${folder} cannot be read.`, {
        details: { folder },
        cause: error,
      });
    }
    throw error;
  }
}

/** A dangling link counts as a folder, so that it is reported as a profile that cannot be read. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ELOOP')) {
      return true;
    }
    throw error;
  }
}

function refuse(
  name: string,
  profiles: readonly HardwareProfile[],
  broken: Readonly<Record<string, readonly string[]>>,
): never {
  const faults = Object.hasOwn(broken, name) ? broken[name] : undefined;
  if (faults !== undefined) {
    throw new AppError('profile-broken', `The profile "${name}" is broken. ${faults.join(' ')}`, {
      details: { profile: name, faults },
    });
  }
  const known = profiles.map((profile) => profile.name);
  throw new AppError(
    'unknown-profile',
    `There is no profile "${name}" to build for.${suggestion(name, known)}`,
    { details: { profile: name } },
  );
}
