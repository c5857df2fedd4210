import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readPackageContents } from '../../src/binpkg/diff-contents.ts';
import { diffPackages } from '../../src/binpkg/diff-packages.ts';
import { openPackageFile, verifyPackageFile } from '../../src/binpkg/package-file.ts';
import { convertXpak } from '../../src/binpkg/xpak/convert.ts';
import type { VerifiedXpak } from '../../src/binpkg/xpak/verify.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { type RunResult, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { MTIME } from '../binpkg/made-package.ts';
import { GpgHome } from '../signing/gpg-home.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';

const EBUILD = `EAPI=8
DESCRIPTION="Something to pack"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
S="\${WORKDIR}"
src_install() {
	echo '#!/bin/sh' > old-style
	echo 'echo from an XPAK' >> old-style
	dobin old-style
	dosym old-style /usr/bin/older-style
	ln "\${ED}/usr/bin/old-style" "\${ED}/usr/bin/oldest-style" || die
	keepdir /var/lib/"a folder with a name that is far longer than the hundred bytes that an old tar header has room for"
	fperms 4711 /usr/bin/old-style
}
`;
const COMPRESSIONS = ['zstd', 'bzip2', 'xz', 'gzip', 'lz4', 'none'] as const;

function expectSuccess(result: RunResult): void {
  const said = result.stdout.toString().slice(-2000) + result.stderr.slice(-3000);
  expect({ exitCode: result.exitCode, said }).toEqual({ exitCode: 0, said });
}

async function verified(path: string): Promise<VerifiedXpak> {
  const file = await openPackageFile(path);
  try {
    const result = await verifyPackageFile(file, { listFiles: true });
    if (result.format !== 'xpak') {
      throw new Error(`${path} is a ${result.format}`);
    }
    return result;
  } finally {
    await file.close();
  }
}

async function convert(path: string, out: string, by?: Signer): Promise<void> {
  const file = await openPackageFile(path);
  await convertXpak({
    source: file.source,
    out,
    mtimeSeconds: MTIME,
    ...(by === undefined ? {} : { signer: by }),
  });
  await file.close();
}

/** A folder for PATH: Portage packs an XPAK with the name that GNU tar has on Gentoo. */
async function gtarFolder(folder: string): Promise<string> {
  const { stdout } = await runChecked(['sh', '-c', 'command -v gtar || command -v tar'], {
    env: toolEnvironment(),
  });
  mkdirSync(folder);
  symlinkSync(stdout.toString().trim(), join(folder, 'gtar'));
  return folder;
}

const [title, skipped] = portageSuite('an XPAK');
const suite = skipped ? describe.skip : describe;

