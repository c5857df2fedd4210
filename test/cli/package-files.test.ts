import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { makeElf } from '../binpkg/made-elf.ts';
import { forge, IMAGE, METADATA, metadataTar, tar } from '../binpkg/made-package.ts';
import { keysOf, makeXpak } from '../binpkg/made-xpak.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { NOON } from './noon.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

const folder = temporaryFolder();
const keyFolder = join(folder, 'signing');
const keyFile = join(keyFolder, 'public-key.asc');
let signer: Signer;
let stranger: Signer;

async function signerAt(place: string): Promise<Signer> {
  return await openSigner({
    folder: place,
    name: 'Test',
    email: 'test@example.org',
    validDays: 30,
    clock: new ManualClock(NOON - 1000),
  });
}

beforeAll(async () => {
  signer = await signerAt(keyFolder);
  stranger = await signerAt(join(folder, 'stranger'));
});

function put(name: string, bytes: Buffer): string {
  writeFileSync(join(folder, name), bytes);
  return name;
}

async function packageCommand(...words: readonly string[]): Promise<ProgramResult> {
  return await runProgram(['package', ...words], { cwd: folder });
}

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf('image.tar.gz') + 530;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('rookery package show', () => {
  it('prints identity, metadata, members, signature and ELF needs', async () => {
    const bytes = await forge({
      metadata: metadataTar({ ...METADATA, REQUIRES: 'x86_64: libc.so.6\n' }),
      image: tar([...IMAGE, { name: 'image/usr/bin/elf', content: makeElf({ isaBits: 4 }) }]),
      signer,
    });
    const file = put('show.gpkg.tar', bytes);

    const { code, stdout, stderr } = await packageCommand('show', file);

    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^app-misc\/hello-1.0-r1\n/);
    for (const row of [
      /^file +show\.gpkg\.tar, GPKG, /m,
      /^slot +0\/1$/m,
      /^build +3$/m,
      /^built +2025-12-29 09:20:00 UTC$/m,
      /^RDEPEND +>=app-misc\/lib-1:0\/1= sys-libs\/x$/m,
      /^requires +x86_64: libc\.so\.6$/m,
      /^CPU +x86-64-v3, for usr\/bin\/elf$/m,
      /^signature +there, not checked without --key$/m,
      /^image\.tar\.gz +\d+ +gz +[0-9a-f]{128}$/m,
    ]) {
      expect(stdout).toMatch(row);
    }
    const checked = await packageCommand('show', '--key', keyFile, file);
    expect(checked.stdout).toContain(`good, by ${signer.fingerprint}`);
  });

  it('as JSON gives everything', async () => {
    const file = put('json.xpak', makeXpak());

    const { code, stdout } = await packageCommand('show', '--json', file);

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({
        file,
        format: 'xpak',
        metadata: expect.objectContaining({ cpv: 'app-misc/hello-1.0-r1', use: expect.any(Array) }),
        signature: { signed: false, checked: false, fingerprint: null },
        image: expect.objectContaining({ files: ['usr/bin/hello', 'usr/bin/hey'] }),
        members: [
          expect.objectContaining({ name: 'image', compression: 'gz' }),
          expect.objectContaining({ name: 'metadata' }),
        ],
      }),
    ]);
  });

  it('takes out of a package what could steer a terminal', async () => {
    const image = tar([{ name: 'image/usr/\u001b[2Jx', content: makeElf({ isaBits: 4 }) }]);
    const file = put('steer.gpkg.tar', await forge({ image }));

    const { stdout } = await packageCommand('show', file);

    expect(stdout).toContain('x86-64-v3, for usr/x');
    expect(stdout).not.toContain('\u001b');
  });

  it.each([
    ['missing.gpkg.tar', 'package-file-missing'],
    ['.', 'package-file-missing'],
    ['neither.txt', 'package-format-unknown'],
  ])('of %s fails with %s', async (file, errorCode) => {
    put('neither.txt', Buffer.from('neither'));

    const { code, stdout, stderr } = await packageCommand('show', file);

    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(new RegExp(`${file === '.' ? '' : file}.*\\[${errorCode}\\]\n$`));
  });
});

