import { rm } from 'node:fs/promises';
import { messageOf } from '../support/errors.ts';
import type { DeclaredIntent, Intent } from './intents.ts';
import { references } from './package-store.ts';
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
  } else if ((await findPublication(context.database, intent)) === undefined) {
    const { profile, channel, serial } = intent;
    const path = context.layout.publication(profile, channel, serial);
    await rm(path, { recursive: true, force: true });
    await removePublicationNote(context.layout, intent);
  }
  await declared.withdraw();
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

async function removePackageFiles(
  context: RepositoryContext,
  intent: Extract<Intent, { kind: 'package' }>,
): Promise<void> {
  const isReferred = await references(context.database, intent);
  if (!isReferred.path) {
    await rm(context.layout.packageFile(intent.profile, intent.path), { force: true });
  }
  if (!isReferred.pool) {
    await context.pool.remove(intent.sha512);
  }
}
