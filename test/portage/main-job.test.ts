import { chmod, cp, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { newTokenSchema } from '../../src/protocol/access.ts';
import type { RequestDetail } from '../../src/protocol/builds.ts';
import { nodeDetailSchema } from '../../src/protocol/nodes.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { epochSeconds, systemClock } from '../../src/support/clock.ts';
import { digestFile } from '../../src/support/digests.ts';
import { exists } from '../../src/support/files.ts';
import { run } from '../../src/support/processes.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { TestServer } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { logsOf, requested, writePortageProfile } from './portage-farm.ts';

const [title, isSkipped] = portageSuite('the main job, with real Portage at both ends');
const folder = temporaryFolder();
const overlay = join(folder, 'overlay');

const LIBRARY = `EAPI=8
DESCRIPTION="A greeting as a library"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0/1"
KEYWORDS="amd64"
src_compile() {
  echo 'const char *greeting(void) { return "hello from the farm"; }' > greet.c || die
  \${CC:-cc} \${CFLAGS} -shared -fPIC -Wl,-soname,libgreet.so.1 -o libgreet.so.1 greet.c || die
}
src_install() {
  insinto /usr/lib
  doins libgreet.so.1
  dosym libgreet.so.1 /usr/lib/libgreet.so
}
`;

function program(version: string): string {
  return `EAPI=8
DESCRIPTION="Says the greeting"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
DEPEND="dev-libs/libgreet:="
RDEPEND="\${DEPEND}"
src_compile() {
  cat > main.c <<'END' || die
#include <stdio.h>
const char *greeting(void);
int main(void) { printf("%s, version ${version}\\n", greeting()); return 0; }
END
  \${CC:-cc} \${CFLAGS} -o greet main.c -L"\${EPREFIX}/usr/lib" -lgreet -Wl,-rpath,"\${EPREFIX}/usr/lib" || die
}
src_install() {
  exeinto /usr/bin
  doexe greet
}
`;
}

const WRAPPER = `EAPI=8
DESCRIPTION="Runs the program"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
RDEPEND="app-misc/greet"
src_install() {
  printf '#!/bin/sh\\nexec "%s/usr/bin/greet"\\n' "\${EPREFIX}" > greet-twice || die
  exeinto /usr/bin
  doexe greet-twice
}
`;

async function addEbuild(path: string, text: string): Promise<void> {
  await mkdir(join(overlay, path, '..'), { recursive: true });
  await writeFile(join(overlay, path), text);
}

let server: TestServer;
let agent: ReturnType<TestServer['agent']>;
let builder: GentooPrefix;
let client: GentooPrefix;
let preproduction: GentooPrefix;
const mirrors: Server[] = [];

beforeAll(async () => {
  if (isSkipped) {
    return;
  }
  await chmod(folder, 0o755);
  await makeOverlay(overlay, {
    'dev-libs/libgreet/libgreet-1.0.ebuild': LIBRARY,
    'app-misc/greet/greet-1.0.ebuild': program('1.0'),
    'app-misc/greet-twice/greet-twice-1.0.ebuild': WRAPPER,
  });
  builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay });
  await writePortageProfile(folder, builder);
  server = await TestServer.create(folder);
  await server.start();
  agent = server.agent('pre1');
  agent.start();
  client = await makeClient('client', `${server.url}/binhost/web/stable`);
  preproduction = await makeClient('pre', `${server.url}/binhost/web/testing`, 'testing');
  await giveToken(preproduction, 'pre1');
}, 120_000);

afterAll(async () => {
  for (const mirror of mirrors) {
    mirror.close();
  }
  if (!isSkipped) {
    await agent.stop();
    await server.program.stop();
  }
}, 60_000);

/**
 * A Gentoo root of its own with nothing but the setup script applied; its binhost may be another than the script's.
 * Its path has to be no longer than the builder's: Portage rewrites the prefix inside of programs in place.
 */
