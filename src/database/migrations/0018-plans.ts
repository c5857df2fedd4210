export const name = '0018-plans';

/** How requests are resolved, and what jobs are built with: docs/decisions/0026. */
export const statements: readonly string[] = [
  "alter table requests add column resolve_json text not null default '[]'",
  'alter table jobs add column ingredients_json text',
  'alter table jobs add column full_inputs text',
  'alter table file_levels add column content text',
];
