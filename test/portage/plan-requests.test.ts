import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { RequestDetail } from '../../src/protocol/builds.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { poll } from '../support/poll.ts';
import { TestServer } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { requested, writePortageProfile } from './portage-farm.ts';

const [title, isSkipped] = portageSuite('requests, resolved by real Portage');
const SLOW_MS = 600_000;
jest.setTimeout(SLOW_MS);

const folder = temporaryFolder();
const overlay = join(folder, 'overlay');

/** A library that is a text, for those who are built with it to have in them. */
function library(slot: string, text: string, remark = 'as it was'): string {
  return `EAPI=8
# ${remark}
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0/${slot}"
KEYWORDS="amd64"
src_install() {
  insinto /usr/include
  newins - text.h <<< '${text}'
}
`;
}

const APPLICATION = `EAPI=8
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="shiny"
DEPEND="dev-libs/text:="
RDEPEND="\${DEPEND}"
src_compile() {
  cp "\${EPREFIX}/usr/include/text.h" app || die
  use shiny && echo shiny >> app
}
src_install() {
  insinto /usr/share
  doins app
}
`;

const TOP = `EAPI=8
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
DEPEND="app-misc/app"
RDEPEND="app-misc/app"
src_install() {
  insinto /usr/share
  newins "\${EPREFIX}/usr/share/app" top
}
`;

let server: TestServer;
let agent: ReturnType<TestServer['agent']>;
let builder: GentooPrefix;

async function addLibrary(version: string, text: string): Promise<void> {
  await writeFile(join(overlay, `dev-libs/text/text-${version}.ebuild`), text);
}

async function request(
  atoms: readonly string[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<RequestDetail> {
  const ended = await requested(server, { atoms, ...more }, SLOW_MS);
  expect(`${ended.state} ${ended.reason ?? ''}`).toBe('done ');
  return ended;
}

function outcome({ packages }: RequestDetail): string[] {
  return packages.map(({ cpv, buildId, how }) => `${cpv}-${buildId} ${how}`).toSorted();
}

async function installed(name: string): Promise<string> {
  return await readFile(join(builder.folder, 'usr/share', name), 'utf8');
}

const ALL = ['dev-libs/text', 'app-misc/app', 'app-misc/top'];
const PUBLISHED = { publish: 'testing' };
const UPDATE = { resolve: ['update', 'deep', 'newuse'], ...PUBLISHED };

(isSkipped ? describe.skip : describe)(title, () => {
  beforeAll(async () => {
    await makeOverlay(overlay, {
      'dev-libs/text/text-1.ebuild': library('1', 'one'),
      'app-misc/app/app-1.ebuild': APPLICATION,
      'app-misc/top/top-1.ebuild': TOP,
    });
    builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay });
    await mkdir(join(builder.folder, 'var/lib/portage'), { recursive: true });
    await writeFile(join(builder.folder, 'var/lib/portage/world'), 'app-misc/top\n');
    await writePortageProfile(folder, builder);
    server = await TestServer.create(folder);
    await server.start();
    agent = server.agent('pre1');
    agent.start();
  });

  afterAll(async () => {
    if (!isSkipped) {
      await agent.stop();
      await server.program.stop();
    }
  });

  it('builds what is not there, and none of it again', async () => {
    expect(outcome(await request(ALL, PUBLISHED))).toEqual([
      'app-misc/app-1-1 built',
      'app-misc/top-1-1 built',
      'dev-libs/text-1-1 built',
    ]);
    const again = await request(ALL);
    expect(outcome(again)).toEqual([
      'app-misc/app-1-1 reused',
      'app-misc/top-1-1 reused',
      'dev-libs/text-1-1 reused',
    ]);
    expect(again.jobs.map(({ kind }) => kind)).toEqual(['plan']);
  });

  it('builds anew what has another ebuild, and stops there when the result is the same', async () => {
    await addLibrary('1', library('1', 'one', 'another remark'));
    const detail = await request(ALL);
    expect(outcome(detail)).toEqual([
      'app-misc/app-1-1 reused',
      'app-misc/top-1-1 reused',
      'dev-libs/text-1-2 built',
    ]);
    const app = detail.jobs.find(({ name }) => name === 'app-misc/app-1');
    expect([app?.state, app?.attempt, app?.whySentence]).toEqual([
      'succeeded',
      0,
      'is not built again: what it is made from and built with has not changed',
    ]);
    expect(outcome(await request(ALL))).toEqual(
      outcome(detail).map((one) => one.replace('built', 'reused')),
    );
  });

  it('builds those anew that are built with what has changed, at any depth, with the new one', async () => {
    await addLibrary('1', library('1', 'two'));
    expect(outcome(await request(ALL))).toEqual([
      'app-misc/app-1-2 built',
      'app-misc/top-1-2 built',
      'dev-libs/text-1-3 built',
    ]);
    expect(await installed('top')).toBe('two\n');
  });

  it('builds what was named again with --rebuild, and nothing that comes of it', async () => {
    expect(outcome(await request(['app-misc/app'], { rebuild: true }))).toEqual([
      'app-misc/app-1-3 built',
      'dev-libs/text-1-3 reused',
    ]);
    expect(outcome(await request(ALL))).toEqual([
      'app-misc/app-1-3 reused',
      'app-misc/top-1-2 reused',
      'dev-libs/text-1-3 reused',
    ]);
  });

  it('has nothing to build for @world that is up to date, and publishes it all the same', async () => {
    expect(outcome(await request(['@world'], UPDATE))).toEqual([
      'app-misc/app-1-3 reused',
      'app-misc/top-1-2 reused',
      'dev-libs/text-1-3 reused',
    ]);
  });

  it('upgrades what @world needs, with --newuse also by the flags of the profile', async () => {
    await writePortageProfile(folder, builder, ['use = ["shiny"]']);
    await poll('the new profile', async () => {
      const { body } = await server.call('GET', '/api/profiles');
      return JSON.stringify(body).includes('shiny') ? true : undefined;
    });
    await addLibrary('2', library('1', 'three'));
    expect(outcome(await request(['@world'], { resolve: ['update'] }))).toEqual([
      'app-misc/app-1-3 reused',
      'app-misc/top-1-2 reused',
      'dev-libs/text-1-3 reused',
    ]);
    expect(outcome(await request(['@world'], UPDATE))).toEqual([
      'app-misc/app-1-4 built',
      'app-misc/top-1-3 built',
      'dev-libs/text-2-1 built',
    ]);
    expect(await installed('top')).toBe('three\nshiny\n');
  });

  it('rebuilds for a channel what its gate would refuse', async () => {
    await addLibrary('3', library('3', 'four'));
    const removed = await builder.emerge(['--unmerge', ...ALL], { CLEAN_DELAY: '0' });
    expect([removed.exitCode, removed.stderr]).toEqual([0, expect.anything()]);
    expect(outcome(await request(['dev-libs/text']))).toEqual(['dev-libs/text-3-1 built']);
    const detail = await request([], { rebuildFor: 'testing', ...PUBLISHED });
    expect(outcome(detail)).toEqual(['app-misc/app-1-5 built', 'dev-libs/text-3-1 reused']);
    expect(detail.publication?.channel).toBe('testing');
  });
});
