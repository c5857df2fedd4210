export const name = '0025-fleet-inventory';

/** What production consists of, as administrators wrote it down, each time anew: docs/decisions/0031. */
export const statements: readonly string[] = [
  `create table inventory_revisions (
    revision bigint primary key,
    digest text not null,
    inventory_json text not null,
    created_at bigint not null,
    author text not null,
    reason text not null,
    source_json text not null
  )`,
];
