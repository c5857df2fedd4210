import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { watchIncoming } from '../../src/repository/watch-incoming.ts';
import { systemClock } from '../../src/support/clock.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import type { Service } from '../../src/support/lifecycle.ts';
import { silentLog } from '../../src/support/log.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { catalogOf, makePackage, makeProfile } from './make-package.ts';
import { type Installation, openInstallation } from './open-installation.ts';

const folder = temporaryFolder();
const started: { installation: Installation; watcher: Service }[] = [];
afterEach(async () => {
  for (const { installation, watcher } of started.splice(0)) {
    await watcher.stop();
    await installation.close();
  }
});

async function watch(name: string): Promise<{ incoming: string; installation: Installation }> {
  const profiles = catalogOf([makeProfile('web')]);
  const installation = await openInstallation(join(folder, name), systemClock);
  const incoming = join(folder, name, 'incoming');
  const watcher = watchIncoming({
    repository: installation.repository,
    profiles,
    folder: incoming,
    log: silentLog(),
    quietMs: 100,
  });
  started.push({ installation, watcher });
  await watcher.start();
  return { incoming, installation };
}

it('imports what lands in the folder of a profile, at any depth, and clears it away', async () => {
  const { incoming, installation } = await watch('good');
  const made = await makePackage(folder, 'app-misc/dropped-1.0');
  await mkdir(join(incoming, 'web', 'app-misc', 'dropped'), { recursive: true });
  const path = join(incoming, 'web', 'app-misc', 'dropped', 'dropped-1.0-1.gpkg.tar');
  await writeFile(join(incoming, 'web', 'Packages'), 'the index of the PKGDIR it came from\n');

  await copyFile(made, path);

  const [found] = await poll('the import', async () => {
    const packages = await installation.repository.packagesByCpv('web', 'app-misc/dropped-1.0');
    return packages.length > 0 ? packages : undefined;
  });
  expect(found).toMatchObject({ origin: 'incoming', buildId: 1 });
  await poll('the file to go', async () => ((await exists(path)) ? undefined : true));
  expect(await exists(join(incoming, 'web', 'Packages'))).toBe(true);
});

it('moves what is no package aside, with the reason, and goes on', async () => {
  const { incoming, installation } = await watch('bad');
  await writeFile(join(incoming, 'web', 'broken.gpkg.tar'), 'not a package at all');
  await symlink('/etc/passwd', join(incoming, 'web', 'link.gpkg.tar'));
  const rejected = join(incoming, 'web', 'rejected');

  await poll('both to be rejected', async () => {
    const names = await namesIn(rejected);
    return names.length === 4 && (await namesIn(join(incoming, 'web'))).length === 1
      ? true
      : undefined;
  });

  expect(await namesIn(rejected)).toEqual([
    'broken.gpkg.tar',
    'broken.gpkg.tar.reason.txt',
    'link.gpkg.tar',
    'link.gpkg.tar.reason.txt',
  ]);
  expect(await readFile(join(rejected, 'broken.gpkg.tar'), 'utf8')).toBe('not a package at all');
  expect(await readFile(join(rejected, 'broken.gpkg.tar.reason.txt'), 'utf8')).toMatch(/^gpkg-/);
  expect(await readFile(join(rejected, 'link.gpkg.tar.reason.txt'), 'utf8')).toMatch(
    /^incoming-not-a-file/,
  );
  const made = await makePackage(folder, 'app-misc/later-1.0');
  await copyFile(made, join(incoming, 'web', 'later.gpkg.tar'));
  await poll('the next import', async () => {
    const packages = await installation.repository.packagesByCpv('web', 'app-misc/later-1.0');
    return packages.length > 0 ? packages : undefined;
  });
});