async function makeClient(name: string, uri: string, channel = 'stable'): Promise<GentooPrefix> {
  const prefix = await makeGentooPrefix({ folder: join(folder, name), overlay });
  const script = await (await fetch(`${server.url}/setup/web/${channel}.sh`)).text();
  const file = join(prefix.folder, 'setup.sh');
  await writeFile(file, script.replaceAll(`${server.url}/binhost/web/${channel}`, uri));
  const { exitCode, stdout, stderr } = await run(
    ['sh', file, '--prefix', prefix.folder, '--gnupg-home', join(prefix.folder, 'gnupg')],
    { env: prefix.env },
  );
  expect([exitCode, stderr, stdout.toString()]).toEqual([0, expect.anything(), expect.anything()]);
  return prefix;
}

async function giveToken(prefix: GentooPrefix, name: string): Promise<void> {
  const { status, body } = await server.call('POST', '/api/tokens', { name, role: 'node' });
  expect(status).toBe(201);
  const { token } = newTokenSchema.parse(body);
  await writeFile(join(prefix.folder, 'etc/rookery/node.token'), `${token}\n`, { mode: 0o600 });
}

/** The preproduction node installs what testing shows, runs its checks, and tells the farm. */
async function prove(): Promise<string> {
  const { exitCode, stdout, stderr } = await preproduction.emerge(['-uDG', 'app-misc/greet-twice']);
  expect([exitCode, stdout.toString(), stderr]).toEqual([0, expect.anything(), expect.anything()]);
  const reporter = join(preproduction.folder, 'usr/local/sbin/rookery-node');
  const report = await run([reporter, 'report', '--name', 'pre1'], { env: preproduction.env });
  expect([report.exitCode, report.stderr]).toEqual([0, expect.anything()]);
  return report.stdout.toString();
}

async function build(atoms: readonly string[]): Promise<RequestDetail> {
  return await requested(server, { atoms, publish: 'testing' });
}

async function change(command: 'promote' | 'rollback'): Promise<void> {
  const path = `/api/profiles/web/channels/stable/${command}`;
  const { status, body } = await server.call('POST', path, { reason: 'test' });
  expect([status, body]).toEqual([201, expect.anything()]);
}

async function say(prefix: GentooPrefix): Promise<string> {
  const { stdout } = await run([join(prefix.folder, 'usr/bin/greet-twice')], { env: prefix.env });
  return stdout.toString();
}

function sources(log: string): string[] {
  return [...log.matchAll(/>>> Emerging \(\d+ of \d+\) (\S+?)::/g)].map((match) => match[1] ?? '');
}

