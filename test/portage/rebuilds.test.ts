import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestDetail } from '../../src/protocol/builds.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { TestServer } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { requested, writePortageProfile } from './portage-farm.ts';

const [title, isSkipped] = portageSuite('rebuilds with real Portage');
const folder = temporaryFolder();
const overlay = join(folder, 'overlay');
let server: TestServer;
let agent: ReturnType<TestServer['agent']>;
let builder: GentooPrefix;

/** A library of this sub-slot and soname number. */
function library(subSlot: number, soname: number): string {
  return `EAPI=8
DESCRIPTION="A library"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0/${subSlot}"
KEYWORDS="amd64"
src_compile() {
  echo 'int foo(void) { return ${soname}; }' > foo.c || die
  \${CC:-cc} \${CFLAGS} -shared -fPIC -Wl,-soname,libfoo.so.${soname} -o libfoo.so.${soname} foo.c || die
}
src_install() {
  insinto /usr/lib
  doins libfoo.so.${soname}
  dosym libfoo.so.${soname} /usr/lib/libfoo.so
}
`;
}

function consumer(dependency: string): string {
  return `EAPI=8
DESCRIPTION="A program that prints what the library says"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
DEPEND="${dependency}"
RDEPEND="\${DEPEND}"
src_compile() {
  printf '#include <stdio.h>\\nint foo(void);\\nint main(void) { printf("%%d", foo()); return 0; }\\n' > main.c || die
  \${CC:-cc} \${CFLAGS} -o prog main.c -L"\${EPREFIX}/usr/lib" -lfoo -Wl,-rpath,"\${EPREFIX}/usr/lib" || die
}
src_install() {
  exeinto /usr/bin
  newexe prog \${PN}
}
`;
}

async function addEbuild(path: string, text: string): Promise<void> {
  await mkdir(join(overlay, path, '..'), { recursive: true });
  await writeFile(join(overlay, path), text);
}

async function build(body: Readonly<Record<string, unknown>>): Promise<RequestDetail> {
  return await requested(server, { publish: 'testing', ...body });
}

/** Package jobs with why they are there. */
function reasons(detail: RequestDetail): Record<string, string | null> {
  const jobs = detail.jobs.filter(({ kind }) => kind === 'package');
  return Object.fromEntries(jobs.map(({ name, because }) => [name, because]));
}

function value(stanza: string, key: string): string {
  return new RegExp(`^${key}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
}

/** CPV with build -> what it needs, as the channel tells it. */
async function shown(): Promise<Record<string, string>> {
  const text = await readFile(join(folder, 'mirror-root/binhost/web/testing/Packages'), 'utf8');
  const stanzas = text.split('\n\n').filter((stanza) => stanza.includes('CPV: '));
  return Object.fromEntries(
    stanzas.map((stanza) => [
      value(stanza, 'CPV'),
      `${value(stanza, 'BUILD_ID')} ${value(stanza, 'RDEPEND')} ${value(stanza, 'REQUIRES')}`.trim(),
    ]),
  );
}

beforeAll(async () => {
  if (isSkipped) {
    return;
  }
  await chmod(folder, 0o755);
  await makeOverlay(overlay, {
    'dev-libs/libfoo/libfoo-1.ebuild': library(1, 1),
    'app-misc/bound/bound-1.ebuild': consumer('dev-libs/libfoo:='),
    'app-misc/apart/apart-1.ebuild': consumer('dev-libs/libfoo:='),
    'app-misc/loose/loose-1.ebuild': consumer('dev-libs/libfoo'),
  });
  builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay });
  await writePortageProfile(folder, builder);
  server = await TestServer.create(folder);
  await server.start();
  agent = server.agent('pre1');
  agent.start();
}, 120_000);

afterAll(async () => {
  if (!isSkipped) {
    await agent.stop();
    await server.program.stop();
  }
}, 60_000);

(isSkipped ? describe.skip : describe)(title, () => {
  it('begins with a library and what was built against it', async () => {
    const detail = await build({ atoms: ['app-misc/bound', 'app-misc/apart', 'app-misc/loose'] });
    expect([detail.state, detail.reason]).toEqual(['done', null]);
    expect(await shown()).toMatchObject({
      'app-misc/bound-1': expect.stringMatching(/^1 dev-libs\/libfoo:0\/1= .*libfoo\.so\.1/),
      'app-misc/loose-1': expect.stringMatching(/^1 dev-libs\/libfoo .*libfoo\.so\.1/),
    });
  }, 300_000);

  it('plans what a new sub-slot breaks, installed where it plans or not, and then what the new soname breaks', async () => {
    await addEbuild('dev-libs/libfoo/libfoo-2.ebuild', library(2, 2));
    const removed = await builder.emerge(['--unmerge', 'app-misc/apart', 'app-misc/loose'], {
      CLEAN_DELAY: '0',
    });
    expect(removed.exitCode).toBe(0);

    const detail = await build({ atoms: ['dev-libs/libfoo'] });

    expect([detail.state, detail.reason]).toEqual(['done', null]);
    const bySlot =
      'Rebuilt because it was built against dev-libs/libfoo:0/1=, and dev-libs/libfoo-2 has 0/2.';
    expect(reasons(detail)).toEqual({
      'dev-libs/libfoo-2': null,
      'app-misc/bound-1': bySlot,
      'app-misc/apart-1': bySlot,
      'app-misc/loose-1': 'Rebuilt because libfoo.so.1 is gone from dev-libs/libfoo-2.',
    });
    expect(detail.publication).toEqual({ channel: 'testing', serial: 2 });
    const now = await shown();
    for (const cpv of ['app-misc/bound-1', 'app-misc/apart-1']) {
      expect(now[cpv]).toMatch(/^2 dev-libs\/libfoo:0\/2= .*libfoo\.so\.2/);
    }
    expect(now['app-misc/loose-1']).toMatch(/^2 dev-libs\/libfoo .*libfoo\.so\.2/);
  }, 300_000);

  it('plans what loses a soname without a new sub-slot, in a root where the old library is installed', async () => {
    await addEbuild('dev-libs/libfoo/libfoo-3.ebuild', library(2, 3));

    const detail = await build({ atoms: ['dev-libs/libfoo'] });

    expect([detail.state, detail.reason]).toEqual(['done', null]);
    const because = 'Rebuilt because libfoo.so.2 is gone from dev-libs/libfoo-3.';
    expect(reasons(detail)).toEqual({
      'dev-libs/libfoo-3': null,
      'app-misc/bound-1': because,
      'app-misc/apart-1': because,
      'app-misc/loose-1': because,
    });
    const now = await shown();
    expect(now['app-misc/bound-1']).toMatch(/libfoo\.so\.3/);
    expect(now['app-misc/loose-1']).toMatch(/libfoo\.so\.3/);
  }, 300_000);
});