describe('rookery package verify', () => {
  it('says one line for each file, and fails when one is refused', async () => {
    const bytes = await forge();
    const files = [put('good.gpkg.tar', bytes), put('bad.gpkg.tar', damaged(bytes))];
    files.push(put('good.xpak', makeXpak()));

    const { code, stdout, stderr } = await packageCommand('verify', ...files);

    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'ok  good.gpkg.tar: app-misc/hello-1.0-r1, not signed',
      expect.stringMatching(/^refused {2}bad\.gpkg\.tar: .*\[gpkg-digest-mismatch\]$/),
      'ok  good.xpak: app-misc/hello-1.0-r1, XPAK, which cannot be signed',
    ]);
    expect(stderr).toBe('rookery: Refused: 1 of 3 packages. [packages-refused]\n');
  });

  it('with a key accepts only what that key signed', async () => {
    const files = [
      put('ours.gpkg.tar', await forge({ signer })),
      put('theirs.gpkg.tar', await forge({ signer: stranger })),
      put('nobodys.gpkg.tar', await forge()),
      put('old.xpak', makeXpak()),
    ];

    const { code, stdout } = await packageCommand('verify', '--json', '--key', keyFile, ...files);

    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({ ok: true, fingerprint: signer.fingerprint }),
      expect.objectContaining({ ok: false, code: 'gpkg-signature-unknown-key' }),
      expect.objectContaining({ ok: false, code: 'gpkg-unsigned' }),
      expect.objectContaining({ ok: false, code: 'xpak-unsigned' }),
    ]);
    const all = ['--key', keyFile, '--key', join(folder, 'stranger/public-key.asc')];
    expect((await packageCommand('verify', ...all, 'ours.gpkg.tar', 'theirs.gpkg.tar')).code).toBe(
      0,
    );
  });

  it('shows how far it is in a large file', async () => {
    const image = tar([...IMAGE, { name: 'image/big', content: Buffer.alloc(33 * 1024 * 1024) }]);
    const file = put('large.xpak', makeXpak({ image }));

    const { code, stdout, stderr } = await packageCommand('verify', file);

    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ok/)]);
    expect(stderr).toMatch(/^large\.xpak: .* of 33 MiB\n/);
    expect(stderr.trimEnd().split('\n').length).toBeGreaterThan(2);
  });

  it('shows how far it is in a large GPKG too, which is not read in order', async () => {
    const content = randomBytes(34 * 1024 * 1024);
    const image = tar([...IMAGE, { name: 'image/big', content }]);
    const file = put('large.gpkg.tar', await forge({ image }));

    const { code, stderr } = await packageCommand('verify', file);

    expect(code).toBe(0);
    expect(stderr).toMatch(/^large\.gpkg\.tar: 8\.\d MiB of 34 MiB\n/);
  });

  it('without its key file fails', async () => {
    const { code, stderr } = await packageCommand('verify', '--key', 'none.asc', 'good.gpkg.tar');

    expect([code, stderr]).toEqual([
      1,
      'rookery: There is no key file none.asc. [key-file-missing]\n',
    ]);
  });
});

async function fingerprintOf(file: string): Promise<string | undefined> {
  const source = await openByteSource(join(folder, file));
  const verifier = await createVerifier([signer.publicKey], { clock: new ManualClock(NOON) });
  const { fingerprint } = await verifyGpkg(source, { verifier, signatures: 'required' });
  await source.close();
  return fingerprint;
}