(isSkipped ? describe.skip : describe)(title, () => {
  it('builds three dependent packages, each once, and publishes them on testing', async () => {
    const detail = await build(['app-misc/greet-twice']);
    const log = (await logsOf(server, detail)).join('\n');

    expect({ state: detail.state, reason: detail.reason, log }).toMatchObject({ state: 'done' });
    expect(detail.packages.map(({ cpv, how }) => `${cpv} ${how}`).toSorted()).toEqual([
      'app-misc/greet-1.0 built',
      'app-misc/greet-twice-1.0 built',
      'dev-libs/libgreet-1.0 built',
    ]);
    expect(sources(log).toSorted()).toEqual([
      'app-misc/greet-1.0',
      'app-misc/greet-twice-1.0',
      'dev-libs/libgreet-1.0',
    ]);
    expect(detail.publication).toEqual({ channel: 'testing', serial: 1 });
  }, 300_000);

  it('has nothing on stable before it is promoted', async () => {
    expect((await fetch(`${server.url}/binhost/web/stable/Packages.gz`)).status).toBe(404);
  });

  it('promotes only what a preproduction node has installed and found good', async () => {
    const path = '/api/profiles/web/channels/stable/promote';
    const refused = await server.call('POST', path, { reason: 'test' });
    expect([refused.status, refused.body]).toEqual([
      409,
      expect.objectContaining({ code: 'promotion-not-proven' }),
    ]);
    const check = join(preproduction.folder, 'etc/rookery/checks.d/greeting');
    await writeFile(check, `#!/bin/sh\n${preproduction.folder}/usr/bin/greet-twice\n`, {
      mode: 0o755,
    });

    expect(await prove()).toBe(
      'pre1 has publication 1 of web/testing: 3 packages as published, the check greeting passed.\n',
    );

    await change('promote');
    const { body } = await server.call('GET', '/api/nodes/pre1');
    expect(nodeDetailSchema.parse(body).reports[0]?.checks).toEqual([
      { name: 'greeting', passed: true, output: 'hello from the farm, version 1.0' },
    ]);
  }, 120_000);

  it('installs on a second Gentoo with only the setup script applied, and the program runs', async () => {
    const { exitCode, stdout, stderr } = await client.emerge(['-G', 'app-misc/greet-twice']);

    expect([exitCode, stdout.toString(), stderr]).toEqual([
      0,
      expect.anything(),
      expect.anything(),
    ]);
    expect(await say(client)).toBe('hello from the farm, version 1.0\n');
  }, 120_000);

  it('rebuilds nothing when the same is asked for again', async () => {
    const detail = await build(['app-misc/greet-twice']);

    expect(detail).toMatchObject({ state: 'done', reason: null });
    expect(detail.packages.map(({ how }) => how)).toEqual(['reused', 'reused', 'reused']);
  }, 120_000);

  it('upgrades, and after a rollback downgrades on its own', async () => {
    await addEbuild('app-misc/greet/greet-2.0.ebuild', program('2.0'));
    const detail = await build(['app-misc/greet', 'app-misc/greet-twice']);
    expect(detail).toMatchObject({ state: 'done', reason: null });
    expect(detail.packages.filter(({ how }) => how === 'built').map(({ cpv }) => cpv)).toEqual([
      'app-misc/greet-2.0',
    ]);
    expect(await prove()).toContain('publication 3 of web/testing: 3 packages as published');
    await change('promote');
    const upgrade = await client.emerge(['-uDG', 'app-misc/greet-twice']);
    expect([upgrade.exitCode, upgrade.stdout.toString()]).toEqual([0, expect.anything()]);
    expect(await say(client)).toBe('hello from the farm, version 2.0\n');

    await change('rollback');

    const downgrade = await client.emerge(['-uDG', 'app-misc/greet-twice']);
    expect([downgrade.exitCode, downgrade.stdout.toString()]).toEqual([0, expect.anything()]);
    expect(await say(client)).toBe('hello from the farm, version 1.0\n');
  }, 300_000);
});

/** A copy of the stable binhost in which the file of one package is another one, the index adjusted to it. */
async function forge(
  name: string,
  cpv: string,
  replace: (file: string) => Promise<void>,
): Promise<string> {
  const copy = join(folder, 'forged', name);
  await cp(join(folder, 'mirror-root/binhost/web/stable/'), copy, {
    recursive: true,
    dereference: true,
  });
  const index = await readFile(join(copy, 'Packages'), 'utf8');
  const stanzas = index.split('\n\n');
  const place = stanzas.findIndex((stanza) => stanza.includes(`CPV: ${cpv}\n`));
  const path = /^PATH: (.*)$/m.exec(stanzas[place] ?? '')?.[1] ?? '';
  const file = join(copy, path);
  await replace(file);
  const { size, digests } = await digestFile(file, ['md5', 'sha1']);
  stanzas[place] = (stanzas[place] ?? '')
    .replace(/^SIZE: .*$/m, `SIZE: ${size}`)
    .replace(/^MD5: .*$/m, `MD5: ${digests.of('md5')}`)
    .replace(/^SHA1: .*$/m, `SHA1: ${digests.of('sha1')}`);
  await writeFile(join(copy, 'Packages'), stanzas.join('\n\n'));
  await writeFile(join(copy, 'Packages.gz'), gzipSync(stanzas.join('\n\n')));
  return await serve(copy);
}

