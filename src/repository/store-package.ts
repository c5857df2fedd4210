import type { Event } from '../journal/event.ts';
import { AppError } from '../support/errors.ts';
import { exists } from '../support/files.ts';
import { type FileLevel, saveFileLevel } from './file-level-store.ts';
import type { PackageRecord } from './package-record.ts';
import { insertPackage, releaseUpload } from './package-store.ts';
import { poolLock } from './pool.ts';
import type { RepositoryContext } from './repository-context.ts';
import { withdrawAfterFailure } from './withdraw-leftover.ts';

interface CommitDeed {
  readonly actor: string;
  /** A damaged build of the same upload, which the new one stands in for. */
  readonly replaced: PackageRecord | undefined;
  /** What its files ask of a processor; absent when it is known of the file already. */
  readonly level?: FileLevel | undefined;
}

/** Puts the signed file where it belongs, then commits. A kill in between leaves the intent, and recovery clears. */
export async function storePackage(
  context: RepositoryContext,
  record: PackageRecord,
  {
    unfinished,
    ...deed
  }: CommitDeed & {
    /** Absent: the pool has the file. */
    readonly unfinished?: string;
  },
): Promise<PackageRecord> {
  const { profile, path, sha512 } = record;
  const file = context.layout.packageFile(profile, path);
  if (await exists(file)) {
    throw new AppError('package-path-taken', `There is a file ${path} in ${profile} already.`);
  }
  const declared = await context.intents.declare({ kind: 'package', profile, path, sha512 });
  try {
    const event = await context.locks.run(poolLock(sha512), async () => {
      if (unfinished !== undefined) {
        await context.pool.adopt(unfinished, record);
      }
      await context.pool.place(sha512, file);
      return await commit(context, record, deed);
    });
    await declared.withdraw();
    context.journal.announce(event);
    return record;
  } catch (error) {
    await withdrawAfterFailure(context, declared);
    throw error;
  }
}

async function commit(
  context: RepositoryContext,
  record: PackageRecord,
  { actor, replaced, level }: CommitDeed,
): Promise<Event> {
  return await context.database.transaction().execute(async (queries) => {
    if (replaced !== undefined) {
      await releaseUpload(queries, replaced.id);
    }
    await insertPackage(queries, record);
    if (level !== undefined) {
      await saveFileLevel(queries, record.sha512, level);
    }
    return await context.journal.write(queries, {
      kind: 'package-imported',
      subject: `package:${record.id}`,
      actor,
      data: {
        profile: record.profile,
        cpv: record.cpv,
        buildId: record.buildId,
        size: record.size,
        origin: record.origin,
        ...(replaced === undefined ? {} : { replaces: replaced.id }),
      },
    });
  });
}
