export const name = '0019-staging';

/** What is published of a request, and what is built for it besides its plan: docs/decisions/0027. */
export const statements: readonly string[] = [
  'alter table requests add column publish_partial integer not null default 0',
  'alter table requests add column publish_not_over bigint',
  'alter table request_packages add column left_out text',
  'alter table jobs add column because text',
];
