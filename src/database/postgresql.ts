import {
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCompiler,
  sql,
} from 'kysely';
import { type ClientConfig, type CustomTypesConfig, Pool, types } from 'pg';
import { AppError } from '../support/errors.ts';
import { PostgresDriver } from './postgres-driver.ts';
import type { Tables } from './tables.ts';

/** The oldest major version that is still looked after by its makers, times 10,000, as the server counts. */
const OLDEST_VERSION = 140_000;
const MOST_CONNECTIONS = 16;

/**
 * A process that stands still within a transaction holds up all others: the server ends that transaction. One whose
 * machine has gone is noticed by the silence on its connection, and so lets go of its locks.
 */
const SESSION_OPTIONS = [
  '-c idle_in_transaction_session_timeout=60s',
  '-c tcp_keepalives_idle=15',
  '-c tcp_keepalives_interval=5',
  '-c tcp_keepalives_count=3',
].join(' ');

export function isDatabaseUrl(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}

/** The URL without the password, to be shown. */
export function shownUrl(url: string): string {
  return url
    .replace(/^([a-z]+:\/\/[^/:@]*):[^@/]*@/, '$1:***@')
    .replace(/([?&]password=)[^&]*/, '$1***');
}

/** How every connection to the database is made. */
export function connectionOptions(url: string): ClientConfig {
  return {
    connectionString: url,
    application_name: 'rookery',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    options: SESSION_OPTIONS,
    types: { getTypeParser: parserOf },
  };
}

/** Counts and sums come as text; ours are far below 2^53. */
const parserOf: CustomTypesConfig['getTypeParser'] = (oid, format) =>
  oid === types.builtins.INT8 || oid === types.builtins.NUMERIC
    ? Number
    : types.getTypeParser(oid, format);

export function postgresDialect(url: string): Dialect {
  return {
    createDriver: () =>
      new PostgresDriver(
        () => new Pool({ ...connectionOptions(url), max: MOST_CONNECTIONS }),
        shownUrl(url),
      ),
    createQueryCompiler: (): QueryCompiler => new PostgresQueryCompiler(),
    createAdapter: (): DialectAdapter => new PostgresAdapter(),
    createIntrospector: (db: Kysely<unknown>): DatabaseIntrospector => new PostgresIntrospector(db),
  };
}

interface Setting {
  readonly version: number;
  readonly encoding: string;
  readonly fsync: string;
  readonly commit: string;
}

/** Throws `database-unfit` when the database would lose, or mistake, what it is given. */
export async function requireFit(db: Kysely<Tables>, url: string): Promise<void> {
  const { rows } = await sql<Setting>`select current_setting('server_version_num')::int as version,
    current_setting('server_encoding') as encoding, current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as commit`.execute(db);
  const [setting] = rows;
  const fault = setting === undefined ? 'it does not say what it is' : faultIn(setting);
  if (fault !== undefined) {
    throw new AppError('database-unfit', `The database ${shownUrl(url)} is not used: ${fault}.`);
  }
}

function faultIn({ version, encoding, fsync, commit }: Setting): string | undefined {
  if (version < OLDEST_VERSION) {
    return `PostgreSQL ${Math.floor(version / 10_000)} is too old, the oldest that will do is ${OLDEST_VERSION / 10_000}`;
  }
  if (encoding !== 'UTF8') {
    return `its encoding is ${encoding}, not UTF8`;
  }
  if (fsync === 'off' || commit === 'off') {
    const name = fsync === 'off' ? 'fsync' : 'synchronous_commit';
    return `${name} is off, so that it forgets what it has acknowledged when its machine fails`;
  }
  return undefined;
}