/** A plain mirror of a folder, which knows nothing of Rookery. */
async function serve(root: string): Promise<string> {
  const mirror = createServer((request, response) => {
    void readFile(join(root, request.url ?? '')).then(
      (bytes) => response.writeHead(200, { 'content-length': bytes.length }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  mirrors.push(mirror);
  await new Promise<void>((resolve) => {
    mirror.listen(0, '127.0.0.1', resolve);
  });
  const address = mirror.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

/** Inverts one byte in the middle of the compressed image. */
async function changeOneByte(file: string): Promise<void> {
  const source = await openByteSource(file);
  const { imageMember: image } = await verifyGpkg(source);
  await source.close();
  const handle = await open(file, 'r+');
  const at = image.offset + Math.floor(image.size / 2);
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
  buffer[0] = (buffer[0] ?? 0) ^ 0xff;
  await handle.write(buffer, 0, 1, at);
  await handle.close();
}

async function signWithAnotherKey(file: string): Promise<void> {
  const signer = await openSigner({
    folder: join(folder, 'another-key'),
    name: 'Somebody else',
    email: 'else@example.org',
    validDays: 10,
    clock: systemClock,
  });
  const source = await openByteSource(file);
  const out = `${file}.signed`;
  const mtimeSeconds = epochSeconds(systemClock);
  await withOpenGpkg(
    source,
    {},
    async (opened) => await rewriteGpkg(opened, { signer, out, mtimeSeconds }),
  );
  await source.close();
  await rm(file);
  await cp(out, file);
}

/** The same package as Portage itself packs it on the builder, without a signature. */
async function takeUnsigned(file: string): Promise<void> {
  const { exitCode, stderr } = await builder.portage('quickpkg', [
    '--umask',
    '0022',
    '=app-misc/greet-1.0',
  ]);
  expect([exitCode, stderr]).toEqual([0, expect.anything()]);
  const packages = join(builder.folder, 'pkgs/app-misc/greet');
  const { stdout } = await run(['ls', packages], { env: builder.env });
  await cp(join(packages, stdout.toString().trim().split('\n')[0] ?? ''), file);
}

(isSkipped ? describe.skip : describe)(`${title}: a client that verifies`, () => {
  beforeAll(async () => {
    // What is on the builder is version 2 by now; the unsigned copy is made of version 1 again.
    const { exitCode } = await builder.emerge(['--oneshot', '--nodeps', '=app-misc/greet-1.0']);
    expect(exitCode).toBe(0);
  }, 120_000);

  it.each([
    ['a package whose image was changed by one byte', changeOneByte],
    ['an unsigned package', takeUnsigned],
    ['a package signed by another key', signWithAnotherKey],
  ])(
    'refuses %s',
    async (what, replace) => {
      const name = what.replaceAll(' ', '-');
      const uri = await forge(name, 'app-misc/greet-1.0', replace);
      const victim = await makeClient(`v${mirrors.length}`, uri);

      const { exitCode, stdout, stderr } = await victim.emerge(['-G', 'app-misc/greet']);

      expect([exitCode, stdout.toString() + stderr]).toEqual([
        1,
        expect.stringMatching(/signature|digest|Invalid/i),
      ]);
      expect(await exists(join(victim.folder, 'usr/bin/greet'))).toBe(false);
      expect((await stat(join(victim.folder, 'usr/lib/libgreet.so.1'))).isFile()).toBe(true);
    },
    120_000,
  );

  it('accepts the same mirror when nothing was changed', async () => {
    const uri = await forge('unchanged', 'app-misc/greet-1.0', async () => undefined);
    const victim = await makeClient(`v${mirrors.length}`, uri);

    const { exitCode, stdout } = await victim.emerge(['-G', 'app-misc/greet-twice']);

    expect([exitCode, stdout.toString()]).toEqual([0, expect.anything()]);
    expect(await say(victim)).toBe('hello from the farm, version 1.0\n');
  }, 120_000);
});
