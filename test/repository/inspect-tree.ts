import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Database } from '../../src/database/database.ts';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { digestFile } from '../../src/support/digests.ts';
import { namesIn } from '../../src/support/files.ts';
import type { Installation } from './open-installation.ts';

/**
 * Compares what is on disk with what the database says, and every retained index with the files it names. Returns
 * the faults, a sentence each. Meant for a repository in which nothing is under way.
 */
export async function inspectTree(
  installation: Pick<Installation, 'folders' | 'database'>,
): Promise<string[]> {
  const { folders, database } = installation;
  const faults = [
    ...(await leftoversIn(folders)),
    ...(await comparePackages(folders, database)),
    ...(await comparePublications(folders, database)),
  ];
  for (const profile of await namesIn(join(folders.mirrorRoot, 'binhost'))) {
    const binhost = join(folders.mirrorRoot, 'binhost', profile);
    for (const name of await namesIn(join(binhost, '.publications'))) {
      faults.push(...(await inspectIndex(join(binhost, '.publications', name))));
    }
  }
  return faults;
}

type Folders = Installation['folders'];

async function leftoversIn({ state, mirrorRoot }: Folders): Promise<string[]> {
  const temporary = (await filesBelow(mirrorRoot)).filter((path) => path.includes('tmp-'));
  const waiting = [
    ...(await filesBelow(join(state, 'uploads'))),
    ...(await filesBelow(join(state, 'intents'))),
    ...(await filesBelow(join(state, 'pool', 'unfinished'))),
    ...(await namesIn(join(state, 'staging'))).filter((name) => name.startsWith('.')),
  ];
  return [...temporary, ...waiting].map((path) => `left over: ${path}`);
}

async function comparePackages(
  { state, mirrorRoot }: Folders,
  database: Database,
): Promise<string[]> {
  const rows = await database.selectFrom('packages').selectAll().execute();
  const faults: string[] = [];
  const pool = (await filesBelow(join(state, 'pool'))).map((path) => path.split('/').at(-1) ?? '');
  const digests = new Set(rows.map((row) => row.sha512));
  faults.push(
    ...pool.filter((name) => !digests.has(name)).map((name) => `no row for pool ${name}`),
  );
  const paths = new Set(rows.map((row) => `${row.profile}/packages/${row.path}`));
  const shown = (await filesBelow(join(mirrorRoot, 'binhost'))).filter((path) =>
    /^[^/]+\/packages\//.test(path),
  );
  faults.push(...shown.filter((path) => !paths.has(path)).map((path) => `no row for ${path}`));
  for (const row of rows) {
    const file = join(mirrorRoot, 'binhost', row.profile, 'packages', row.path);
    const { size, digests: found } = await digestFile(file, ['sha512', 'md5']);
    const { mtimeMs, nlink } = await lstat(file);
    const sharers = rows.filter(({ sha512 }) => sha512 === row.sha512);
    if (size !== row.size || found.of('sha512') !== row.sha512 || found.of('md5') !== row.md5) {
      faults.push(`${row.path} is not what its row says`);
    }
    if (mtimeMs !== row.mtime_seconds * 1000 || nlink !== 1 + sharers.length) {
      faults.push(`${row.path} has the mtime ${mtimeMs} and ${nlink} links`);
    }
  }
  return faults;
}

async function comparePublications(
  { state, mirrorRoot }: Folders,
  database: Database,
): Promise<string[]> {
  const rows = await database
    .selectFrom('publications')
    .selectAll()
    .orderBy('profile')
    .orderBy('channel')
    .orderBy('serial')
    .execute();
  const faults: string[] = [];
  const wanted = rows.map((row) => `${row.profile}/.publications/${row.channel}-${row.serial}`);
  const found: string[] = [];
  for (const profile of await namesIn(join(mirrorRoot, 'binhost'))) {
    for (const name of await namesIn(join(mirrorRoot, 'binhost', profile, '.publications'))) {
      found.push(`${profile}/.publications/${name}`);
    }
  }
  faults.push(
    ...found.filter((path) => !wanted.includes(path)).map((path) => `no row for ${path}`),
  );
  faults.push(...wanted.filter((path) => !found.includes(path)).map((path) => `no folder ${path}`));
  const notes = await filesBelow(join(state, 'publications'));
  const noted = rows.map((row) => `${row.profile}/${row.channel}-${row.serial}.json`);
  faults.push(
    ...notes.filter((path) => !noted.includes(path)).map((path) => `no row for note ${path}`),
    ...noted.filter((path) => !notes.includes(path)).map((path) => `no note ${path}`),
  );
  for (const [position, row] of rows.entries()) {
    const next = rows[position + 1];
    if (next?.profile === row.profile && next.channel === row.channel) {
      if (next.timestamp_seconds < row.timestamp_seconds + 6) {
        faults.push(`${row.channel}-${next.serial} is less than 6 s after the one before`);
      }
    } else {
      const link = join(mirrorRoot, 'binhost', row.profile, row.channel);
      const target = await readlink(link);
      if (target !== `.publications/${row.channel}-${row.serial}`) {
        faults.push(`${row.profile}/${row.channel} shows ${target}, not ${row.serial}`);
      }
    }
  }
  return faults;
}

/** Reads the index of a binhost folder as a client does, and looks at every file that it names. */
export async function inspectIndex(folder: string): Promise<string[]> {
  const faults: string[] = [];
  const text = await readFile(join(folder, 'Packages'), 'utf8');
  const unpacked = gunzipSync(await readFile(join(folder, 'Packages.gz'))).toString('utf8');
  if (text !== unpacked) {
    faults.push(`${folder}: Packages.gz is not Packages`);
  }
  const { header, entries } = parsePackagesIndex(text);
  for (const name of ['Packages', 'Packages.gz']) {
    const { mtimeMs } = await lstat(join(folder, name));
    if (mtimeMs !== Number(header.get('TIMESTAMP')) * 1000) {
      faults.push(`${folder}/${name} has the mtime ${mtimeMs}, not TIMESTAMP`);
    }
  }
  if (header.get('PACKAGES') !== String(entries.length)) {
    faults.push(`${folder}: ${entries.length} entries, ${header.get('PACKAGES')} in the header`);
  }
  for (const entry of entries) {
    const { size, digests } = await digestFile(join(folder, entry.get('PATH') ?? ''), [
      'md5',
      'sha1',
    ]);
    const isTrue =
      String(size) === entry.get('SIZE') &&
      digests.of('md5') === entry.get('MD5') &&
      digests.of('sha1') === entry.get('SHA1');
    if (!isTrue) {
      faults.push(`${folder}: the entry of ${entry.get('PATH')} is not true`);
    }
  }
  return faults;
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await namesIn(folder)) {
    const stat = await lstat(join(folder, name));
    if (stat.isDirectory()) {
      found.push(...(await filesBelow(join(folder, name))).map((path) => `${name}/${path}`));
    } else {
      found.push(name);
    }
  }
  return found;
}
