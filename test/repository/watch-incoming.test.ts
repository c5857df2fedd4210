import { randomBytes } from 'node:crypto';
import {
  copyFile,
  cp,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import type { ProfileCatalog } from '../../src/gentoo/profile.ts';
import { watchIncoming } from '../../src/repository/watch-incoming.ts';
import { sleep, systemClock } from '../../src/support/clock.ts';
import { AppError } from '../../src/support/errors.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import type { Service } from '../../src/support/lifecycle.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
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

interface Watched {
  readonly incoming: string;
  readonly installation: Installation;
}

interface Changes {
  readonly profiles?: ProfileCatalog;
  /** What is done within an import, before the real one. */
  readonly during?: (file: string) => Promise<void>;
  readonly settleMs?: number;
  /** What lies there before the start. */
  readonly before?: (incoming: string) => Promise<void>;
}

async function watch(name: string, changes: Changes = {}): Promise<Watched> {
  const installation = await openInstallation(join(folder, name), systemClock);
  const { repository } = installation;
  const incoming = join(folder, name, 'incoming');
  await changes.before?.(incoming);
  const watcher = watchIncoming({
    repository: {
      ...repository,
      importPackage: async (request) => {
        await changes.during?.(request.file);
        return await repository.importPackage(request);
      },
    },
    journal: installation.journal,
    profiles: changes.profiles ?? catalogOf([makeProfile('web')]),
    clock: systemClock,
    folder: incoming,
    log: silentLog(),
    times: { quietMs: 100, settleMs: changes.settleMs ?? 300, retryMs: 200 },
    lookMs: 200,
  });
  started.push({ installation, watcher });
  await watcher.start();
  return { incoming, installation };
}

/** Waits until this many builds of the CPV are there and nothing is left in the folder but what `left` names. */
async function imported(
  { installation, incoming }: Watched,
  cpvs: readonly string[],
  left: readonly string[] = [],
): Promise<void> {
  await poll(`the import of ${cpvs.join(', ')}`, async () => {
    for (const cpv of cpvs) {
      if ((await installation.repository.packagesByCpv('web', cpv)).length === 0) {
        return undefined;
      }
    }
    const names = await filesBelow(join(incoming, 'web'));
    return names.join() === left.join() ? true : undefined;
  });
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

/** A folder as a builder's PKGDIR is, with an index and three packages. */
async function makePkgdir(name: string): Promise<{ path: string; cpvs: string[] }> {
  const path = join(folder, name);
  const cpvs = ['app-misc/alpha-1', 'app-misc/beta-2', 'dev-libs/gamma-3'];
  for (const cpv of cpvs) {
    const [category = '', pf = ''] = cpv.split('/');
    const pn = pf.replace(/-\d$/, '');
    await mkdir(join(path, category, pn), { recursive: true });
    const made = await makePackage(folder, cpv, { content: randomBytes(300_000) });
    await copyFile(made, join(path, category, pn, `${pf}-1.gpkg.tar`));
  }
  await writeFile(join(path, 'Packages'), 'VERSION: 0\n');
  return { path, cpvs };
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

it.each([
  ['renaming temporary files', []],
  ['writing in place, slowly', ['--inplace', '--bwlimit=800']],
  ['a partial folder', ['--partial-dir=.rsync-partial', '--bwlimit=800']],
  ['updates at the end', ['--delay-updates']],
])('imports a PKGDIR that rsync brings: %s', async (name, options) => {
  const pkgdir = await makePkgdir(`pkgdir ${name}`);
  const watched = await watch(`rsync ${name}`, { settleMs: 20_000 });
  const target = `${join(watched.incoming, 'web')}/`;

  await runChecked(['rsync', '-a', ...options, `${pkgdir.path}/`, target], {
    env: toolEnvironment(),
    timeoutMs: 30_000,
  });

  await imported(watched, pkgdir.cpvs, ['Packages']);
});

it('waits for a file that is written with pauses, and imports it when it is whole', async () => {
  const watched = await watch('slow', { settleMs: 20_000 });
  const bytes = await readFile(await makePackage(folder, 'app-misc/slow-1'));
  const path = join(watched.incoming, 'web', 'slow.gpkg.tar');
  const handle = await open(path, 'w');
  for (let start = 0; start < bytes.length; start += Math.ceil(bytes.length / 3)) {
    await handle.write(bytes.subarray(start, start + Math.ceil(bytes.length / 3)));
    await sleep(400);
  }
  await handle.close();

  await imported(watched, ['app-misc/slow-1']);
});

it('takes what came while it was down', async () => {
  const pkgdir = await makePkgdir('waiting');
  const watched = await watch('down', {
    before: async (incoming) => {
      await cp(pkgdir.path, join(incoming, 'web'), { recursive: true });
    },
  });
  await imported(watched, pkgdir.cpvs, ['Packages']);
});

it('leaves a file that was replaced while it was imported, and takes the new one', async () => {
  const first = await makePackage(folder, 'app-misc/first-1');
  const second = await makePackage(folder, 'app-misc/second-1');
  let replaced = false;
  const watched: Watched = await watch('replaced', {
    during: async () => {
      if (!replaced) {
        replaced = true;
        await rename(second, join(folder, 'replaced', 'incoming', 'web', 'file.gpkg.tar'));
      }
    },
  });

  await rename(first, join(watched.incoming, 'web', 'file.gpkg.tar'));

  await imported(watched, ['app-misc/first-1', 'app-misc/second-1']);
});

it('keeps a file as long as the fault is not its own', async () => {
  const profile = makeProfile('web');
  let isBroken = true;
  let asked = 0;
  const watched = await watch('broken', {
    profiles: {
      ...catalogOf([profile]),
      get: () => {
        asked += 1;
        if (isBroken) {
          throw new AppError('profile-broken', 'The profile web is broken.');
        }
        return profile;
      },
    },
  });
  const path = join(watched.incoming, 'web', 'kept.gpkg.tar');
  await copyFile(await makePackage(folder, 'app-misc/kept-1'), path);
  await poll('a second try', () => (asked > 3 ? true : undefined));
  expect(await exists(path)).toBe(true);

  isBroken = false;

  await imported(watched, ['app-misc/kept-1']);
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
  expect(await readFile(join(rejected, 'broken.gpkg.tar.reason.txt'), 'utf8')).toMatch(
    /^gpkg-[a-z-]+: .*\.\nRefused at \d{4}-.*Z: broken\.gpkg\.tar, 20 bytes\.\n$/,
  );
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

it('refuses what belongs to no profile, is empty, or cannot be read, and never lets go of it', async () => {
  const watched = await watch('strays', { settleMs: 50 });
  const { incoming, installation } = watched;
  const outside = join(folder, 'outside');
  await mkdir(outside);
  await copyFile(await makePackage(folder, 'app-misc/outside-1'), join(outside, 'out.gpkg.tar'));
  await mkdir(join(incoming, 'nobody'));
  await writeFile(join(incoming, 'stray.gpkg.tar'), 'stray');
  await writeFile(join(incoming, 'nobody', 'lost.gpkg.tar'), 'lost');
  await writeFile(join(incoming, 'web', 'empty.gpkg.tar'), '');
  const placed = systemClock.now();
  await symlink(outside, join(incoming, 'web', 'folder'));
  await runChecked(['mkfifo', join(incoming, 'web', 'pipe.gpkg.tar')], {
    env: toolEnvironment(),
    timeoutMs: 5000,
  });

  const codes = await poll('everything to be refused', async () => {
    const events = await installation.journal.latest(20);
    const refused = events.filter(({ kind }) => kind === 'incoming-rejected');
    return refused.length < 5
      ? undefined
      : refused.map(({ data }) => `${String(data['file'])} ${String(data['code'])}`).toSorted();
  });

  const refusedAt = (await installation.journal.latest(20)).find(({ data }) =>
    String(data['file']).startsWith('empty'),
  );
  expect((refusedAt?.at ?? 0) - placed).toBeGreaterThan(50 * 59);
  expect(codes).toEqual([
    expect.stringMatching(/^empty\.gpkg\.tar (?:gpkg|package)-/),
    'folder incoming-not-a-file',
    'lost.gpkg.tar unknown-profile',
    'pipe.gpkg.tar incoming-not-a-file',
    'stray.gpkg.tar incoming-without-profile',
  ]);
  expect(await readFile(join(incoming, 'rejected', 'stray.gpkg.tar'), 'utf8')).toBe('stray');
  expect(await readFile(join(incoming, 'nobody', 'rejected', 'lost.gpkg.tar'), 'utf8')).toBe(
    'lost',
  );
  expect(await namesIn(outside)).toEqual(['out.gpkg.tar']);
  expect(await installation.repository.packagesByCpv('web', 'app-misc/outside-1')).toEqual([]);
  await writeFile(join(incoming, 'stray.gpkg.tar'), 'another stray');
  await poll('a second of the same name', async () =>
    (await exists(join(incoming, 'rejected', 'stray.gpkg.tar.1'))) ? true : undefined,
  );
  expect(await readFile(join(incoming, 'rejected', 'stray.gpkg.tar'), 'utf8')).toBe('stray');
});

it('gets through many files', async () => {
  const watched = await watch('many', {
    before: async (incoming) => {
      await mkdir(join(incoming, 'web'), { recursive: true });
      for (let number = 0; number < 100; number += 1) {
        await writeFile(join(incoming, 'web', `no-package-${number}`), `${number}`);
      }
    },
  });
  await copyFile(
    await makePackage(folder, 'app-misc/among-1'),
    join(watched.incoming, 'web', 'among.gpkg.tar'),
  );
  await poll('all of them to be refused', async () =>
    (await namesIn(join(watched.incoming, 'web', 'rejected'))).length === 200 ? true : undefined,
  );
  await poll('the import', async () => {
    const { repository } = watched.installation;
    return (await repository.packagesByCpv('web', 'app-misc/among-1'))[0];
  });
});
