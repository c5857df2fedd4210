import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { readGpkgMetadata } from '../../src/binpkg/gpkg/read-metadata.ts';
import { rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { GpgHome } from '../signing/gpg-home.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { IMAGE, METADATA, MTIME, memberFile, piecesOf, tar } from './made-package.ts';

const root = temporaryFolder();
const { exitCode } = await run(['sh', '-c', 'command -v gpg'], { env: toolEnvironment() });
const hasGpg = exitCode === 0;
const suite = hasGpg ? describe : describe.skip;

async function newSigner(name: string): Promise<Signer> {
  return await openSigner({
    folder: join(root, name),
    name,
    email: `${name}@example.org`,
    validDays: 30,
    clock: systemClock,
  });
}

async function signedPackage(name: string, signer: Signer | undefined): Promise<string> {
  const out = join(root, `${name}.gpkg.tar`);
  await writeGpkg({
    base: 'hello-1.0-r1-3',
    metadata: new Map(Object.entries(METADATA)),
    image: piecesOf(tar(IMAGE), 1000),
    ...(signer === undefined ? {} : { signer }),
    out,
    workFolder: root,
    mtimeSeconds: MTIME,
  });
  return out;
}

suite(hasGpg ? 'a package with OpenPGP signatures' : 'signatures (skipped: no gpg on PATH)', () => {
  const gpg = new GpgHome();
  let ours: Signer;
  let path = '';

  beforeAll(async () => {
    ours = await newSigner('ours');
    path = await signedPackage('signed', ours);
    await gpg.out(['--import'], ours.publicKey);
  });

  it('is accepted by gpg, member by member', async () => {
    const source = await openByteSource(path);
    const { members } = await verifyGpkg(source);
    mkdirSync(join(root, 'members'));
    for (const member of members) {
      const bytes = await source.read(member.offset, member.size);
      writeFileSync(join(root, 'members', member.name), bytes);
    }
    await source.close();

    for (const name of ['metadata.tar.zst', 'image.tar.zst']) {
      const file = join(root, 'members', name);
      const checked = await gpg.gpg(['--status-fd', '2', '--verify', `${file}.sig`, file]);
      expect(checked).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('GOODSIG') });
    }
    const manifest = await gpg.gpg(['--output', '-', '--verify', join(root, 'members/Manifest')]);
    expect(manifest).toMatchObject({ exitCode: 0 });
    expect(manifest.stdout.toString()).toMatch(/^DATA gpkg-1 0 BLAKE2B 786a02f7/);
  });

  it('is accepted by the verifier with our key, required or not', async () => {
    const verifier = await createVerifier([ours.publicKey]);
    const source = await openByteSource(path);

    for (const signatures of ['required', 'if-present'] as const) {
      expect(await verifyGpkg(source, { verifier, signatures })).toMatchObject({
        signed: true,
        fingerprint: ours.fingerprint,
      });
    }
    await source.close();
  });

  it('is refused with another key, and when there is no signature', async () => {
    const stranger = await newSigner('stranger');
    const verifier = await createVerifier([stranger.publicKey]);
    const signed = await openByteSource(path);
    const unsigned = await openByteSource(await signedPackage('unsigned', undefined));

    await expect(verifyGpkg(signed, { verifier })).rejects.toMatchObject({
      code: 'gpkg-signature-unknown-key',
    });
    await expect(verifyGpkg(unsigned, { verifier, signatures: 'required' })).rejects.toMatchObject({
      code: 'gpkg-unsigned',
    });
    await signed.close();
    await unsigned.close();
  });

  it('is accepted when gpg signed it, armored or not, over any strong digest', async () => {
    const fingerprint = await gpg.makeKey('made-by-gpg', 'ed25519');
    const verifier = await createVerifier([await gpg.exportKey(fingerprint)]);

    for (const [armor, digest] of [
      ['--armor', 'SHA512'],
      ['--no-armor', 'SHA256'],
      ['--armor', 'SHA384'],
    ] as const) {
      const file = join(root, `gpg-${digest}.gpkg.tar`);
      writeFileSync(file, await signedByGpg(gpg, { fingerprint, armor, digest, unsigned: path }));
      const source = await openByteSource(file);
      expect(await verifyGpkg(source, { verifier, signatures: 'required' })).toMatchObject({
        signed: true,
        fingerprint,
      });
      expect((await readGpkgMetadata(source, { verifier })).get('PF')?.toString()).toBe(
        METADATA['PF'],
      );
      await source.close();
    }
  });

  it('is signed anew by a rewrite', async () => {
    const other = await newSigner('other');
    const source = await openByteSource(path);
    const verified = await verifyGpkg(source);
    const out = join(root, 'again.gpkg.tar');

    const request = {
      metadata: new Map([['BUILD_ID', '9']]),
      signer: other,
      out,
      mtimeSeconds: MTIME,
    };
    await withOpenGpkg(source, {}, async (opened) => await rewriteGpkg(opened, request));
    await source.close();

    const again = await openByteSource(out);
    const found = await verifyGpkg(again, {
      verifier: await createVerifier([other.publicKey]),
      signatures: 'required',
    });
    await again.close();
    expect(found.fingerprint).toBe(other.fingerprint);
    expect(found.metadata.get('BUILD_ID')?.toString()).toBe('9');
    expect(found.imageMember.sha512).toBe(verified.imageMember.sha512);
  });

  it('is refused when a byte of any member is changed', async () => {
    const verifier = await createVerifier([ours.publicKey]);
    const whole = await openByteSource(path);
    const { members } = await verifyGpkg(whole);
    await whole.close();
    for (const { name, offset, size } of members.filter((member) => member.size > 0)) {
      const bytes = readFileSync(path);
      const at = offset + (size >> 1);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      const file = join(root, 'changed.gpkg.tar');
      writeFileSync(file, bytes);
      const source = await openByteSource(file);
      await expect(verifyGpkg(source, { verifier })).rejects.toMatchObject({
        code: /Manifest|\.sig$/.test(name)
          ? expect.stringMatching(/^gpkg-/)
          : 'gpkg-digest-mismatch',
      });
      await source.close();
    }
  });
});

/** The same members as in a package of ours, signed by gpg itself. */
async function signedByGpg(
  gpg: GpgHome,
  options: {
    readonly fingerprint: string;
    readonly armor: string;
    readonly digest: string;
    readonly unsigned: string;
  },
): Promise<Buffer> {
  const { fingerprint, armor, digest, unsigned } = options;
  const sign = async (input: Buffer | string, ...how: readonly string[]): Promise<Buffer> => {
    const args = ['--local-user', fingerprint, '--digest-algo', digest, ...how];
    return (await gpg.gpg(args, input)).stdout;
  };
  const source = await openByteSource(unsigned);
  const { members } = await verifyGpkg(source);
  const made: { readonly name: string; readonly content: Buffer }[] = [];
  for (const { name, offset, size } of members.filter((one) => !/\.sig$|Manifest/.test(one.name))) {
    const content = await source.read(offset, size);
    made.push({ name, content });
    if (name !== 'gpkg-1') {
      made.push({ name: `${name}.sig`, content: await sign(content, armor, '--detach-sig') });
    }
  }
  await source.close();
  return await memberFile(made, async (text) => await sign(text, '--clear-sign'));
}