describe('rookery package sign', () => {
  it('signs in place with one rename, image and metadata byte for byte', async () => {
    const bytes = await forge();
    mkdirSync(join(folder, 'in-place'));
    const file = put('in-place/plain.gpkg.tar', bytes);
    linkSync(join(folder, file), join(folder, 'linked.gpkg.tar'));

    const { code, stdout } = await packageCommand('sign', '--key-folder', 'signing', file);

    expect([code, stdout]).toEqual([
      0,
      `${file}: app-misc/hello-1.0-r1, signed by ${signer.fingerprint}\n`,
    ]);
    expect(await fingerprintOf(file)).toBe(signer.fingerprint);
    const signed = readFileSync(join(folder, file));
    const metadata = bytes.subarray(1536, 1536 + 40);
    expect(signed.includes(metadata)).toBe(true);
    expect(readFileSync(join(folder, 'linked.gpkg.tar'))).toEqual(bytes);
    expect(readdirSync(join(folder, 'in-place'))).toEqual(['plain.gpkg.tar']);
  });

  it('signs anew what the same key signed, and the file behind a link', async () => {
    const file = put('again.gpkg.tar', await forge({ signer }));
    symlinkSync(file, join(folder, 'link.gpkg.tar'));
    const before = statSync(join(folder, file)).ino;

    const { code } = await packageCommand('sign', '--key-folder', 'signing', 'link.gpkg.tar');

    expect(code).toBe(0);
    expect(statSync(join(folder, file)).ino).not.toBe(before);
    expect(await fingerprintOf(file)).toBe(signer.fingerprint);
  });

  it('refuses what another key signed, unless that is trusted or waived', async () => {
    const bytes = await forge({ signer: stranger });
    const file = put('foreign.gpkg.tar', bytes);
    const sign = ['sign', '--key-folder', 'signing'];

    const refused = await packageCommand(...sign, file);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[gpkg-signature-unknown-key]'),
    });
    expect(readFileSync(join(folder, file))).toEqual(bytes);

    copyFileSync(join(folder, file), join(folder, 'waived.gpkg.tar'));
    expect((await packageCommand(...sign, '--key', 'stranger/public-key.asc', file)).code).toBe(0);
    expect((await packageCommand(...sign, '--drop-signatures', 'waived.gpkg.tar')).code).toBe(0);
    expect(await fingerprintOf(file)).toBe(signer.fingerprint);
    expect(await fingerprintOf('waived.gpkg.tar')).toBe(signer.fingerprint);
  });

  it.each([
    ['a damaged file', 'gpkg-digest-mismatch', 'signing', async () => damaged(await forge())],
    ['an XPAK', 'package-not-gpkg', 'signing', async () => makeXpak()],
    ['a folder without a key', 'signing-key-missing', 'no-keys', async () => await forge()],
  ])('leaves %s as it is: %s', async (_, errorCode, keys, make) => {
    const bytes = await make();
    const file = put('left.gpkg.tar', bytes);

    const { code, stderr } = await packageCommand('sign', '--key-folder', keys, file);

    expect([code, stderr]).toEqual([1, expect.stringContaining(`[${errorCode}]`)]);
    expect(readFileSync(join(folder, file))).toEqual(bytes);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readdirSync(folder)).not.toContain('no-keys');
  });
});

describe('rookery package convert', () => {
  it('writes a GPKG of the same contents, signed when a key is named', async () => {
    const file = put('convert.tbz2', makeXpak());

    const { code, stdout } = await packageCommand('convert', '--out', 'made', file);
    const signing = ['--out', 'made-signed', '--key-folder', 'signing'];
    const signed = await packageCommand('convert', ...signing, '--json', file);

    const out = join('made', 'hello-1.0-r1-3.gpkg.tar');
    expect([code, stdout]).toEqual([0, `${file}: app-misc/hello-1.0-r1, now ${out}\n`]);
    expect((await packageCommand('diff', file, out)).code).toBe(0);
    const { out: signedOut }: { out: string } = JSON.parse(signed.stdout)[0];
    expect((await packageCommand('verify', '--key', keyFile, signedOut)).code).toBe(0);
    expect(readFileSync(join(folder, file))).toEqual(makeXpak());
  });

  it('names the file after PF alone where there is no BUILD_ID', async () => {
    const { BUILD_ID: _, ...metadata } = METADATA;
    const file = put('single.tbz2', makeXpak({ keys: keysOf(metadata) }));

    expect((await packageCommand('convert', '--out', 'single', file)).code).toBe(0);
    expect(readdirSync(join(folder, 'single'))).toEqual(['hello-1.0-r1.gpkg.tar']);
  });

  it.each([
    ['replaces no file', 'convert-target-exists', () => makeXpak()],
    ['refuses a damaged one', 'xpak-damaged', () => makeXpak({ trailerSize: 50 })],
  ])('%s: %s', async (_, errorCode, make) => {
    mkdirSync(join(folder, 'taken'), { recursive: true });
    const taken = put('taken/hello-1.0-r1-3.gpkg.tar', Buffer.from('kept'));
    const file = put('source.xpak', make());

    const { code, stderr } = await packageCommand('convert', '--out', 'taken', file);

    expect([code, stderr]).toEqual([1, expect.stringContaining(`[${errorCode}]`)]);
    expect(readFileSync(join(folder, taken), 'utf8')).toBe('kept');
    expect(readdirSync(join(folder, 'taken'))).toEqual(['hello-1.0-r1-3.gpkg.tar']);
  });

  it('refuses a GPKG', async () => {
    const { code, stderr } = await packageCommand('convert', put('is.gpkg.tar', await forge()));

    expect([code, stderr]).toEqual([
      1,
      'rookery: is.gpkg.tar: The file is a GPKG already. [package-not-xpak]\n',
    ]);
  });
});

