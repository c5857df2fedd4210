import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { type ByteSource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { compressBzip2 } from '../../src/binpkg/bzip2.ts';
import { scanImage } from '../../src/binpkg/elf/scan-image.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { type RewriteGpkgRequest, rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { type VerifiedPackage, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import { packImage } from '../../src/binpkg/image.ts';
import { readMetadata } from '../../src/binpkg/metadata.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import type { HostileCase } from '../binpkg/hostile-case.ts';
import { imageCases, metadataCases } from '../binpkg/hostile-inside.ts';
import { containerCases, MANIFEST } from '../binpkg/hostile-outside.ts';
import { forge, MTIME } from '../binpkg/made-package.ts';
import { GpgHome } from '../signing/gpg-home.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';

const EBUILD = `EAPI=8
DESCRIPTION="A library and a program"
HOMEPAGE="https://example.org"
LICENSE="MIT"
SLOT="0/2"
KEYWORDS="amd64"
IUSE="+doc extra"
RDEPEND="doc? ( virtual/docs )"
S="\${WORKDIR}"
src_compile() {
	echo 'int hi(void) { return 42; }' > hi.c
	echo 'extern int hi(void); int main(void) { return hi() - 42; }' > main.c
	cc -shared -fPIC -Wl,-soname,libhi.so.2 -o libhi.so.2 hi.c || die
	cc -shared -fPIC -o noname.so hi.c || die
	cc -o hello main.c libhi.so.2 -Wl,-rpath,'$ORIGIN/../lib64' || die
}
src_install() {
	into /usr
	dobin hello
	exeinto /usr/lib64
	doexe libhi.so.2
	insinto /usr/lib64
	doins noname.so
	dosym libhi.so.2 /usr/lib64/libhi.so
	dosym hello /usr/bin/hi
	ln "\${ED}/usr/bin/hello" "\${ED}/usr/bin/hey" || die
}
`;

/** What Portage's own reader makes of a package: its metadata, or that it refuses. */
const READER = `
import json, os, shutil, sys, tempfile, traceback
import portage
from portage.gpkg import gpkg
answers = {}
for path in sys.argv[1:]:
    target = tempfile.mkdtemp()
    try:
        package = gpkg(portage.settings, None, path)
        keys = sorted(package.get_metadata())
        package.decompress(os.path.join(target, "out"))
        files = sorted(
            os.path.relpath(os.path.join(parent, name), os.path.join(target, "out"))
            for parent, folders, names in os.walk(os.path.join(target, "out"))
            for name in names + folders
        )
        answers[path] = {"accepted": True, "keys": keys, "files": files}
    except Exception as error:
        answers[path] = {"accepted": False, "why": repr(error)}
    finally:
        shutil.rmtree(target, ignore_errors=True)
print("\\n=====" + json.dumps(answers))
`;

const answersSchema = z.record(
  z.string(),
  z.object({
    accepted: z.boolean(),
    keys: z.array(z.string()).optional(),
    files: z.array(z.string()).optional(),
    why: z.string().optional(),
  }),
);
type Answers = z.infer<typeof answersSchema>;

/** What Portage lets pass and we do not: two readers could see two packages, or files land outside the image. */
const STRICTER: ReadonlySet<string> = new Set([
  'members above their folder',
  'two images',
  'two metadata archives',
  'a plain image',
  'no metadata at all',
  'bytes after the metadata',
  'metadata in a deeper folder',
  'metadata that leads outside',
  'a key twice',
  'a sparse file',
  'bytes after the image',
  '.. at the end',
  'a dot inside a path',
  'an empty segment',
  'an entry beside the image',
  'an entry whose name only begins like image',
  'an image that is a link',
  'a path twice, once with ./',
  'a file through a link that leads outside',
  'a hard link to a link, whose mode Portage would give to a file outside',
]);

function lines(text: string | undefined): readonly string[] {
  return (text ?? '').split('\n').toSorted();
}

const [title, skipped] = portageSuite('a package');
const suite = skipped ? describe.skip : describe;

suite(title, () => {
  const root = mkdtempSync(join(tmpdir(), 'rookery-gpkg-'));
  const gpg = new GpgHome();
  let prefix: GentooPrefix;
  let built = '';
  let source: ByteSource & { close(): Promise<void> };
  let verified: VerifiedPackage;

  beforeAll(async () => {
    const overlay = join(root, 'overlay');
    await makeOverlay(overlay, {
      'app-misc/hello/hello-1.0-r1.ebuild': EBUILD,
      'virtual/docs/docs-0.ebuild': 'EAPI=8\nDESCRIPTION="Documents"\nSLOT="0"\nKEYWORDS="amd64"\n',
    });
    prefix = await makeGentooPrefix({ folder: join(root, 'prefix'), overlay });
    const emerged = await prefix.emerge(['--buildpkgonly', '--nodeps', 'app-misc/hello']);
    const folder = join(prefix.folder, 'pkgs/app-misc/hello');
    expect({ exitCode: emerged.exitCode, said: emerged.stderr.slice(-2000) }).toMatchObject({
      exitCode: 0,
    });
    built = join(folder, readdirSync(folder)[0] ?? '');
    source = await openByteSource(built);
    verified = await verifyGpkg(source, { listFiles: true });
  }, 120_000);

  afterAll(async () => {
    await source?.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function rewrite(request: RewriteGpkgRequest): Promise<void> {
    await withOpenGpkg(source, {}, async (opened) => await rewriteGpkg(opened, request));
  }

  async function ask(
    paths: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Answers> {
    const script = join(root, 'reader.py');
    writeFileSync(script, READER);
    const { stdout } = await runChecked(['python3', script, ...paths], {
      env: { ...prefix.env, ...env },
      timeoutMs: 300_000,
    });
    const text = stdout.toString('utf8').split('\n=====')[1] ?? '{}';
    return answersSchema.parse(JSON.parse(text));
  }

  it('that emerge built verifies, and its metadata is read', async () => {
    const { text, ...metadata } = readMetadata(verified.metadata);

    expect(verified).toMatchObject({ base: 'hello-1.0-r1-1', signed: false });
    expect(metadata).toMatchObject({
      cpv: 'app-misc/hello-1.0-r1',
      slot: '0/2',
      eapi: '8',
      buildId: 1,
      chost: 'x86_64-pc-linux-gnu',
    });
    expect(metadata.installedBytes).toBeGreaterThan(10_000);
    expect(text).toMatchObject({
      DESCRIPTION: 'A library and a program',
      IUSE: '+doc extra',
      DEFINED_PHASES: 'compile install',
      repository: 'lab',
    });
    expect(text['RDEPEND']).toMatch(/^virtual\/docs/);
    expect(verified.image.files).toContain(`${prefix.folder.slice(1)}/usr/bin/hello`);
  });

  it('has the ELF metadata that our scan computes from the same image', async () => {
    const image = join(root, 'unpacked');
    mkdirSync(image);
    const member = await source.read(verified.imageMember.offset, verified.imageMember.size);
    await runChecked(['tar', '--zstd', '-C', image, '-xf', '-'], {
      env: toolEnvironment(),
      input: member,
    });
    const theirs = (key: string): string | undefined =>
      verified.metadata.get(key)?.toString('utf8');

    const ours = await scanImage(join(image, 'image'));

    expect(theirs('NEEDED.ELF.2')).toContain('libhi.so.2');
    expect(lines(ours['NEEDED.ELF.2'])).toEqual(lines(theirs('NEEDED.ELF.2')));
    expect(lines(ours.NEEDED)).toEqual(lines(theirs('NEEDED')));
    expect(ours.REQUIRES).toBe(theirs('REQUIRES'));
    expect(ours.PROVIDES).toBe(theirs('PROVIDES'));
  });

  it('that we rewrote is read by Portage, with the new metadata and the same image', async () => {
    const out = join(root, 'hello-1.0-r1-7.gpkg.tar');
    await rewrite({
      metadata: new Map([
        ['BUILD_ID', '7'],
        ['ROOKERY_PROVENANCE', '{}\n'],
      ]),
      base: 'hello-1.0-r1-7',
      out,
      mtimeSeconds: MTIME,
    });

    const { [built]: before, [out]: after } = await ask([built, out]);

    expect(after?.accepted).toBe(true);
    expect(after?.keys).toEqual([...(before?.keys ?? []), 'ROOKERY_PROVENANCE'].toSorted());
    expect(after?.files).toEqual(before?.files);
  });

  it('that we signed is accepted where signatures are required, and no other', async () => {
    const signer = await openSigner({
      folder: join(root, 'signing'),
      name: 'farm',
      email: 'farm@example.org',
      validDays: 30,
      clock: systemClock,
    });
    await gpg.out(['--import'], signer.publicKey);
    await gpg.out(['--import-ownertrust'], `${signer.primaryFingerprint}:6:\n`);
    await gpg.out(['--check-trustdb']);
    const out = join(root, 'signed.gpkg.tar');
    await rewrite({ signer, out, mtimeSeconds: MTIME });
    const changed = join(root, 'changed.gpkg.tar');
    const bytes = readFileSync(out);
    const at = bytes.indexOf('image.tar.zst') + 2000;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(changed, bytes);

    const answers = await ask([out, changed, built], {
      FEATURES: 'binpkg-request-signature',
      BINPKG_GPG_VERIFY_GPG_HOME: gpg.path,
      GPG_VERIFY_USER_DROP: '',
      GPG_VERIFY_GROUP_DROP: '',
    });

    expect(answers).toMatchObject({
      [out]: { accepted: true },
      [changed]: { accepted: false, why: expect.stringContaining('InvalidSignature') },
      [built]: { accepted: false, why: expect.stringContaining('InvalidSignature') },
    });
  }, 120_000);

  it('that we made from a folder is indexed and installed by emerge', async () => {
    const image = join(root, 'made');
    const program = join(image, prefix.folder, 'usr/bin/made');
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, '#!/bin/sh\necho made by hand\n', { mode: 0o755 });
    const packed = await packImage(image);
    const keys = ['EAPI', 'KEYWORDS', 'CHOST', 'USE', 'environment.bz2', 'repository', 'EPREFIX'];
    const out = join(prefix.folder, 'pkgs/app-misc/made/made-2.0-1.gpkg.tar');
    mkdirSync(dirname(out), { recursive: true });
    await writeGpkg({
      base: 'made-2.0-1',
      metadata: new Map<string, Buffer | string>([
        ...[...verified.metadata].filter(([key]) => keys.includes(key)),
        ['CATEGORY', 'app-misc\n'],
        ['PF', 'made-2.0\n'],
        ['SLOT', '0\n'],
        ['BUILD_ID', '1'],
        ['BUILD_TIME', `${MTIME}\n`],
        ['DEFINED_PHASES', '-\n'],
        ['SIZE', `${packed.installedBytes}\n`],
        ['environment.bz2', compressBzip2(Buffer.from('declare -x EAPI="8"\n'))],
      ]),
      image: packed.stream(),
      out,
      workFolder: root,
      mtimeSeconds: MTIME,
    });

    await prefix.portage('emaint', ['--fix', 'binhost']);
    const installed = await prefix.emerge(['--usepkgonly', '--oneshot', '=app-misc/made-2.0']);

    expect({ exitCode: installed.exitCode, said: installed.stderr.slice(-2000) }).toMatchObject({
      exitCode: 0,
    });
    const { stdout } = await runChecked([join(prefix.folder, 'usr/bin/made')], {
      env: toolEnvironment(),
    });
    expect(stdout.toString()).toBe('made by hand\n');
  }, 120_000);

  it('that we refuse is refused by Portage too, but for what is only ambiguous or a limit', async () => {
    const victim = join(root, 'sacrifice', 'victim');
    mkdirSync(dirname(victim));
    writeFileSync(victim, 'for Portage');
    const cases = [containerCases(victim), MANIFEST, metadataCases(victim), imageCases(victim)]
      .flat()
      .filter(({ options, forged }) => options === undefined && forged?.signer === undefined);
    const names = new Map<string, HostileCase>();
    for (const [index, hostile] of cases.entries()) {
      const path = join(root, `hostile-${index}.gpkg.tar`);
      writeFileSync(path, hostile.bytes ?? (await forge(hostile.forged)));
      names.set(path, hostile);
    }

    const answers = await ask([...names.keys()]);

    const accepted = [...names]
      .filter(([path]) => answers[path]?.accepted === true)
      .map(([, { what }]) => what);
    expect(names.size).toBeGreaterThan(60);
    expect(accepted.filter((what) => !STRICTER.has(what))).toEqual([]);
  }, 300_000);

  it('that we accept is accepted by Portage too', async () => {
    const copy = join(root, 'copy.gpkg.tar');
    await cp(built, copy);
    const forms = {
      usual: await forge(),
      reversed: await forge({ order: (entries) => entries.toReversed() }),
      gnu: await forge({ order: (all) => all.map((one) => ({ ...one, magic: 'gnu' as const })) }),
      endless: await forge({ end: Buffer.alloc(0) }),
      junk: await forge({ end: Buffer.concat([Buffer.alloc(1024), Buffer.from('junk')]) }),
      more: await forge({ members: (usual) => [...usual, { name: 'more.json', content: '{}' }] }),
    };
    const paths = [copy];
    for (const [name, bytes] of Object.entries(forms)) {
      const path = join(root, `${name}.gpkg.tar`);
      writeFileSync(path, bytes);
      paths.push(path);
      const opened = await openByteSource(path);
      await expect(verifyGpkg(opened)).resolves.toBeDefined();
      await opened.close();
    }

    const answers = await ask(paths);

    expect(paths.filter((path) => answers[path]?.accepted !== true)).toEqual([]);
  }, 120_000);
});
