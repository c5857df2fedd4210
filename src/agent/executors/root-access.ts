import { chmod, mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { BuildRoot } from '../../gentoo/profile.ts';
import { AppError } from '../../support/errors.ts';
import { exists } from '../../support/files.ts';
import { newId } from '../../support/ids.ts';
import { removeTree } from '../work-folder.ts';
import type { JobContext } from './executor.ts';

/** How to work in a build root: the same places as this process and as the build see them. */
export interface RootAccess {
  /** Names the root, for locks and messages. */
  readonly path: string;
  /** EROOT as this process sees it, and as programs in the root see it. */
  readonly eroot: string;
  readonly erootInside: string;
  /** The job's folder inside the root, as this process sees it. */
  readonly folder: string;
  /** A path of this process as a program in the root has to call it. */
  readonly inside: (path: string) => string;
  /** The other way round. */
  readonly outside: (path: string) => string;
  /** A command as this process has to start it so that it runs in the root. */
  readonly command: (words: readonly string[]) => string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Opens a build root for one job. `host` and `prefix` work in the job's own folder, a chroot in a temporary
 * folder of its own, which is removed afterwards.
 *
 * Throws `build-root-invalid` when there is no Gentoo configuration in it.
 */
export async function withRoot<T>(
  root: BuildRoot,
  job: Pick<JobContext, 'folder' | 'environment' | 'traces'>,
  work: (access: RootAccess) => Promise<T>,
): Promise<T> {
  const eroot = root.kind === 'host' ? '/' : root.path;
  if (!(await exists(join(eroot, 'etc/portage')))) {
    throw new AppError(
      'build-root-invalid',
      `The build root ${eroot} has no etc/portage: it is not a Gentoo system of its own.`,
      { details: { path: eroot } },
    );
  }
  if (root.kind === 'chroot') {
    return await withChroot(root.path, job, work);
  }
  const access = { ...plainAccess(job), path: eroot, eroot, erootInside: eroot };
  return await work(
    root.kind === 'host'
      ? access
      : { ...access, environment: prefixEnvironment(root.path, job.environment) },
  );
}

function plainAccess(
  job: Pick<JobContext, 'folder' | 'environment'>,
): Omit<RootAccess, 'path' | 'eroot' | 'erootInside'> {
  return {
    folder: job.folder,
    inside: (path) => path,
    outside: (path) => path,
    command: (words) => [...words],
    environment: job.environment,
  };
}

function prefixEnvironment(
  prefix: string,
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = ['usr/sbin', 'usr/bin', 'sbin', 'bin'].map((folder) => join(prefix, folder));
  return {
    ...environment,
    PATH: [...own, environment.PATH ?? ''].join(':'),
    PORTAGE_OVERRIDE_EPREFIX: prefix,
  };
}

async function withChroot<T>(
  path: string,
  job: Pick<JobContext, 'environment' | 'traces'>,
  work: (access: RootAccess) => Promise<T>,
): Promise<T> {
  const parent = join(path, 'var/tmp');
  await mkdir(parent, { recursive: true });
  const folder = join(parent, newId('rookery'));
  job.traces.addFolder(folder);
  await mkdir(folder);
  try {
    await chmod(folder, 0o755);
    return await work({
      path,
      eroot: path,
      erootInside: '/',
      folder,
      inside: (place) => `/${relative(path, place)}`,
      outside: (place) => join(path, place),
      command: (words) => ['chroot', path, ...words],
      environment: job.environment,
    });
  } finally {
    await removeTree(folder);
  }
}
