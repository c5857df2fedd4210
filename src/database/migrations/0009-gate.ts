export const name = '0009-gate';

export const statements: readonly string[] = [
  'alter table node_reports add column installed_digest text',
  `create table file_levels (
    sha512 text primary key,
    level bigint not null,
    path text not null
  )`,
  'alter table requests add column publish_forced integer not null default 0',
  "alter table requests add column publish_reason text not null default ''",
];
