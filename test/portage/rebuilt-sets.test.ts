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

const [title, isSkipped] = portageSuite("sets of Portage's own, built again");
const folder = temporaryFolder();
const overlay = join(folder, 'overlay');
let server: TestServer;
let agent: ReturnType<TestServer['agent']>;
let builder: GentooPrefix;

const PLAIN = `EAPI=8
DESCRIPTION="A file"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
src_install() {
  echo plain > file || die
  insinto /usr/share/\${PN}
  doins file
}
`;

async function build(more: Readonly<Record<string, unknown>>): Promise<RequestDetail> {
  return await requested(server, { publish: 'testing', ...more });
}

/** Package jobs that an agent has had, with how often. */
function attempts({ jobs }: RequestDetail): Record<string, number> {
  const had = jobs.filter(({ kind, attempt }) => kind === 'package' && attempt > 0);
  return Object.fromEntries(had.map(({ name, attempt }) => [name, attempt]));
}

async function shown(): Promise<string[]> {
  const text = await readFile(join(folder, 'mirror-root/binhost/web/testing/Packages'), 'utf8');
  return [...text.matchAll(/^(?:CPV|BUILD_ID): (.*)$/gm)].map(([, word = '']) => word).toSorted();
}

beforeAll(async () => {
  if (isSkipped) {
    return;
  }
  await chmod(folder, 0o755);
  await makeOverlay(overlay, { 'app-misc/plain/plain-1.ebuild': PLAIN });
  builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay });
  await mkdir(join(builder.folder, 'var/lib/portage'), { recursive: true });
  await writeFile(join(builder.folder, 'var/lib/portage/world'), 'app-misc/plain\n');
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
  it('are taken apart by Portage, and nothing is published of what came out unchanged', async () => {
    const first = await build({ atoms: ['@world'] });
    expect([first.state, attempts(first)]).toEqual(['done', { 'app-misc/plain-1': 1 }]);
    expect(await shown()).toEqual(['1', 'app-misc/plain-1']);

    const again = await build({ atoms: ['@world'], rebuild: true });
    expect(attempts(again)).toEqual({ 'app-misc/plain-1': 1 });
    expect([again.state, again.reason]).toEqual([
      'done',
      'Nothing has changed in what testing shows of app-misc/plain-1 (build 1): it stays.',
    ]);
    expect(await shown()).toEqual(['1', 'app-misc/plain-1']);

    const third = await build({ atoms: ['@world'] });
    expect([third.state, attempts(third)]).toEqual(['done', {}]);
    expect(third.packages.map(({ buildId, how }) => [buildId, how])).toEqual([[2, 'reused']]);
  }, 600_000);
});
