import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningService } from '../../src/fleet/observed/observed-node.ts';
import type { InstalledPackage } from '../../src/repository/proof/node-report.ts';
import { isErrno } from '../../src/support/errors.ts';
import { spawnGroup, toolEnvironment } from '../../src/support/processes.ts';

export type RunningProgram = ReturnType<typeof spawnGroup> & { readonly pid: number };

/** What a prefix has installed, from its /var/db/pkg, as a node reports it. */
export function installedIn(prefix: string): InstalledPackage[] {
  return foldersOf(prefix).map(({ cpv, folder }) => {
    const text = (name: string): string => textOf(join(folder, name));
    return {
      cpv,
      slot: text('SLOT'),
      buildId: Number(text('BUILD_ID')) || null,
      buildTime: Number(text('BUILD_TIME')) || null,
      repository: text('repository'),
      use: text('USE'),
      provides: text('PROVIDES'),
      requires: text('REQUIRES'),
    };
  });
}

/** Path -> CPV of the package that owns it. */
export function ownersIn(prefix: string): ReadonlyMap<string, string> {
  return new Map(
    foldersOf(prefix).flatMap(({ cpv, folder }) =>
      textOf(join(folder, 'CONTENTS'))
        .split('\n')
        .filter((line) => line.startsWith('obj '))
        .map((line) => [line.split(' ').slice(1, -2).join(' '), cpv] as const),
    ),
  );
}

/** What a process has mapped to execute it: path -> whether it is deleted. */
export function mappedBy(pid: number): ReadonlyMap<string, boolean> {
  const mapped = new Map<string, boolean>();
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, path = ''] = /^\S+ ..x\S* .*? (\/.*)$/.exec(line) ?? [];
    if (path !== '') {
      mapped.set(path.replace(/ \(deleted\)$/, ''), path.endsWith(' (deleted)'));
    }
  }
  return mapped;
}

export function serviceOf(
  name: string,
  pid: number,
  owners: ReadonlyMap<string, string>,
): RunningService {
  const files = [...mappedBy(pid)].map(([path, isDeleted]) => ({
    path,
    cpv: owners.get(path) ?? null,
    isDeleted,
  }));
  return { name, tree: null, files };
}

/** Starts a program that says a line when it runs, and waits for that. */
export async function startProgram(path: string): Promise<RunningProgram> {
  const child = spawnGroup([realpathSync(path)], { env: toolEnvironment() }, [
    'ignore',
    'pipe',
    'inherit',
  ]);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => {
      resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`${path} ended with ${code}`));
    });
  });
  const { pid } = child;
  if (pid === undefined) {
    throw new Error(`${path} did not start`);
  }
  return Object.assign(child, { pid });
}

function foldersOf(prefix: string): { readonly cpv: string; readonly folder: string }[] {
  const root = join(prefix, 'var/db/pkg');
  return readdirSync(root)
    .filter((category) => !category.startsWith('.'))
    .flatMap((category) =>
      readdirSync(join(root, category))
        .filter((pf) => !pf.startsWith('-'))
        .map((pf) => ({ cpv: `${category}/${pf}`, folder: join(root, category, pf) })),
    );
}

/** Empty where there is no such file: Portage writes none for what a package does not have. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return '';
    }
    throw error;
  }
}
