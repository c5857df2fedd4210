import { type Kysely, sql } from 'kysely';
import type { Clock } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import * as first from './migrations/0001-first.ts';
import * as snapshotBlocks from './migrations/0002-snapshot-blocks.ts';
import * as allowances from './migrations/0003-allowances.ts';
import * as nodeReports from './migrations/0004-node-reports.ts';
import * as fileChecks from './migrations/0006-file-checks.ts';
import * as retention from './migrations/0007-retention.ts';
import * as gate from './migrations/0009-gate.ts';
import * as fileChecksOfPackages from './migrations/0010-file-checks.ts';
import * as failures from './migrations/0012-failures.ts';
import * as schedules from './migrations/0016-schedules.ts';
import type { Tables } from './tables.ts';

interface Migration {
  readonly name: string;
  /** SQL, or what SQL alone cannot say. One after the other. */
  readonly statements: readonly (string | ((transaction: Kysely<Tables>) => Promise<void>))[];
}

const MIGRATIONS: readonly Migration[] = [
  first,
  snapshotBlocks,
  allowances,
  nodeReports,
  fileChecks,
  retention,
  gate,
  fileChecksOfPackages,
  failures,
  schedules,
];

/**
 * Brings the tables to the newest form, each migration in a transaction of its own.
 *
 * Throws `database-too-new` when the database was made by a newer Rookery.
 */
export async function migrate(db: Kysely<Tables>, clock: Clock, identity: string): Promise<void> {
  await sql`create table if not exists migrations (name text primary key, applied_at bigint not null)`.execute(
    db,
  );
  const applied = new Set(
    (await db.selectFrom('migrations').select('name').execute()).map((row) => row.name),
  );
  const unknown = [...applied].filter((name) => !MIGRATIONS.some((known) => known.name === name));
  if (unknown.length > 0) {
    throw new AppError(
      'database-too-new',
      `The database has the migration ${unknown.join(', ')}, which this version of Rookery does not know.`,
    );
  }
  for (const migration of MIGRATIONS.filter((known) => !applied.has(known.name))) {
    await db.transaction().execute(async (transaction) => {
      for (const statement of migration.statements) {
        if (typeof statement === 'string') {
          await sql.raw(statement.replaceAll('$identity', identity)).execute(transaction);
        } else {
          await statement(transaction);
        }
      }
      await transaction
        .insertInto('migrations')
        .values({ name: migration.name, applied_at: clock.now() })
        .execute();
    });
  }
}
