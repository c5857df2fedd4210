import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { type MadeXpak, makeXpak, xpakImage } from '../binpkg/made-xpak.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BUILD_TIME, CHOST, ENVIRONMENT } from './make-package.ts';
import { type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
let installation: Installation;
let made = 0;

beforeAll(async () => {
  installation = await openInstallation(join(folder, 'farm'), systemClock);
});

afterAll(async () => {
  await installation.close();
});

const METADATA: Readonly<Record<string, string | Buffer>> = {
  CATEGORY: 'app-misc\n',
  PF: 'old-1.0\n',
  SLOT: '0\n',
  EAPI: '7\n',
  KEYWORDS: 'amd64\n',
  CHOST: `${CHOST}\n`,
  BUILD_TIME: `${BUILD_TIME}\n`,
  'environment.bz2': ENVIRONMENT,
};

function fileOf(options: MadeXpak = {}, metadata = METADATA): string {
  made += 1;
  const path = join(folder, `old-${made}.xpak`);
  const keys = Object.entries(metadata).map(([name, value]) => ({ name, value }));
  writeFileSync(path, makeXpak({ keys, ...options }));
  return path;
}

/** What stays where uploads and unfinished packages are kept. */
function leftovers(): string[] {
  const { state } = installation.folders;
  return ['uploads', 'pool/unfinished'].flatMap((name) => readdirSync(join(state, name)));
}

describe('an uploaded XPAK', () => {
  it('becomes a signed GPKG with its metadata and files', async () => {
    const file = fileOf();
    const pushed = await push(installation.repository, file);

    expect(pushed).toMatchObject({ created: true });
    expect(pushed.package).toMatchObject({ cpv: 'app-misc/old-1.0', buildId: 1 });
    expect(pushed.package.path).toBe('app-misc/old/old-1.0-1.gpkg.tar');
    const served = join(
      installation.folders.mirrorRoot,
      'binhost/web/packages',
      pushed.package.path,
    );
    const source = await openByteSource(served);
    const verifier = await createVerifier([installation.publicKey]);
    const verified = await verifyGpkg(source, {
      verifier,
      signatures: 'required',
      listFiles: true,
    });
    await source.close();
    expect(verified.metadata.get('environment.bz2')).toEqual(ENVIRONMENT);
    expect(verified.metadata.get('PF')?.toString()).toBe('old-1.0\n');
    expect(verified.image.files).toEqual(['usr/bin/hello', 'usr/bin/hey']);
    expect(leftovers()).toEqual([]);
  });

  it('is the same package when it comes again', async () => {
    const file = fileOf({}, { ...METADATA, PF: 'again-1.0\n' });
    const first = await push(installation.repository, file);
    const second = await push(installation.repository, file);

    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.package.id).toBe(first.package.id);
  });

  it.each<[string, string, () => string]>([
    [
      'a hostile path',
      'xpak-image-traversal',
      () => fileOf({ image: xpakImage({ name: './../../victim', content: 'taken' }) }),
    ],
    ['a damaged index', 'xpak-damaged', () => fileOf({ trailerSize: 60 })],
    [
      'another CHOST',
      'package-wrong-chost',
      () => fileOf({}, { ...METADATA, CHOST: 'riscv64-unknown-linux-gnu\n' }),
    ],
    [
      'metadata without a slot',
      'package-invalid-metadata',
      () => fileOf({}, { CATEGORY: 'app-misc\n', PF: 'old-1.0\n' }),
    ],
  ])('with %s is refused and leaves nothing', async (_, code, file) => {
    mkdirSync(join(folder, 'outside'), { recursive: true });
    writeFileSync(join(folder, 'outside/victim'), 'untouched');

    await expect(push(installation.repository, file())).rejects.toMatchObject({ code });
    expect(leftovers()).toEqual([]);
    expect(readFileSync(join(folder, 'outside/victim'), 'utf8')).toBe('untouched');
  });
});
