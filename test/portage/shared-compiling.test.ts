import { chmodSync, cpSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { SAMPLE } from '../agent/jobs.ts';
import { portageSuite } from '../support/gentoo-prefix.ts';
import { LiveServer } from '../support/live-server.ts';
import { SharedFarm } from '../support/shared-builders.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const [title, isSkipped] = portageSuite('builders with real Portage that share their compiling');
const SLOW_MS = 300_000;
jest.setTimeout(SLOW_MS);

const folder = temporaryFolder();
chmodSync(folder, 0o755);
const prefix = join(folder, 'prefix');
const FILES = 12;

const EBUILD = `EAPI=8
DESCRIPTION="Many files"
HOMEPAGE="https://rookery.example/"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64"

src_unpack() {
	local i
	for i in {1..${FILES}}; do
		echo "int part\${i}(void) { return \${i}; }" > part\${i}.c || die
	done
	echo "int part1(void); int main(void) { return part1() - 1; }" > main.c || die
	cp "\${FILESDIR}"/Makefile . || die
}

src_compile() {
	emake CC="\${CC:-cc}" CFLAGS="\${CFLAGS}"
}

src_install() {
	dobin many
}
`;

const MAKEFILE = [
  'objects = $(patsubst %.c,%.o,$(wildcard *.c))',
  'many: $(objects)\n\t$(CC) -o $@ $(objects)',
  '%.o: %.c\n\t$(CC) $(CFLAGS) -c -o $@ $<',
  '',
].join('\n');

async function makeBuildRoot(): Promise<void> {
  const overlay = join(folder, 'overlay');
  cpSync(join(SAMPLE, 'overlay'), overlay, { recursive: true });
  const place = join(overlay, 'app-misc/rookery-many');
  await mkdir(join(place, 'files'), { recursive: true });
  await writeFile(join(place, 'files/Makefile'), MAKEFILE);
  for (const version of [1, 2]) {
    await writeFile(join(place, `rookery-many-${version}.ebuild`), EBUILD);
  }
  await runChecked([join(SAMPLE, '../make-prefix'), prefix, overlay], { env: toolEnvironment() });
  await mkdir(join(prefix, 'usr/lib'), { recursive: true });
  for (const program of ['distcc', 'ccache']) {
    await symlink(join('/usr/lib', program), join(prefix, 'usr/lib', program));
  }
}

async function packagesBelow(place: string): Promise<string[]> {
  const names = await readdir(place, { recursive: true });
  return names.filter((name) => name.endsWith('.gpkg.tar')).map((name) => join(place, name));
}

/** What a package publishes of the environment that it was built in. */
async function environmentOf(file: string): Promise<string> {
  const script = [
    'tar -xOf "$0" --wildcards "*/metadata.tar*" --exclude "*.sig" | zstd -dc',
    'tar -xO --wildcards "*environment.bz2"',
    'bunzip2',
  ].join(' | ');
  const { stdout } = await runChecked(['bash', '-c', `set -o pipefail; ${script}`, file], {
    env: toolEnvironment(),
  });
  return stdout.toString('utf8');
}

(isSkipped ? describe.skip : describe)(title, () => {
  let server: LiveServer;
  let farm: SharedFarm;

  beforeAll(async () => {
    await makeBuildRoot();
    server = await LiveServer.create(folder);
    const profile = join(server.folder, 'profiles/gentoo');
    await mkdir(profile);
    await writeFile(
      join(profile, 'profile.toml'),
      [
        'description = "for this test"',
        'arch = "amd64"',
        'chost = "x86_64-pc-linux-gnu"',
        'cflags = "-O2"',
        'executor = "portage"',
        `build-root = { kind = "prefix", path = "${prefix}" }`,
        'distcc.enabled = true',
        'ccache.enabled = true',
        '',
      ].join('\n'),
    );
    await server.start();
    farm = new SharedFarm(server);
    await farm.startBuilders({ one: '127.0.0.2', two: '127.0.0.3' });
  }, SLOW_MS);

  afterAll(async () => {
    await farm.stopBuilders();
    await server.stop();
  });

  it('compile with the distccd of another, and with what another has compiled', async () => {
    const first = await farm.build('gentoo', '=app-misc/rookery-many-1');
    const other = farm.otherThan(first.by);
    expect((await other.compiled()).length).toBeGreaterThan(0);
    expect(await first.by.ccacheCounter('gentoo', 'remote_storage_error')).toBe(0);
    expect(await first.by.ccacheCounter('gentoo', 'remote_storage_write')).toBeGreaterThan(FILES);
    expect(first.log).not.toContain('no masquerade dir');
    const [published = ''] = await packagesBelow(join(server.config.paths.mirrorRoot, 'binhost'));
    const environment = await environmentOf(published);
    expect(environment).toContain('rookery-many');
    expect(environment).not.toMatch(/CCACHE_REMOTE_STORAGE|DISTCC_HOSTS|rky_/);

    await farm.stop(first.by);
    await farm.build('gentoo', '=app-misc/rookery-many-2');
    expect(await other.ccacheCounter('gentoo', 'remote_storage_hit')).toBeGreaterThan(0);
    expect(await other.ccacheCounter('gentoo', 'cache_miss')).toBe(0);
  });
});
