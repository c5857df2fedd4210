export const name = '0009-gate';

export const statements: readonly string[] = [
  'alter table node_reports add column installed_digest text',
];
