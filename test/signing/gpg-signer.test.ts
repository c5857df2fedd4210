import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { openRepository } from '../../src/repository/create-repository.ts';
import type { GpgPlace } from '../../src/signing/gpg/gpg-place.ts';
import type { NewKey } from '../../src/signing/keyring/change-keyring.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import type { StreamSigner } from '../../src/signing/signer.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { openTestKeyring } from '../keys/open-test-keys.ts';
import { catalogOf, makePackage } from '../repository/make-package.ts';
import { openInstallation, PROFILES, push } from '../repository/open-installation.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { GpgHome } from './gpg-home.ts';

const DEED = { actor: 'token:admin', reason: 'because' };
const folder = temporaryFolder();
const open = new GpgHome();
const locked = new GpgHome();
const passphraseFile = join(folder, 'passphrase');
const keys = { open: '', other: '', locked: '' };

beforeAll(async () => {
  writeFileSync(passphraseFile, 'correct horse\n');
  keys.open = await open.makeKey('farm', 'ed25519');
  keys.other = await open.makeKey('other', 'rsa2048');
  const generate = ['--passphrase', 'correct horse', '--quick-generate-key', 'locked@example.org'];
  await locked.out([...generate, 'ed25519', 'sign', '0']);
  const listing = await locked.out(['--with-colons', '--list-keys']);
  keys.locked = /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1] ?? '';
});

function place(home: GpgHome, more: Partial<GpgPlace> = {}): GpgPlace {
  return { program: 'gpg', home: home.path, passphraseFile: null, timeoutMs: 20_000, ...more };
}

async function openWith(gpg: GpgPlace & { readonly key: string }): Promise<Keyring> {
  return await openTestKeyring(join(folder, newId('farm')), systemClock, { gpg });
}

function streamOf(keyring: Keyring): StreamSigner {
  const signer = keyring.signer();
  if (!('signStream' in signer)) {
    throw new Error('a key that gpg keeps was expected');
  }
  return signer;
}

async function sign(signer: StreamSigner, data: Buffer): Promise<string> {
  const stream = signer.signStream();
  for (let start = 0; start < data.length; start += 64 * 1024) {
    await stream.write(data.subarray(start, start + 64 * 1024));
  }
  return await stream.end();
}

async function expectGood(keyring: Keyring): Promise<void> {
  const signer = streamOf(keyring);
  const verifier = await createVerifier([keyring.publicKeys()]);
  const data = randomBytes(3_000_000);
  const state = createHash('sha512').update(data);
  expect(await verifier.verifyState(state, await sign(signer, data))).toBe(signer.fingerprint);
  const text = 'DATA gpkg-1 0\n- dash\n';
  expect(await verifier.verifyClearSigned(await signer.clearSign(text))).toEqual({
    text,
    fingerprint: signer.fingerprint,
  });
}

