import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkPkgdir } from '../../src/binpkg/pkgdir/check-pkgdir.ts';
import { indexPkgdir } from '../../src/binpkg/pkgdir/index-pkgdir.ts';
import { lockAsPortage } from '../../src/binpkg/pkgdir/portage-lock.ts';
import { parsePackagesIndex, valueOf } from '../../src/gentoo/packages-index.ts';
import { systemClock } from '../../src/support/clock.ts';
import { ended, type RunResult, run, spawnGroup } from '../../src/support/processes.ts';
import { forge, METADATA, metadataTar } from '../binpkg/made-package.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';

const ebuild = (lines: readonly string[]): string =>
  [
    'EAPI=8',
    'DESCRIPTION="A package"',
    'LICENSE="MIT"',
    'KEYWORDS="amd64"',
    'S="${WORKDIR}"',
    ...lines,
    'src_install() { echo ${PF} > f; insinto /usr/share/${PF}; doins f; }',
    '',
  ].join('\n');

const EBUILDS = {
  'app-misc/liba/liba-1.0.ebuild': ebuild(['SLOT="0/1"', 'IUSE="+x"']),
  'app-misc/liba/liba-2.0-r1.ebuild': ebuild(['SLOT="2/5"', 'IUSE="+x"']),
  'app-misc/top/top-3.1_rc2.ebuild': ebuild([
    'SLOT="0"',
    'IUSE="+doc static x"',
    'RDEPEND="app-misc/liba:= doc? ( >=app-misc/liba-1[x?] ) static? ( app-misc/none ) || ( app-misc/liba:2 app-misc/none )"',
    'LICENSE="doc? ( CC0 ) MIT"',
    'RESTRICT="doc? ( test )"',
  ]),
};

/** Metadata as packages of other builders have it: conditionals that nobody decided, odd white space. */
const FOREIGN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'app-misc/odd-1': {
    USE: 'x  y\n amd64\n',
    DEPEND: 'x? ( app-misc/a !z? ( app-misc/b[y?,z=,-w(+)] ) ) z? ( app-misc/c )',
    RDEPEND:
      '|| ( ( app-misc/a app-misc/b ) || ( app-misc/c x? ( app-misc/d ) ) ) ( ( app-misc/e ) )',
    PDEPEND: '|| ( z? ( app-misc/a ) )',
    BDEPEND: '!!<app-misc/a-1:2/3=[!x=]  =app-misc/b-1*',
    LICENSE: '|| ( GPL-2 x? ( MIT ) )\n BSD',
    RESTRICT: 'x? ( strip ) z? ( mirror )',
    REQUIRES: 'x86_64: libc.so.6\n',
    SLOT: '1/2.3',
  },
  'app-misc/odd-1-r1': {
    SLOT: '0',
    EAPI: '',
    repository: '',
    CHOST: 'other-linux-gnu',
    BUILD_ID: '',
  },
  'app-misc/odd-2': { RDEPEND: 'x? ( app-misc/a' },
  'app-misc/odd-3': { RDEPEND: 'app-misc/a-1.0' },
  'app-misc/odd-4': { SLOT: '' },
  'app-misc/odd-5': { BUILD_ID: 'five' },
  'app-misc/odd-6': { BDEPEND: 'app-misc/a[x!=]' },
  'app-misc/odd-7': {
    BUILD_ID: '+0_07\n',
    RDEPEND:
      'app-misc/a:0::lab[x?] || ( app-misc/b ( app-misc/c || ( ( app-misc/d app-misc/e ) ) ) )',
  },
  'app-misc/odd-8': { IDEPEND: 'app-misc/*' },
  'app-misc/odd-10': { RDEPEND: 'z? ( app-misc/a-1 ) app-misc/b' },
  'app-misc/odd-11': { RDEPEND: '=app-misc/a-1-2[x?] || ( ~app-misc/b-1.0-r2-3 app-misc/c )' },
  'app-misc/odd-12': {
    DEPEND: 'app-misc/a\u0085app-misc/b\u3000app-misc/c\u001f( app-misc/d )',
    USE: 'x\u2028y\u001cz',
    KEYWORDS: 'amd64\ufeff',
  },
  'app-misc/odd-13': { LICENSE: '(MIT) ||x z? ( a|| ) y?(' },
  'app-misc/odd-14': { LICENSE: 'MIT -> BSD' },
  'app-misc/odd-15': { PDEPEND: 'z? ( +app-misc/a )' },
  'app-misc/odd-16': { RESTRICT: 'z? ( -> )' },
  'app-misc/odd-17': { BDEPEND: 'z? ( || ( app-misc/a::lab[!x?] app-misc/b:0/1:= ) )' },
  'app-misc/odd-18': { SLOT: '0/1', EAPI: '0', IUSE: '+x', RDEPEND: 'app-misc/a:0/1=[y(+)?]' },
};