describe('rookery package diff', () => {
  it('prints what changed between two builds', async () => {
    const before = put('before.gpkg.tar', await forge());
    const image = IMAGE.filter(({ name }) => !name.endsWith('hi')).map((entry) =>
      entry.name.endsWith('hello') ? { ...entry, mode: 0o755 } : entry,
    );
    const metadata = { ...METADATA, SLOT: '0/2\n', BUILD_TIME: '1767000009\n', USE: 'amd64 ssl\n' };
    const changes = {
      image: tar([...image, { name: 'image/etc', typeflag: '2', linkname: '/new' }]),
      metadata: metadataTar(metadata),
    };
    const after = put('after.gpkg.tar', await forge(changes));

    const { code, stdout, stderr } = await packageCommand('diff', before, after);

    expect(code).toBe(1);
    expect(stderr).toBe(`rookery: ${before} and ${after} differ. [packages-differ]\n`);
    expect(stdout.split('\n')).toEqual([
      'Files',
      '  + etc  link to /new',
      '  ~ usr/bin/hello  mode 0644 -> 0755',
      '  ~ usr/bin/hey  mode 0644 -> 0755',
      '  - usr/bin/hi  link to hello',
      'Metadata',
      '  ~ SLOT  0/1 -> 0/2',
      '  ~ USE  removed: elibc_glibc; added: ssl',
      'Different in every build, shown by --all: BUILD_TIME',
      '',
    ]);
    const json = await packageCommand('diff', '--json', before, after);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      different: true,
      files: [{ path: 'etc' }, { path: 'usr/bin/hello' }, {}, { kind: 'removed' }],
      keys: [{ key: 'BUILD_TIME', isNoise: true }, { key: 'SLOT' }, { key: 'USE' }],
    });
  });

  it('is content with noise, unless all is asked for', async () => {
    const before = put('one.gpkg.tar', await forge());
    const metadata = metadataTar({ ...METADATA, BUILD_TIME: '1767000009\n' });
    const after = put('two.gpkg.tar', await forge({ metadata }));

    const usual = await packageCommand('diff', before, after);
    const all = await packageCommand('diff', '--all', before, after);

    expect([usual.code, usual.stderr]).toEqual([0, '']);
    expect(usual.stdout).toMatch(/^No differences\.\n/);
    expect(all.code).toBe(1);
    expect(all.stdout).toContain('  ~ BUILD_TIME  1767000000 -> 1767000009\n');
  });

  it('names the file that is refused', async () => {
    const good = put('fine.gpkg.tar', await forge());
    const bad = put('worse.gpkg.tar', damaged(await forge()));

    const { code, stdout, stderr } = await packageCommand('diff', good, bad);

    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^rookery: worse\.gpkg\.tar: .*\[gpkg-digest-mismatch\]\n$/);
  });
});
