export const name = '0006-file-checks';

export const statements: readonly string[] = [
  `create table file_checks (
    sha512 text primary key,
    checked_at bigint not null,
    state text not null,
    reason text
  )`,
  'create index file_checks_by_state on file_checks (state)',
];
