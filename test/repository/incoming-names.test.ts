import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';
import { findIncoming } from '../../src/repository/incoming/find-incoming.ts';
import { incomingName, isFaultOfFile } from '../../src/repository/incoming/incoming-names.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const OURS = [
  'web/one-1-1.gpkg.tar',
  'web/app-misc/one/one-1-1.gpkg.tar',
  'web/old.tbz2',
  'web/README',
  'web/deep/rejected/one.gpkg.tar',
  'web/rejected',
  'stray.gpkg.tar',
];
const NOT_OURS = [
  'web/Packages',
  'web/Packages.gz',
  'web/app-misc/one/one-1-1.gpkg.tar.12345',
  'web/app-misc/one/one-1-1.gpkg.tarq3_x9abz.12345',
  'web/app-misc/one/one-1-1.gpkg.tar.12345q3_x9abz',
  'web/app-misc/one/one-1-2.gpkg.tar.partial',
  'web/old.xpakq3_x9abz.77',
  'web/old.tbz2.77',
  'web/one-1-1.gpkg.tar.portage_lockfile',
  'web/.one-1-1.gpkg.tar.Xy12Zw',
  'web/.~tmp~/one-1-1.gpkg.tar',
  'web/.rsync-partial/one-1-1.gpkg.tar',
  'web/rejected/one-1-1.gpkg.tar',
  'rejected/stray.gpkg.tar',
];

it('tells what is to be imported from what is none of its business', () => {
  expect(OURS.filter((path) => incomingName(path) === undefined)).toEqual([]);
  expect(NOT_OURS.filter((path) => incomingName(path) !== undefined)).toEqual([]);
  expect(incomingName('web/a/b.gpkg.tar')).toEqual({ profile: 'web', file: 'a/b.gpkg.tar' });
  expect(incomingName('b.gpkg.tar')).toEqual({ profile: undefined, file: 'b.gpkg.tar' });
});

it('finds the same by looking, and follows no link', async () => {
  for (const path of [...OURS.filter((one) => one !== 'web/rejected'), ...NOT_OURS]) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), '');
  }
  await symlink('/etc', join(folder, 'web', 'link'));
  const found: string[] = [];

  await findIncoming(
    folder,
    (path) => found.push(path.slice(folder.length + 1)),
    new AbortController().signal,
  );

  expect(found.toSorted()).toEqual(
    [...OURS.filter((one) => one !== 'web/rejected'), 'web/link'].toSorted(),
  );
});

it('lays at a file only what will not pass', () => {
  const faults = [
    'gpkg-truncated',
    'package-wrong-chost',
    'incoming-unreadable',
    'unknown-profile',
  ];
  expect(faults.filter((code) => !isFaultOfFile(code))).toEqual([]);
  const passing = [
    'signing-key-expired',
    'package-path-taken',
    'profile-broken',
    'upload-truncated',
    'upload-digest-mismatch',
    'program-not-found',
  ];
  expect(passing.filter(isFaultOfFile)).toEqual([]);
});
