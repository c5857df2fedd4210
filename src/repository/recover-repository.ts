import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../support/errors.ts';
import { exists, namesIn, removeUnfinished } from '../support/files.ts';
import { finishDamaged } from './check/finish-damaged.ts';
import { TEMPORARY_PREFIX } from './pool.ts';
import type { PublicationRecord } from './publication.ts';
import { removeUnfinishedNotes } from './publication-note.ts';
import { newestPublication, publishedChannels } from './publication-store.ts';
import { showNewest, withChannels } from './release-snapshot.ts';
import type { RecoverOptions } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { withdrawLeftover } from './withdraw-leftover.ts';

/**
 * See `Repository.recover`. Call it before other work begins. It looks at what is unfinished, and at files known as
 * damaged, never at the packages: its cost does not grow with the repository.
 */
export async function recoverRepository(
  context: RepositoryContext,
  { othersRun }: RecoverOptions = { othersRun: false },
): Promise<void> {
  if (!othersRun) {
    await context.uploads.removeLeftovers();
    await context.unfinished.removeLeftovers();
    await removeTemporary(context.layout.staging);
    await removeUnfinishedNotes(context.layout);
  }
  for (const declared of await context.intents.leftovers()) {
    await withChannels(context, declared.intent.profile, async () => {
      await withdrawLeftover(context, declared);
    });
    context.log.info({ intent: declared.intent }, 'finished or cleared what was under way');
  }
  for (const profile of othersRun ? [] : await foldersIn(context.layout.binhosts)) {
    await withChannels(context, profile, async () => {
      await clearBinhost(context, profile);
    });
  }
  await finishSwitches(context);
  await finishDamaged(context);
}

async function clearBinhost(context: RepositoryContext, profile: string): Promise<void> {
  const folder = context.layout.binhost(profile);
  await removeUnfinished(folder);
  await removeTemporary(context.layout.publications(profile));
}

async function finishSwitches(context: RepositoryContext): Promise<void> {
  for (const key of await publishedChannels(context.database)) {
    await withChannels(context, key.profile, async () => {
      const newest = await newestPublication(context.database, key);
      if (newest !== undefined) {
        await finishSwitch(context, newest);
      }
    });
  }
}

async function finishSwitch(context: RepositoryContext, newest: PublicationRecord): Promise<void> {
  const { profile, channel, serial } = newest;
  if (await exists(context.layout.publication(profile, channel, serial))) {
    await showNewest(context, newest);
  } else {
    context.log.error({ profile, channel, serial }, 'the newest publication is not on disk');
  }
}

async function removeTemporary(folder: string): Promise<void> {
  for (const name of (await namesIn(folder)).filter((one) => one.startsWith(TEMPORARY_PREFIX))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
}
