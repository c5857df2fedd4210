import { join } from 'node:path';
import { exists } from '../../support/files.ts';
import type { Intent } from '../intents.ts';
import { publicationOf } from '../layout.ts';
import { filesIn, foldersIn, packageFolders } from '../package-folder.ts';
import { chunksOf } from '../package-store.ts';
import { findPublication } from '../publication-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import type { CheckFinding } from './check-report.ts';
import { knownDigests, knownPaths } from './check-store.ts';

type Told = Pick<RepositoryContext, 'database' | 'layout' | 'intents'>;

interface Unknown {
  readonly subject: string;
  readonly file: string;
  /** Whether the database knows it by now. */
  readonly isKnown: () => Promise<boolean>;
}

/** Reports what stands in the pool or in a binhost and belongs to nothing. It is left as it is. */
export async function findUnknownFiles(
  context: Told,
  tell: {
    readonly onFinding: (finding: CheckFinding) => void;
    readonly onStep: (done: number, total: number) => void;
  },
): Promise<void> {
  const profiles = await foldersIn(context.layout.binhosts);
  const shelves = (await foldersIn(context.layout.pool)).filter((name) => name.length === 2);
  const total = shelves.length + profiles.length;
  // Not spread into push(): a shelf may have more files than a call takes arguments.
  let found: Unknown[] = [];
  for (const [position, shelf] of shelves.entries()) {
    tell.onStep(position, total);
    found = found.concat(await inPool(context, shelf));
  }
  for (const [position, profile] of profiles.entries()) {
    tell.onStep(shelves.length + position, total);
    found = found.concat(
      await inPackages(context, profile),
      await inPublications(context, profile),
    );
  }
  const underWay = await context.intents.underWay();
  for (const { subject, file, isKnown } of found) {
    const isMade = underWay.some((intent) => subjectsOf(intent).includes(subject));
    if (!isMade && !(await isKnown()) && (await exists(file))) {
      const message = 'Nothing refers to it. It is left as it is.';
      tell.onFinding({ code: 'file-unknown', subject, message, outcome: 'reported' });
    }
  }
  tell.onStep(total, total);
}

function subjectsOf(intent: Intent): string[] {
  if (intent.kind === 'publication') {
    return [`publication:${intent.profile}/${intent.channel}-${intent.serial}`];
  }
  const files = intent.kind === 'package' ? [intent] : intent.files;
  return files.flatMap(({ path, sha512 }) => [
    `pool:${sha512}`,
    `package:${intent.profile}/${path}`,
  ]);
}

async function inPool({ database, layout }: Told, shelf: string): Promise<Unknown[]> {
  const unknown: Unknown[] = [];
  for (const names of chunksOf(await filesIn(join(layout.pool, shelf)))) {
    const known = await knownDigests(database, names);
    for (const name of names.filter((one) => !known.has(one))) {
      unknown.push({
        subject: `pool:${name}`,
        file: join(layout.pool, shelf, name),
        isKnown: async () => (await knownDigests(database, [name])).has(name),
      });
    }
  }
  return unknown;
}

async function inPackages({ database, layout }: Told, profile: string): Promise<Unknown[]> {
  const unknown: Unknown[] = [];
  const packages = layout.packages(profile);
  for (const folder of await packageFolders(packages)) {
    const names = await filesIn(join(packages, folder));
    for (const paths of chunksOf(names.map((name) => `${folder}/${name}`))) {
      const known = await knownPaths(database, profile, paths);
      for (const path of paths.filter((one) => !known.has(one))) {
        unknown.push({
          subject: `package:${profile}/${path}`,
          file: join(packages, path),
          isKnown: async () => (await knownPaths(database, profile, [path])).has(path),
        });
      }
    }
  }
  return unknown;
}

async function inPublications({ database, layout }: Told, profile: string): Promise<Unknown[]> {
  const unknown: Unknown[] = [];
  const folder = layout.publications(profile);
  for (const name of (await foldersIn(folder)).filter((one) => !one.startsWith('.'))) {
    const key = publicationOf(name);
    const isKnown = async (): Promise<boolean> =>
      key !== undefined && (await findPublication(database, { profile, ...key })) !== undefined;
    if (!(await isKnown())) {
      unknown.push({
        subject: `publication:${profile}/${name}`,
        file: join(folder, name),
        isKnown,
      });
    }
  }
  return unknown;
}