describe('a key that gpg keeps', () => {
  it('signs what passes through gpg, without and with a passphrase', async () => {
    await expectGood(await openWith({ ...place(open), key: keys.open }));
    await expectGood(await openWith({ ...place(open), key: `0x${keys.other.toLowerCase()}!` }));
    await expectGood(await openWith({ ...place(locked, { passphraseFile }), key: keys.locked }));
  });

  it('signs the packages of a repository', async () => {
    const keyring = await openWith({ ...place(open), key: keys.open });
    const installation = await openInstallation(join(folder, newId('farm')), systemClock);
    try {
      const { repository } = openRepository({
        ...installation,
        clock: systemClock,
        log: silentLog(),
        locks: new Locks(),
        signer: () => keyring.signer(),
        profiles: catalogOf(PROFILES),
        maxUploadBytes: 4 * 1024 * 1024,
      });
      const { package: made } = await push(repository, await makePackage(folder, 'app-misc/one-1'));
      expect(made.keyFingerprint).toBe(keys.open);
      const path = join(installation.folders.mirrorRoot, 'binhost/web/packages', made.path);
      const source = await openByteSource(path);
      try {
        const verifier = await createVerifier([keyring.publicKeys()]);
        const verified = await verifyGpkg(source, { verifier, signatures: 'required' });
        expect(verified.fingerprint).toBe(keys.open);
      } finally {
        await source.close();
      }
    } finally {
      await installation.close();
    }
  });

  it('takes over from one that was made here, and the other way round', async () => {
    const keyring = await openWith({ ...place(open), key: '' });
    const first = keyring.signer();
    const rotate = async (key: NewKey): Promise<void> => {
      await keyring.addNext(key, { ...DEED, overlapMs: 0, resign: false });
      await keyring.markPublished(keyring.unpublished().map(({ fingerprint }) => fingerprint));
      await keyring.takeOver(DEED);
    };
    await rotate({ kind: 'gpg', name: keys.open });
    expect(keyring.signer().fingerprint).toBe(keys.open);
    expect((await keyring.endorse(Buffer.from('x'))).size).toBe(2);
    for (const change of [
      keyring.addNext({ kind: 'subkey' }, { ...DEED, overlapMs: 0, resign: false }),
      keyring.extend(100, DEED),
    ]) {
      await expect(change).rejects.toMatchObject({ code: 'key-source-gpg' });
    }
    await expect(
      keyring.addNext({ kind: 'gpg', name: keys.open }, { ...DEED, overlapMs: 0, resign: false }),
    ).rejects.toMatchObject({ code: 'key-in-use' });
    await rotate({ kind: 'primary' });
    expect(keyring.views().map(({ source, state }) => `${source} ${state}`)).toEqual([
      'file previous',
      'gpg previous',
      'file current',
    ]);
    expect(keyring.signer().fingerprint).not.toBe(first.fingerprint);
  });

  it('has the end that gpg gives it', async () => {
    const keyring = await openWith({ ...place(open), key: keys.other });
    expect(keyring.views()[0]?.expiresAt).toBeNull();
    await open.out(['--quick-set-expire', keys.other, '90d']);
    await keyring.refreshFromGpg();
    const end = keyring.views()[0]?.expiresAt ?? 0;
    expect(Math.round((end - systemClock.now()) / 86_400_000)).toBe(90);
  });

  it('is refused with a reason when gpg does not have it, or does not give a signature', async () => {
    await expect(openWith({ ...place(open), key: 'A'.repeat(40) })).rejects.toMatchObject({
      code: 'gpg-key-missing',
    });
    await expect(
      openWith({ ...place(open, { program: 'no-such-gpg' }), key: keys.open }),
    ).rejects.toMatchObject({ code: 'gpg-signing-failed' });
    const wrong = join(folder, 'wrong');
    writeFileSync(wrong, 'not this\n');
    await locked.killAgent();
    const refused = await openWith({
      ...place(locked, { passphraseFile: wrong }),
      key: keys.locked,
    });
    const failed = {
      code: 'gpg-signing-failed',
      message: expect.stringMatching(/cannot sign with the key [0-9A-F]{40}: .*passphrase/i),
    };
    await expect(streamOf(refused).clearSign('x\n')).rejects.toMatchObject(failed);
    await expect(sign(streamOf(refused), randomBytes(3_000_000))).rejects.toMatchObject(failed);
  });

  it('is not waited for for ever when the agent or the card is gone', async () => {
    const program = join(folder, 'hanging-gpg');
    writeFileSync(program, '#!/bin/sh\ncase "$*" in *--export*) exec gpg "$@";; esac\nsleep 60\n', {
      mode: 0o755,
    });
    // Opening asks a gpg that answers; how long that takes is up to the machine.
    let timeoutMs = 20_000;
    const gpg = {
      ...place(open, { program }),
      key: keys.open,
      get timeoutMs() {
        return timeoutMs;
      },
    };
    const keyring = await openWith(gpg);
    timeoutMs = 500;
    const failed = { code: 'gpg-signing-failed', message: expect.stringContaining('card') };
    await expect(streamOf(keyring).clearSign('x\n')).rejects.toMatchObject(failed);
    await expect(sign(streamOf(keyring), randomBytes(10))).rejects.toMatchObject(failed);
    await expect(sign(streamOf(keyring), randomBytes(3_000_000))).rejects.toMatchObject(failed);
    expect((await keyring.endorse(Buffer.from('x'))).size).toBe(0);
  });
});
