export const name = '0010-file-checks';

/** What was found of files whose packages were collected before this went with them. */
export const statements: readonly string[] = [
  'delete from file_checks where not exists (select 1 from packages where packages.sha512 = file_checks.sha512)',
];