const byPath = (all: readonly Record<string, string>[]): Record<string, string>[] =>
  all.toSorted((a, b) => ((a['PATH'] ?? '') < (b['PATH'] ?? '') ? -1 : 1));

/** The lines of a header that do not change with every index. */
const kept = (header: string): string[] =>
  header.split('\n').filter((line) => !/^(?:TIMESTAMP|PACKAGES):/.test(line));

function succeeded({ exitCode, stdout, stderr }: RunResult): void {
  const said = exitCode === 0 ? '' : `${stdout.toString('utf8')}${stderr}`.slice(-3000);
  expect({ exitCode, said }).toEqual({ exitCode: 0, said: '' });
}

const [title, skipped] = portageSuite('the index of a PKGDIR');
const suite = skipped ? describe.skip : describe;

suite(title, () => {
  const root = mkdtempSync(join(tmpdir(), 'rookery-index-'));
  let prefix: GentooPrefix;
  let pkgdir = '';
  const file = (name: string): string => join(pkgdir, name);
  const options = { clock: systemClock };

  beforeAll(async () => {
    const overlay = join(root, 'overlay');
    await makeOverlay(overlay, EBUILDS);
    prefix = await makeGentooPrefix({ folder: join(root, 'prefix'), overlay });
    pkgdir = join(prefix.folder, 'pkgs');
    const build = async (atoms: readonly string[], env = {}): Promise<void> => {
      succeeded(await prefix.emerge(['--oneshot', '--buildpkg', '--nodeps', ...atoms], env));
    };
    await build(['=app-misc/liba-1.0', '=app-misc/liba-2.0-r1', 'app-misc/top']);
    await build(['app-misc/top'], { USE: '-doc' });
    // Portage packs an XPAK with the name that GNU tar has on Gentoo.
    const tools = join(root, 'tools');
    mkdirSync(tools);
    const tar = await run(['sh', '-c', 'command -v gtar || command -v tar'], { env: prefix.env });
    symlinkSync(tar.stdout.toString('utf8').trim(), join(tools, 'gtar'));
    const PATH = [tools, prefix.env['PATH']].join(delimiter);
    await build(['=app-misc/liba-1.0'], { BINPKG_FORMAT: 'xpak', PATH });
    await build(['=app-misc/liba-1.0'], { FEATURES: '-binpkg-multi-instance' });
    for (const [cpv, changes] of Object.entries(FOREIGN)) {
      await putForeign(cpv, changes);
    }
    putOddities();
  }, 300_000);

  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  async function putForeign(cpv: string, changes: Readonly<Record<string, string>>): Promise<void> {
    const [category = '', pf = ''] = cpv.split('/');
    const path = file(`${category}/odd/${pf}-3.gpkg.tar`);
    mkdirSync(dirname(path), { recursive: true });
    const metadata = metadataTar({ ...METADATA, PF: pf, RDEPEND: '', ...changes });
    writeFileSync(path, await forge({ metadata, base: `${pf}-3` }));
  }

  function putOddities(): void {
    const good = file('app-misc/odd/odd-1-3.gpkg.tar');
    const copy = (path: string): void => {
      mkdirSync(dirname(file(path)), { recursive: true });
      copyFileSync(good, file(path));
      utimesSync(file(path), 1_780_000_000, 1_780_000_000);
    };
    copy('app-misc/odd/odd-1-4.gpkg.tar');
    copy('app-misc/odd/odd-1.gpkg.tar');
    copy('app-misc/odd-1-5.gpkg.tar');
    copy('app-misc/odd/.odd-1-6.gpkg.tar');
    copy('app-misc/odd/more/odd-1-7.gpkg.tar');
    copy('app-misc/wrong/odd-1-8.gpkg.tar');
    copy('All/odd-1.gpkg.tar');
    utimesSync(file('All/odd-1.gpkg.tar'), 1_780_000_009, 1_780_000_009);
    writeFileSync(file('app-misc/odd/odd-9-1.gpkg.tar'), '');
    writeFileSync(file('app-misc/odd/odd-8-1.gpkg.tar'), 'no package');
  }

  function removeIndex(): void {
    rmSync(file('Packages'), { force: true });
    rmSync(file('Packages.gz'), { force: true });
  }

  async function fix(): Promise<void> {
    succeeded(await prefix.portage('emaint', ['--fix', 'binhost']));
  }

  /** What Portage sees of each entry, in the order of the file. */
  function entries(): readonly Record<string, string>[] {
    const index = parsePackagesIndex(readFileSync(file('Packages'), 'utf8'));
    return index.entries.map((entry) => {
      const keys = [...new Set([...entry.keys(), 'CHOST', 'REPO'])].toSorted();
      return Object.fromEntries(keys.map((key) => [key, valueOf(index, entry, key) ?? '']));
    });
  }

  it('is key by key what emaint makes of the same files', async () => {
    removeIndex();
    await fix();
    const theirs = entries();
    removeIndex();
    await indexPkgdir(pkgdir, options);
    const ours = entries();
    expect(byPath(ours)).toEqual(byPath(theirs));
    expect(ours.map(({ CPV }) => CPV)).toEqual(theirs.map(({ CPV }) => CPV));
    const paths = ours.map(({ PATH }) => PATH);
    expect(paths).toEqual(
      expect.arrayContaining(['All/odd-1.gpkg.tar', 'app-misc/odd/odd-1-4.gpkg.tar']),
    );
    expect(paths.filter((path) => path?.startsWith('app-misc/top/')).length).toBe(2);
    expect(paths.filter((path) => path?.startsWith('app-misc/liba')).length).toBe(4);
    expect(paths.some((path) => path?.endsWith('.xpak'))).toBe(true);
  });

  it('needs no change for the one when the other wrote it', async () => {
    removeIndex();
    await fix();
    expect(await indexPkgdir(pkgdir, options)).toMatchObject({ written: false });
    const { findings } = await checkPkgdir(pkgdir, { deep: true });
    expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['unreadable', 'duplicate']));
    removeIndex();
    await indexPkgdir(pkgdir, options);
    const before = statSync(file('Packages')).ino;
    await fix();
    expect(statSync(file('Packages')).ino).toBe(before);
  });

  it('follows a change as emaint does, below the header that Portage wrote', async () => {
    removeIndex();
    await fix();
    const before = readFileSync(file('Packages'), 'utf8').split('\n\n')[0] ?? '';
    const moved = file('app-misc/odd/odd-1-3.gpkg.tar');
    const aside = join(root, 'aside');
    copyFileSync(moved, aside);
    rmSync(moved);
    utimesSync(file('All/odd-1.gpkg.tar'), 1_780_000_100, 1_780_000_100);
    await indexPkgdir(pkgdir, options);
    const ours = entries();
    const header = readFileSync(file('Packages'), 'utf8').split('\n\n')[0] ?? '';
    expect(kept(header)).toEqual(kept(before));
    removeIndex();
    await fix();
    expect(byPath(ours)).toEqual(byPath(entries()));
    copyFileSync(aside, moved);
  });

  it('is read by Portage, packed and as it is, and emerge installs from it', async () => {
    removeIndex();
    await indexPkgdir(pkgdir, options);
    const script = `
import gzip, io, sys
import portage
from portage.dbapi.bintree import binarytree
tree = binarytree(pkgdir=portage.settings["PKGDIR"], settings=portage.settings)
counts = []
for opened in (open(sys.argv[1], "rb"), gzip.GzipFile(fileobj=open(sys.argv[1] + ".gz", "rb"), mode="rb")):
    index = tree._new_pkgindex()
    index.read(io.TextIOWrapper(opened, encoding="utf-8"))
    counts.append((index.header["PACKAGES"], len(index.packages)))
print("COUNTS", counts)
`;
    const path = file('Packages');
    const { stdout } = await prefix.python(script.replaceAll('sys.argv[1]', JSON.stringify(path)));
    const count = entries().length;
    expect(stdout.toString('utf8')).toContain(
      `COUNTS [('${count}', ${count}), ('${count}', ${count})]`,
    );
    const atoms = ['=app-misc/top-3.1_rc2', '=app-misc/liba-2.0-r1'];
    succeeded(await prefix.emerge(['--oneshot', '--usepkgonly', ...atoms]));
    const installed = readdirSync(join(prefix.folder, 'var/db/pkg/app-misc'));
    expect(installed).toEqual(expect.arrayContaining(['top-3.1_rc2', 'liba-2.0-r1']));
  }, 120_000);

  it('is locked so that each waits for the other', async () => {
    const holder = spawnGroup(
      [
        'python3',
        '-c',
        `
import sys
from portage.locks import lockfile, unlockfile
lock = lockfile(${JSON.stringify(file('Packages'))}, wantnewlockfile=True)
print("held", flush=True)
sys.stdin.read()
unlockfile(lock)
`,
      ],
      { env: { ...prefix.env } },
      ['pipe', 'pipe', 'ignore'],
    );
    const exit = ended(holder, ['python3']);
    await new Promise<void>((resolve) => {
      holder.stdout?.once('data', () => {
        resolve();
      });
    });
    let waited = '';
    const lock = await lockAsPortage(file('Packages'), {
      onWait: (lockFile) => {
        waited = lockFile;
        holder.stdin?.end();
      },
    });
    expect(await exit).toBe(0);
    expect(waited).toBe(file('.Packages.portage_lockfile'));
    const attempt = await prefix.python(`
import os
from portage.exception import TryAgain
from portage.locks import lockfile
try:
    lockfile(${JSON.stringify(file('Packages'))}, wantnewlockfile=True, flags=os.O_NONBLOCK)
    print("TAKEN")
except TryAgain:
    print("BUSY")
`);
    expect(attempt.stdout.toString('utf8')).toContain('BUSY');
    await lock.release();
    expect(existsSync(file('.Packages.portage_lockfile'))).toBe(false);
  });
});
