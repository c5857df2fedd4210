// Starts PostgreSQL once for all tests of a run that want it: see jest.config.mjs.
import { tsImport } from 'tsx/esm/api';

// oxlint-disable-next-line import/no-default-export -- what Jest asks for
export default async function startPostgresql() {
  const { findPostgresql, PostgresqlServer } = await tsImport(
    './postgresql-server.ts',
    import.meta.url,
  );
  const { openDatabase } = await tsImport('../../src/database/database.ts', import.meta.url);
  const { systemClock } = await tsImport('../../src/support/clock.ts', import.meta.url);
  const server = await PostgresqlServer.start(await findPostgresql());
  globalThis.rookeryPostgresql = server;
  // What tests make their databases from: tables that are there already.
  await server.query('create database template_tables template template0');
  await (await openDatabase(server.url('template_tables'), systemClock)).destroy();
  process.env.ROOKERY_TEST_POSTGRESQL = server.url('DATABASE');
}