suite(title, () => {
  const root = mkdtempSync(join(tmpdir(), 'rookery-xpak-'));
  const gpg = new GpgHome();
  let overlay = '';
  let builder: GentooPrefix;
  let signer: Signer;
  let path = '';

  beforeAll(async () => {
    overlay = join(root, 'overlay');
    await makeOverlay(overlay, { 'app-misc/old/old-1.0.ebuild': EBUILD });
    builder = await makeGentooPrefix({
      folder: join(root, 'prefix'),
      overlay,
      makeConf: [
        'BINPKG_FORMAT="xpak"',
        `BINPKG_GPG_VERIFY_GPG_HOME="${gpg.path}"`,
        'GPG_VERIFY_USER_DROP=""',
        'GPG_VERIFY_GROUP_DROP=""',
      ],
    });
    path = [await gtarFolder(join(root, 'tools')), builder.env['PATH']].join(delimiter);
    signer = await openSigner({
      folder: join(root, 'signing'),
      name: 'farm',
      email: 'farm@example.org',
      validDays: 30,
      clock: systemClock,
    });
    await gpg.out(['--import'], signer.publicKey);
    await gpg.out(['--import-ownertrust'], `${signer.primaryFingerprint}:6:\n`);
    await gpg.out(['--check-trustdb']);
  }, 60_000);

  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  async function build(env: Readonly<Record<string, string>>, suffix = '.xpak'): Promise<string> {
    rmSync(join(builder.folder, 'pkgs'), { recursive: true });
    mkdirSync(join(builder.folder, 'pkgs'));
    expectSuccess(
      await builder.emerge(['--buildpkgonly', '--nodeps', 'app-misc/old'], { ...env, PATH: path }),
    );
    const found = readdirSync(join(builder.folder, 'pkgs'), { recursive: true, encoding: 'utf8' });
    const name = found.find((one) => one.endsWith(suffix));
    expect({ found, suffix, name }).toMatchObject({ name: expect.stringContaining('old-1.0') });
    return join(builder.folder, 'pkgs', name ?? '');
  }

  /** Installs the GPKG with nothing else in PKGDIR, runs the program, and removes all of it again. */
  async function install(gpkg: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const pkgs = join(builder.folder, 'pkgs');
    rmSync(pkgs, { recursive: true });
    mkdirSync(join(pkgs, 'app-misc/old'), { recursive: true });
    await runChecked(['cp', gpkg, join(pkgs, 'app-misc/old/old-1.0-1.gpkg.tar')], {
      env: toolEnvironment(),
    });
    expectSuccess(await builder.portage('emaint', ['--fix', 'binhost']));
    expectSuccess(await builder.emerge(['--usepkgonly', '--oneshot', '=app-misc/old-1.0'], env));
    for (const name of ['old-style', 'older-style', 'oldest-style']) {
      const program = join(builder.folder, 'usr/bin', name);
      const { stdout } = await runChecked([program], { env: toolEnvironment() });
      expect(stdout.toString()).toBe('from an XPAK\n');
    }
    expectSuccess(await builder.emerge(['--unmerge', '=app-misc/old-1.0'], { CLEAN_DELAY: '0' }));
  }

  it('that emerge built verifies as Portage reads it, and converts without a difference', async () => {
    const file = await build({});
    const { metadata, image } = await verified(file);
    const script = [
      'import json, portage.xpak',
      `data = portage.xpak.tbz2(${JSON.stringify(file)}).get_data()`,
      'print(json.dumps({k.decode(): v.hex() for k, v in data.items()}))',
    ].join('\n');
    const { stdout } = await builder.python(script);
    const out = join(root, 'plain.gpkg.tar');
    await convert(file, out);

    expect(Object.fromEntries([...metadata].map(([k, v]) => [k, v.toString('hex')]))).toEqual(
      JSON.parse(stdout.toString()),
    );
    expect(image.files).toContain(`${builder.folder.slice(1)}/usr/bin/old-style`);
    const [before, after] = [await openPackageFile(file), await openPackageFile(out)];
    const diff = diffPackages(await readPackageContents(before), await readPackageContents(after));
    await before.close();
    await after.close();
    expect(diff).toEqual({ files: [], keys: [] });
  }, 120_000);

  it('that was converted is installed by emerge', async () => {
    const out = join(root, 'unsigned.gpkg.tar');
    await convert(await build({}), out);

    await install(out);
  }, 120_000);

  it('that was converted and signed is installed where signatures are required', async () => {
    const out = join(root, 'signed.gpkg.tar');
    await convert(await build({}), out, signer);
    const file = await openPackageFile(out);
    const verifier = await createVerifier([signer.publicKey]);
    await verifyPackageFile(file, { verifier, signatures: 'required' });
    await file.close();

    await install(out, { FEATURES: 'binpkg-request-signature' });
  }, 120_000);

  it('that was converted and not signed is not installed there', async () => {
    const out = join(root, 'refused.gpkg.tar');
    await convert(await build({}), out);

    await expect(install(out, { FEATURES: 'binpkg-request-signature' })).rejects.toThrow(
      'exitCode',
    );
  }, 120_000);

  it('of each compression, and of one instance only, is read', async () => {
    const compressions: string[] = [];
    for (const compression of COMPRESSIONS) {
      const flags = compression === 'none' ? '' : compression;
      const { storedImage } = await verified(await build({ BINPKG_COMPRESS: flags }));
      compressions.push(storedImage.compression);
    }
    const single = await build({ FEATURES: '-binpkg-multi-instance' }, '.tbz2');
    const { metadata } = await verified(single);

    expect(compressions).toEqual(['zst', 'bz2', 'xz', 'gz', 'lz4', 'tar']);
    expect(metadata.has('BUILD_ID')).toBe(false);
    expect(readFileSync(single).subarray(-4).toString()).toBe('STOP');
  }, 300_000);
});
