import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { renderClientScript } from '../../src/http/client-script.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { exists } from '../../src/support/files.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { makeStepNode, type StepNode } from '../fleet/step-node.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
  writeEmerge,
} from '../support/gentoo-prefix.ts';

const [name, isSkipped] = portageSuite('the step merge with real Portage');
const LONG = 300_000;

function ebuild(version: number): string {
  return [
    'EAPI=8',
    'DESCRIPTION="says hello"',
    'HOMEPAGE="https://example.org"',
    'LICENSE=""',
    'SLOT=0',
    'KEYWORDS=amd64',
    'S=${WORKDIR}',
    `src_install() { printf "#!/bin/sh\\necho ${version}\\n" > hello; dobin hello; echo ${version} > conf; insinto /etc; newins conf hello.conf; }`,
    '',
  ].join('\n');
}

(isSkipped ? describe.skip : describe)(name, () => {
  // Everybody may enter it: Portage verifies as nobody.
  const folder = mkdtempSync(join(tmpdir(), 'rks-'));
  chmodSync(folder, 0o755);
  const site = join(folder, 'site');
  let signer: Signer;
  let builder: GentooPrefix | undefined;
  let client: GentooPrefix;
  let node: StepNode;
  let server: Server;
  let asked: string[] = [];
  const publications = new Map<number, string[]>();

  beforeAll(async () => {
    const identity = { name: 'farm', email: 'farm@example.org', validDays: 10, clock: systemClock };
    signer = await openSigner({ folder: join(folder, 'signing'), ...identity });
    const uri = await serve();
    await publish();
    client = await makeGentooPrefix({
      folder: join(folder, 'client'),
      overlay: join(folder, 'overlay'),
      makeConf: [`PORTAGE_BINHOST="${uri}/elsewhere"`],
    });
    cpSync(join(folder, 'builder/pkgs'), join(client.folder, 'pkgs'), { recursive: true });
    mkdirSync(join(client.folder, 'var/lib/portage'), { recursive: true });
    writeFileSync(join(client.folder, 'var/lib/portage/world'), 'app-misc/hello\n');
    await setUp(`${uri}/binhost/web-v3/stable`);
    node = await makeStepNode(client.folder);
    const wrapper = join(folder, 'emerge');
    await writeEmerge(client, wrapper);
    await node.set(
      `emerge-command = ${wrapper}`,
      'emerge-options = --ask --usepkgonly=n --getbinpkgonly=n --rebuilt-binaries=n',
    );
  }, LONG);

  afterAll(async () => {
    await builder?.stop();
    server?.closeAllConnections();
    server?.close();
    await runChecked(['gpgconf', '--homedir', join(folder, 'g'), '--kill', 'all'], {
      env: toolEnvironment(),
    });
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(): Promise<string> {
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      readFile(join(site, decodeURIComponent(request.url ?? ''))).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((done) => {
      server.listen(0, '127.0.0.1', done);
    });
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Two publications of the channel: hello-1, and hello-2. There is a hello-3 as well, in none. */
  async function publish(): Promise<void> {
    const overlay = join(folder, 'overlay');
    const versions = [1, 2, 3];
    const files = versions.map((version) => [
      `app-misc/hello/hello-${version}.ebuild`,
      ebuild(version),
    ]);
    await makeOverlay(overlay, Object.fromEntries(files));
    const home = join(folder, 'g');
    mkdirSync(home, { mode: 0o700 });
    const key = join(folder, 'signing/secret-key.asc');
    await runChecked(['gpg', '--homedir', home, '--batch', '--import', key], {
      env: toolEnvironment(),
    });
    builder = await makeGentooPrefix({
      folder: join(folder, 'builder'),
      overlay,
      makeConf: [
        `BINPKG_GPG_SIGNING_GPG_HOME="${home}"`,
        `BINPKG_GPG_SIGNING_KEY="0x${signer.fingerprint}!"`,
      ],
    });
    const result = await builder.emerge(
      [
        '--buildpkgonly',
        '--nodeps',
        '--jobs',
        ...versions.map((version) => `=app-misc/hello-${version}`),
      ],
      { FEATURES: 'binpkg-signing binpkg-ignore-signature' },
    );
    if (result.exitCode !== 0) {
      throw new Error(`${result.stdout.toString()}${result.stderr}`.slice(-2000));
    }
    for (const version of [1, 2]) {
      const path = `/binhost/web-v3/.publications/stable-${version}`;
      cpSync(join(builder.folder, 'pkgs'), join(site, path), { recursive: true });
      rmSync(join(site, path, 'Packages.gz'));
      const index = readFileSync(join(site, path, 'Packages'), 'utf8')
        .split('\n\n')
        .filter(
          (part) => !part.includes('CPV: ') || part.includes(`CPV: app-misc/hello-${version}\n`),
        )
        .join('\n\n');
      writeFileSync(join(site, path, 'Packages'), `${index.trim()}\n\n`);
      const digest = createHash('sha256')
        .update(readFileSync(join(site, path, 'Packages')))
        .digest('hex');
      publications.set(version, ['web-v3', 'stable', String(version), digest, path]);
    }
  }

  async function setUp(uri: string): Promise<void> {
    const path = join(folder, 'setup.sh');
    const script = renderClientScript({
      profile: 'web-v3',
      channel: 'stable',
      uri,
      server: 'https://farm.example.org',
      publicKey: signer.publicKey,
      fingerprint: signer.primaryFingerprint,
    });
    writeFileSync(path, script);
    const home = join(client.folder, 'etc/portage/gnupg');
    await runChecked(['sh', path, '--prefix', client.folder, '--gnupg-home', home], {
      env: toolEnvironment(),
    });
  }

  const pathOf = (version: number): string => publications.get(version)?.at(-1) ?? '';
  const words = (version: number): string[] => publications.get(version) ?? [];
  const said = async (): Promise<string> =>
    (
      await runChecked([join(client.folder, 'usr/bin/hello')], { env: toolEnvironment() })
    ).stdout.toString();
  const merged = async (): Promise<string> => (await node.step(['look'])).said;

  async function merge(version: number): Promise<string> {
    asked = [];
    const { exitCode, said: output, stderr } = await node.step(['do', 'merge', ...words(version)]);
    expect([exitCode, stderr, output]).toEqual([
      0,
      expect.anything(),
      expect.stringContaining(`merged publication ${version} of web-v3/stable`),
    ]);
    expect(await said()).toBe(`${version}\n`);
    expect(await merged()).toMatch(/^merged [0-9]{10}$/m);
    return output;
  }

  it(
    'fetches, and merges what was fetched, and nothing newer that lies here',
    async () => {
      expect(await node.step(['do', 'prefetch', ...words(1)])).toMatchObject({ exitCode: 0 });
      expect(asked).toContain(`${pathOf(1)}/app-misc/hello/hello-1-1.gpkg.tar`);
      expect(await exists(join(client.folder, 'usr/bin/hello'))).toBe(false);
      await merge(1);
      expect(asked).toEqual([`${pathOf(1)}/Packages`]);
    },
    LONG,
  );

  it(
    'upgrades, leaves the configuration as it is, and says what waits',
    async () => {
      writeFileSync(join(client.folder, 'etc/hello.conf'), 'mine\n');
      expect(await merge(2)).toContain('/etc/._cfg0000_hello.conf');
      expect(asked).toEqual([
        `${pathOf(2)}/Packages`,
        `${pathOf(2)}/app-misc/hello/hello-2-1.gpkg.tar`,
      ]);
      expect(readFileSync(join(client.folder, 'etc/hello.conf'), 'utf8')).toBe('mine\n');
      expect(
        readFileSync(join(client.folder, 'etc/portage/binrepos.conf/rookery-web-v3.conf'), 'utf8'),
      ).toContain('/binhost/web-v3/stable\n');
    },
    LONG,
  );

  it(
    'goes back',
    async () => {
      await merge(1);
      const check = await node.step(['do', 'check', '-', '-', ...words(2)]);
      expect([check.exitCode, check.said]).toEqual([
        1,
        expect.stringContaining('not good: the publication merged here is web-v3 stable 1'),
      ]);
    },
    LONG,
  );

  it(
    'makes no backup of what it replaces, whatever FEATURES say',
    async () => {
      const conf = readFileSync(client.makeConf, 'utf8');
      writeFileSync(
        client.makeConf,
        `${conf}FEATURES="\${FEATURES} unmerge-backup downgrade-backup"\n`,
      );
      expect(await merge(2)).not.toContain('quickpkg');
      expect(await merge(1)).not.toContain('quickpkg');
      const packages = join(client.folder, 'var/lib/rookery/step/configuration/packages');
      const left = readdirSync(packages, { recursive: true, encoding: 'utf8' });
      expect(left.filter((path) => path.includes('hello-'))).toEqual([]);
      writeFileSync(client.makeConf, conf);
    },
    LONG,
  );

  it(
    'merges nothing that is not what the plan names, or that nobody has signed',
    async () => {
      const [profile = '', channel = '', serial = '', , path = ''] = words(2);
      const other = await node.step([
        'do',
        'merge',
        profile,
        channel,
        serial,
        '0'.repeat(64),
        path,
      ]);
      expect([other.exitCode, other.stderr]).toEqual([
        5,
        expect.stringContaining('the plan names 0000'),
      ]);
      expect(await said()).toBe('1\n');
      expect(await merged()).toMatch(/^merged [0-9]+$/m);

      rmSync(join(client.folder, 'var/cache/binhost'), { recursive: true, force: true });
      const gnupg = join(client.folder, 'etc/portage/gnupg');
      cpSync(gnupg, join(folder, 'kept'), { recursive: true });
      rmSync(join(gnupg, 'trustdb.gpg'));
      const unsigned = await node.step(['do', 'merge', ...words(2)]);
      expect(unsigned.exitCode).toBe(6);
      expect(await said()).toBe('1\n');
      expect(await merged()).toMatch(/^merged -$/m);
      cpSync(join(folder, 'kept'), gnupg, { recursive: true });
    },
    LONG,
  );

  it(
    'fails when a PHP tree needs a library that nobody has after the merge',
    async () => {
      const tree = join(client.folder, 'opt/php/8.2.30-web-r1');
      mkdirSync(tree, { recursive: true });
      writeFileSync(
        join(tree, 'META.json'),
        '{\n"requires": "x86_64: libc.so.6 libgone.so.7",\n"glibc": null\n}\n',
      );
      const result = await node.step(['do', 'merge', ...words(1)]);
      expect([result.exitCode, result.stderr]).toEqual([
        1,
        expect.stringContaining('8.2.30-web-r1 needs libgone.so.7'),
      ]);
      expect(await merged()).toMatch(/^merged -$/m);
      rmSync(tree, { recursive: true });
      expect(await exists(join(client.folder, 'usr/bin/hello'))).toBe(true);
    },
    LONG,
  );
});
