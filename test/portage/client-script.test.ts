import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { renderClientScript } from '../../src/http/client-script.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { folderTree } from '../support/folder-tree.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';

const [name, isSkipped] = portageSuite('a prefix with the client script applied');
const MINUTE = 60_000;
const EBUILD = [
  'EAPI=8',
  'DESCRIPTION="says hello"',
  'HOMEPAGE="https://example.org"',
  'LICENSE=""',
  'SLOT=0',
  'KEYWORDS=amd64',
  'S=${WORKDIR}',
  'src_install() { printf "#!/bin/sh\\necho hello\\n" > hello; dobin hello; }',
  '',
].join('\n');
const REPOSITORIES = `
import json, os, portage
from portage.binrepo.config import BinRepoConfigLoader
path = os.path.join(portage.settings["PORTAGE_CONFIGROOT"], "etc/portage/binrepos.conf")
repos = BinRepoConfigLoader([path], portage.settings)
print(json.dumps([{"name": r.name, "uri": r.sync_uri, "location": r.location,
  "verify": r.verify_signature, "priority": r.priority} for r in repos.values()]))
`;
const repositoriesSchema = z.array(
  z.object({
    name: z.string(),
    uri: z.string(),
    location: z.string(),
    verify: z.boolean(),
    priority: z.number(),
  }),
);

async function gpg(at: string, args: readonly string[], input: Uint8Array): Promise<void> {
  await runChecked(['gpg', '--homedir', at, '--batch', ...args], {
    env: toolEnvironment(),
    input,
  });
}

(isSkipped ? describe.skip : describe)(name, () => {
  // Everybody may enter it: Portage verifies as nobody.
  const folder = mkdtempSync(join(tmpdir(), 'rkt-'));
  chmodSync(folder, 0o755);
  let signer: Signer;
  let builder: GentooPrefix;
  let client: GentooPrefix;
  let home: string;

  beforeAll(async () => {
    const identity = { name: 'farm', email: 'farm@example.org', validDays: 10, clock: systemClock };
    signer = await openSigner({ folder: join(folder, 'signing'), ...identity });
    const overlay = join(folder, 'overlay');
    await makeOverlay(overlay, { 'app-misc/hello/hello-1.ebuild': EBUILD });
    const signingHome = join(folder, 'g');
    mkdirSync(signingHome, { mode: 0o700 });
    const secret = readFileSync(join(folder, 'signing/secret-key.asc'));
    await gpg(signingHome, ['--import'], secret);
    builder = await makeGentooPrefix({
      folder: join(folder, 'builder'),
      overlay,
      makeConf: [
        `BINPKG_GPG_SIGNING_GPG_HOME="${signingHome}"`,
        `BINPKG_GPG_SIGNING_KEY="0x${signer.fingerprint}!"`,
      ],
    });
    client = await makeGentooPrefix({ folder: join(folder, 'client'), overlay });
    home = join(client.folder, 'etc/portage/gnupg');
  }, MINUTE);

  afterAll(async () => {
    await runChecked(['gpgconf', '--homedir', join(folder, 'g'), '--kill', 'all'], {
      env: toolEnvironment(),
    });
    rmSync(folder, { recursive: true, force: true });
  });

  async function setUp(uri: string, args: readonly string[] = []): Promise<void> {
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
    const options = ['--prefix', client.folder, '--gnupg-home', home];
    await runChecked(['sh', path, ...options, ...args], { env: toolEnvironment() });
  }

  async function build(features: string): Promise<void> {
    rmSync(join(builder.folder, 'pkgs'), { recursive: true, force: true });
    const result = await builder.emerge(['--oneshot', '--buildpkg', 'app-misc/hello'], {
      FEATURES: features,
    });
    expect({ exitCode: result.exitCode, stderr: result.stderr }).toMatchObject({ exitCode: 0 });
  }

  async function variable(variableName: string): Promise<string> {
    return (await client.portage('portageq', ['envvar', variableName])).stdout
      .toString('utf8')
      .trim();
  }

  it(
    'sees the section with verification, both features and the home, and no longer afterwards',
    async () => {
      const before = folderTree(client.folder);
      await setUp('https://farm.example.org/binhost/web-v3/stable%2Bx');

      const { stdout } = await client.python(REPOSITORIES);
      expect(repositoriesSchema.parse(JSON.parse(stdout.toString('utf8')))).toEqual([
        {
          name: 'rookery-web-v3',
          uri: 'https://farm.example.org/binhost/web-v3/stable%2Bx',
          location: `${client.folder}/var/cache/binhost/rookery-web-v3`,
          verify: true,
          priority: 10,
        },
      ]);
      const features = (await variable('FEATURES')).split(' ');
      expect(features).toEqual(expect.arrayContaining(['getbinpkg', 'binpkg-request-signature']));
      expect(features).toContain('binpkg-multi-instance');
      expect(features).not.toContain('sandbox');
      expect(await variable('BINPKG_GPG_VERIFY_GPG_HOME')).toBe(home);

      await setUp('https://farm.example.org/binhost/web-v3/stable', ['--uninstall']);
      expect(await variable('FEATURES')).not.toMatch(/getbinpkg|request-signature/);
      expect(await variable('BINPKG_GPG_VERIFY_GPG_HOME')).not.toBe(home);
      expect(folderTree(client.folder)).toEqual(before);
    },
    MINUTE,
  );

  it(
    'keeps the features where make.conf is a folder whose files set them',
    async () => {
      const text = readFileSync(client.makeConf, 'utf8');
      rmSync(client.makeConf);
      mkdirSync(client.makeConf);
      writeFileSync(join(client.makeConf, '50-site.conf'), text);

      await setUp('https://farm.example.org/binhost/web-v3/stable');

      const features = (await variable('FEATURES')).split(' ');
      expect(features).toEqual(
        expect.arrayContaining(['getbinpkg', 'binpkg-request-signature', 'binpkg-multi-instance']),
      );
      await setUp('https://farm.example.org/binhost/web-v3/stable', ['--uninstall']);
      rmSync(client.makeConf, { recursive: true });
      writeFileSync(client.makeConf, text);
    },
    MINUTE,
  );

  it(
    'installs what the key signed, and nothing else',
    async () => {
      await setUp(`file://${builder.folder}/pkgs`);

      await build('binpkg-signing binpkg-ignore-signature');
      const signed = await client.emerge(['--oneshot', '--getbinpkgonly', 'app-misc/hello']);
      expect({ exitCode: signed.exitCode, stderr: signed.stderr }).toMatchObject({ exitCode: 0 });
      const hello = await runChecked([join(client.folder, 'usr/bin/hello')], {
        env: toolEnvironment(),
      });
      expect(hello.stdout.toString('utf8')).toBe('hello\n');

      rmSync(join(client.folder, 'var/cache'), { recursive: true, force: true });
      await build('');
      const unsigned = await client.emerge(['--oneshot', '--getbinpkgonly', 'app-misc/hello']);
      expect(unsigned.exitCode).not.toBe(0);
      expect(unsigned.stdout.toString('utf8') + unsigned.stderr).toMatch(/signature/i);
    },
    4 * MINUTE,
  );
});
