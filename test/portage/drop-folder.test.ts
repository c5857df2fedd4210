import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { watchIncoming } from '../../src/repository/watch-incoming.ts';
import { systemClock } from '../../src/support/clock.ts';
import { silentLog } from '../../src/support/log.ts';
import { catalogOf, makeProfile } from '../repository/make-package.ts';
import { openInstallation } from '../repository/open-installation.ts';
import { makeGentooPrefix, makeOverlay, portageSuite } from '../support/gentoo-prefix.ts';
import { poll } from '../support/poll.ts';

/** It takes longer to build than a file has to settle. */
const EBUILD = `EAPI=8
DESCRIPTION="A package"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
S="\${WORKDIR}"
src_install() {
	sleep 1
	head -c 3000000 /dev/urandom > bytes
	insinto /usr/share/dropped
	doins bytes
}
`;

const [title, skipped] = portageSuite('the drop folder');
const suite = skipped ? describe.skip : describe;

suite(title, () => {
  const root = mkdtempSync(join(tmpdir(), 'rookery-drop-'));
  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('may be the PKGDIR of a builder: what emerge reserves and writes there is never refused', async () => {
    const overlay = join(root, 'overlay');
    await makeOverlay(overlay, {
      'app-misc/dropped/dropped-1.0.ebuild': EBUILD,
      'app-misc/dropped/dropped-1.1.ebuild': EBUILD,
    });
    const prefix = await makeGentooPrefix({ folder: join(root, 'prefix'), overlay });
    const installation = await openInstallation(join(root, 'server'), systemClock);
    const incoming = join(root, 'incoming');
    await mkdir(join(incoming, 'web'), { recursive: true });
    const watcher = watchIncoming({
      repository: installation.repository,
      journal: installation.journal,
      profiles: catalogOf([makeProfile('web')]),
      clock: systemClock,
      folder: incoming,
      log: silentLog(),
      // Portage pauses while it writes a package, longer on a busy machine: what rests that long is done.
      times: { quietMs: 50, settleMs: 10_000, retryMs: 200 },
      lookMs: 200,
    });
    await watcher.start();
    try {
      const emerged = await prefix.emerge(
        ['--buildpkgonly', '--nodeps', '=app-misc/dropped-1.0', '=app-misc/dropped-1.1'],
        { PKGDIR: join(incoming, 'web') },
      );
      expect({ exitCode: emerged.exitCode, said: emerged.stderr.slice(-2000) }).toMatchObject({
        exitCode: 0,
      });
      const imported = await poll('both packages', async () => {
        const { packages } = await installation.repository.searchPackages({
          profile: 'web',
          search: 'app-misc/dropped',
          limit: 10,
          offset: 0,
        });
        return packages.length === 2 ? packages : undefined;
      });
      expect(imported.map(({ cpv }) => cpv)).toEqual([
        'app-misc/dropped-1.0',
        'app-misc/dropped-1.1',
      ]);
      const events = await installation.journal.latest(100);
      expect(events.filter(({ kind }) => kind === 'incoming-rejected')).toEqual([]);
      // A package is taken away once it is imported.
      await poll('nothing but the index to be left', async () => {
        const entries = await readdir(join(incoming, 'web'), {
          recursive: true,
          withFileTypes: true,
        });
        const left = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
        return left.toSorted().join(' ') === 'Packages Packages.gz' ? true : undefined;
      });
    } finally {
      await watcher.stop();
      await installation.close();
    }
  }, 120_000);
});
