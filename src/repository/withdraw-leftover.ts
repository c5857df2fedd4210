import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Queries } from '../database/database.ts';
import { isErrno, messageOf } from '../support/errors.ts';
import { syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { forgetFileLevel } from './file-level-store.ts';
import type { DeclaredIntent } from './intents.ts';
import { references } from './package-store.ts';
import { poolLock, TEMPORARY_PREFIX } from './pool.ts';
import type { PublicationKey } from './proof/node-store.ts';
import { removePublicationNote } from './publication-note.ts';
import { findPublication } from './publication-store.ts';
import type { RepositoryContext } from './repository-context.ts';

/** Removes what an intent names, unless it came to be after all: then a row refers to it. */
export async function withdrawLeftover(
  context: RepositoryContext,
  declared: DeclaredIntent,
): Promise<void> {
  const { intent } = declared;
  if (intent.kind === 'package') {
    await removePackageFiles(context, intent);
  } else if (intent.kind === 'packages') {
    for (const file of intent.files) {
      await removePackageFiles(context, { profile: intent.profile, ...file });
    }
  } else if (
    (await settled(context, (queries) => findPublication(queries, intent))) === undefined
  ) {
    const { profile, channel, serial } = intent;
    await removeFolder(context, { profile, channel, serial });
    await removePublicationNote(context.layout, intent);
  }
  await declared.withdraw();
}

/** A commit whose answer was lost may still be under way: a transaction waits for it, plain reading would not. */
async function settled<T>(
  { database }: RepositoryContext,
  read: (queries: Queries) => Promise<T>,
): Promise<T> {
  return await database.transaction().execute(read);
}

/** As `withdrawLeftover`, while another error is on its way: what fails here is left to the next start. */
export async function withdrawAfterFailure(
  context: RepositoryContext,
  declared: DeclaredIntent,
): Promise<void> {
  try {
    await withdrawLeftover(context, declared);
  } catch (error) {
    context.log.error(
      { intent: declared.intent, error: messageOf(error) },
      'clearing away after a failure failed',
    );
  }
}

/** Whole or not at all for who reads it: it is out of sight before the first file goes. */
async function removeFolder(
  { layout }: RepositoryContext,
  { profile, channel, serial }: PublicationKey,
): Promise<void> {
  const aside = join(layout.publications(profile), `${TEMPORARY_PREFIX}${newId('removed')}`);
  try {
    await rename(layout.publication(profile, channel, serial), aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return;
    }
    throw error;
  }
  await syncDirectory(layout.publications(profile));
  await rm(aside, { recursive: true, force: true });
}

async function removePackageFiles(
  context: RepositoryContext,
  file: { readonly profile: string; readonly path: string; readonly sha512: string },
): Promise<void> {
  await context.locks.run(poolLock(file.sha512), async () => {
    const isReferred = await settled(context, (queries) => references(queries, file));
    if (!isReferred.path) {
      await rm(context.layout.packageFile(file.profile, file.path), { force: true });
    }
    if (!isReferred.pool) {
      await forgetFileLevel(context.database, file.sha512);
      await context.pool.remove(file.sha512);
    }
  });
}
