import { chmod, mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Impact } from '../../src/fleet/impact/impact.ts';
import { Impacts } from '../../src/fleet/impact/impacts.ts';
import { publicationRef } from '../../src/fleet/plan/publication-ref.ts';
import { reportKeys } from '../../src/repository/proof/node-store.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Locks } from '../../src/support/locks.ts';
import { systemOf } from '../fleet/impact/made-impact.ts';
import { catalogOf, makeProfile } from '../repository/make-package.ts';
import {
  DEED,
  type Installation,
  openInstallation,
  push,
} from '../repository/open-installation.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  installedIn,
  mappedBy,
  ownersIn,
  type RunningProgram,
  serviceOf,
  startProgram,
} from './running-prefix.ts';

const [title, isSkipped] = portageSuite('what an upgrade does to running programs');
const folder = temporaryFolder();
const LIBC = ['x86_64: libc.so.6', 'x86_64: ld-linux-x86-64.so.2'];
const PROFILES = [makeProfile('web', { baseSystem: { packages: [], sonames: LIBC } })];
/** Programs of one package, and the library that each needs. */
const PROGRAMS = { nginx: 'web', crond: 'cron', quiet: null } as const;
const LIBRARIES = ['dev-libs/libweb', 'dev-libs/libcron'];
const NAMES = [...LIBRARIES, 'app-misc/programs', 'app-doc/pages'];

const HEAD = ['EAPI=8', 'S="${WORKDIR}"', 'LICENSE="MIT"', 'SLOT="0"', 'KEYWORDS="amd64"'];

function library(name: string): string {
  return [
    ...HEAD,
    'DESCRIPTION="A library"',
    'src_compile() {',
    `  echo "int ${name}(void) { return \${PV}; }" > a.c || die`,
    `  cc -shared -fPIC -Wl,-soname,lib${name}.so.1 -o lib${name}.so.1 a.c || die`,
    '}',
    'src_install() {',
    '  exeinto /usr/lib',
    `  doexe lib${name}.so.1`,
    '}',
    '',
  ].join('\n');
}

/** Each says that it runs, and waits until it is killed. */
function programs(): string {
  const compiled = Object.entries(PROGRAMS).flatMap(([name, needs]) => {
    const [declared, call] = needs === null ? ['', '0'] : [`int ${needs}(void);`, `${needs}()`];
    const source = `${declared} int main(void) { printf("%d\\n", ${call}); fflush(stdout); for (;;) pause(); }`;
    const path = `"\${EPREFIX}/usr/lib/lib${needs}.so.1" -Wl,-rpath,"\${EPREFIX}/usr/lib"`;
    return [
      `  printf '%s\\n' '#include <stdio.h>' '#include <unistd.h>' '${source}' > ${name}.c || die`,
      `  cc -o ${name} ${name}.c ${needs === null ? '' : path} || die`,
    ];
  });
  return [
    ...HEAD,
    'DESCRIPTION="Programs"',
    `DEPEND="${LIBRARIES.join(' ')}"`,
    'RDEPEND="${DEPEND}"',
    'src_compile() {',
    ...compiled,
    '}',
    'src_install() {',
    `  dobin ${Object.keys(PROGRAMS).join(' ')}`,
    '}',
    '',
  ].join('\n');
}

const PAGES = [...HEAD, 'DESCRIPTION="Pages"', 'src_install() { echo "${PV}" > p; dodoc p; }', ''];

function ebuilds(): Record<string, string> {
  const files: Record<string, string> = { 'app-misc/programs/programs-1.ebuild': programs() };
  for (const version of [1, 2]) {
    for (const name of LIBRARIES) {
      const [, pn = ''] = name.split('/');
      files[`${name}/${pn}-${version}.ebuild`] = library(pn.slice('lib'.length));
    }
    files[`app-doc/pages/pages-${version}.ebuild`] = PAGES.join('\n');
  }
  return files;
}

