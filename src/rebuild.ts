import { basename, join } from 'node:path';
import { copyTokens } from './access/copy-tokens.ts';
import type { Config } from './config/config.ts';
import { type Database, openDatabase } from './database/database.ts';
import { shownUrl } from './database/postgresql.ts';
import { isDatabaseFile, removeDatabase, replaceDatabase } from './database/replace-database.ts';
import { copyEvents } from './journal/copy-events.ts';
import { Journal } from './journal/journal.ts';
import { createLayout } from './repository/layout.ts';
import { Pool } from './repository/pool.ts';
import { carryOver } from './repository/rebuild/carry-over.ts';
import type { RebuildProgress, RebuildReport } from './repository/rebuild/rebuild-report.ts';
import { rebuildRepository } from './repository/rebuild/rebuild-repository.ts';
import { openTrustedKeys } from './repository/trusted-keys.ts';
import type { Clock } from './support/clock.ts';
import { AppError, isAppError, messageOf } from './support/errors.ts';
import { exists } from './support/files.ts';

/** What a rebuild did. */
export interface DatabaseRebuild extends RebuildReport {
  /** Name of the old database, beside the new one; null when there was none. */
  readonly kept: string | null;
  /** Taken over from the old database. */
  readonly tokens: number;
  readonly events: number;
}

/**
 * Makes the database of a stopped installation anew from what is on disk, and puts it in the place of the old one,
 * which is kept. Tokens, journal, used BUILD_IDs and proofs of nodes come from the old one, where it can still be read.
 *
 * Throws `database-locked` while a server runs, `database-too-new`, `public-key-missing`, `public-key-invalid`.
 */
export async function rebuildDatabase(
  config: Config,
  clock: Clock,
  onProgress: (progress: RebuildProgress) => void,
): Promise<DatabaseRebuild> {
  if (config.database.url !== null) {
    throw new AppError(
      'rebuild-needs-sqlite',
      `The database is ${shownUrl(config.database.url)}, and a rebuild makes one of SQLite. Run it with an empty url of [database], then "rookery database copy".`,
    );
  }
  const path = join(config.paths.state, 'rookery.sqlite');
  const layout = createLayout(config.paths);
  const verifier = await openTrustedKeys(layout);
  const existed = await exists(path);
  const old = await openOld(path, clock);
  const made = `${path}.rebuilding`;
  try {
    await removeDatabase(made);
    const database = await openDatabase(made, clock);
    let rebuilt: DatabaseRebuild;
    try {
      const history = await copyHistory(old, database);
      const pool = new Pool(layout.pool);
      const report = await rebuildRepository({ database, layout, pool, verifier, onProgress });
      const stamp = new Date(clock.now()).toISOString().replaceAll(/[-:.]/g, '');
      const kept = existed ? `${basename(path)}.before-${stamp}` : null;
      const { fault, ...counts } = history;
      const faults = [...(fault === undefined ? [] : [fault]), ...report.faults];
      rebuilt = { ...report, ...counts, faults, kept };
      await tell(new Journal(database, clock), rebuilt);
    } finally {
      await database.destroy();
    }
    await old?.destroy();
    const aside = join(config.paths.state, rebuilt.kept ?? `${basename(path)}.empty`);
    await replaceDatabase(path, made, aside);
    if (rebuilt.kept === null) {
      await removeDatabase(aside);
    }
    return rebuilt;
  } finally {
    await old?.destroy();
    await removeDatabase(made);
  }
}

/** Holds the database, so that no server starts meanwhile; undefined when it is past reading. */
async function openOld(path: string, clock: Clock): Promise<Database | undefined> {
  if ((await exists(path)) && !(await isDatabaseFile(path))) {
    return undefined;
  }
  try {
    return await openDatabase(path, clock);
  } catch (error) {
    if (isAppError(error) && error.code !== 'database-unusable') {
      throw error;
    }
    return undefined;
  }
}

interface History {
  readonly tokens: number;
  readonly events: number;
  readonly fault?: RebuildReport['faults'][number];
}

function lost(reason: string): History {
  const message = `Tokens, journal, used BUILD_IDs and proofs could not be taken from the old database: ${reason}.`;
  return { tokens: 0, events: 0, fault: { code: 'history-lost', subject: 'database', message } };
}

async function copyHistory(old: Database | undefined, database: Database): Promise<History> {
  if (old === undefined) {
    return lost('it cannot be opened');
  }
  try {
    return await database.transaction().execute(async (queries) => {
      await carryOver(old, queries);
      return { tokens: await copyTokens(old, queries), events: await copyEvents(old, queries) };
    });
  } catch (error) {
    return lost(messageOf(error));
  }
}

async function tell(journal: Journal, rebuilt: DatabaseRebuild): Promise<void> {
  const { faults, ...counts } = rebuilt;
  await journal.record({
    kind: 'repository-rebuilt',
    subject: 'repository',
    actor: 'server',
    data: { ...counts, faults: faults.length, firstFaults: faults.slice(0, 20) },
  });
}
