export const name = '0009-gate';

export const statements: readonly string[] = [
  'alter table node_reports add column installed_digest text',
  'alter table requests add column publish_forced integer not null default 0',
  "alter table requests add column publish_reason text not null default ''",
];