(isSkipped ? describe.skip : describe)(title, () => {
  let prefix: GentooPrefix;
  let installation: Installation;
  const running = new Map<string, RunningProgram>();

  async function emerge(args: readonly string[], env: Readonly<Record<string, string>>) {
    const { exitCode, stdout, stderr } = await prefix.emerge(args, env);
    const said = `${stdout.toString('utf8').slice(-3000)}\n${stderr.slice(-3000)}`;
    expect({ exitCode, said }).toMatchObject({ exitCode: 0 });
  }

  /** Builds packages into a folder, which installs them but with --buildpkgonly, and publishes them. */
  async function publish(name: string, args: readonly string[]) {
    const packages = join(folder, name);
    await mkdir(packages);
    await emerge(['--jobs', ...args], { PKGDIR: packages });
    for (const entry of await readdir(packages, { recursive: true, withFileTypes: true })) {
      if (entry.name.endsWith('.gpkg.tar')) {
        await push(installation.repository, join(entry.parentPath, entry.name));
      }
    }
    const deed = { ...DEED, profile: 'web', channel: 'testing' };
    return await publicationRef(installation.folders, await installation.repository.publish(deed));
  }

  /** Installs from the binhost and from nowhere else, as a node does. */
  async function merge(args: readonly string[]): Promise<void> {
    const binhost = join(installation.folders.mirrorRoot, 'binhost/web/testing');
    await emerge(['--usepkgonly', '--getbinpkgonly', ...args], {
      PKGDIR: join(folder, 'fetched'),
      PORTAGE_BINHOST: `file://${binhost}`,
      FEATURES: 'binpkg-ignore-signature',
    });
  }

  beforeAll(async () => {
    await chmod(folder, 0o755);
    const overlay = join(folder, 'overlay');
    await makeOverlay(overlay, ebuilds());
    prefix = await makeGentooPrefix({ folder: join(folder, 'prefix'), overlay });
    installation = await openInstallation(join(folder, 'farm'), systemClock, {
      profiles: PROFILES,
    });
    const first = NAMES.map((name) => `=${name}-1`);
    await publish('first', ['--buildpkg', ...first]);
    for (const name of Object.keys(PROGRAMS)) {
      running.set(name, await startProgram(join(prefix.folder, 'usr/bin', name)));
    }
  }, 600_000);

  afterAll(async () => {
    for (const child of running.values()) {
      child.removeAllListeners('exit');
      child.kill('SIGKILL');
    }
    await prefix.stop();
    await installation.close();
  });

  /** What the node says of itself, and what the farm makes of it. */
  async function foreseen(publication: Parameters<Impacts['of']>[0][number]): Promise<Impact> {
    const about = { node: 'web-1', profile: 'web', channel: 'testing', timestampSeconds: null };
    const installed = installedIn(prefix.folder);
    await installation.proofs.report({ ...about, installed, checks: [], php: null }, 'token:web-1');
    const owners = ownersIn(prefix.folder);
    const services = [...running].map(([name, { pid }]) => serviceOf(name, pid, owners));
    const { database } = installation;
    const impacts = new Impacts({
      database,
      profiles: catalogOf(PROFILES),
      locks: new Locks(),
    });
    const [key] = await reportKeys(database, 'web', 0);
    const [impact] = await impacts.of(
      [publication],
      [
        {
          node: 'web-1',
          profile: 'web',
          channel: 'testing',
          serial: null,
          reportedAt: 0,
          differs: 0,
          installedDigest: key?.content ?? '',
          php: { active: null, resident: [] },
          system: systemOf(services),
        },
      ],
    );
    if (impact === undefined) {
      throw new Error('no impact');
    }
    return impact;
  }

  /** Program -> the files that it has mapped and that are no more. */
  function replaced(): Record<string, string[]> {
    return Object.fromEntries(
      [...running].map(([name, { pid }]) => [
        name,
        [...mappedBy(pid)].filter(([, isDeleted]) => isDeleted).map(([path]) => basename(path)),
      ]),
    );
  }

  it('is foreseen before the merge: exactly those programs map a file that is replaced', async () => {
    const second = [...LIBRARIES, 'app-doc/pages'].map((name) => `=${name}-2`);
    const to = await publish('second', ['--buildpkgonly', '--nodeps', ...second]);
    const impact = await foreseen(to);
    expect(
      impact.packages.map(({ to: cpv, effect, reasons }) => [cpv, effect, reasons[0]]),
    ).toEqual([
      ['dev-libs/libweb-2', 'disruptive', 'libweb.so.1 is mapped by nginx on 1 node'],
      ['dev-libs/libcron-2', 'service-restart', 'libcron.so.1 is mapped by crond on 1 node'],
      ['app-doc/pages-2', 'none', 'it has no programs or libraries that could be running'],
    ]);
    expect(impact.restarts).toEqual(['crond']);
    expect(replaced()).toEqual({ nginx: [], crond: [], quiet: [] });

    const before = installedIn(prefix.folder).map(({ cpv }) => cpv);
    await merge(['--update', '--deep', '--newuse', '@world']);
    const after = installedIn(prefix.folder).map(({ cpv }) => cpv);
    const come = after.filter((cpv) => !before.includes(cpv));
    expect(come.toSorted()).toEqual(impact.packages.map(({ to: cpv }) => cpv ?? '').toSorted());
    expect(replaced()).toEqual({ nginx: ['libweb.so.1'], crond: ['libcron.so.1'], quiet: [] });
    expect((await foreseen(to)).packages).toEqual([]);
  }, 600_000);
});
