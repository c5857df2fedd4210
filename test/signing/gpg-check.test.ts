import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { isGpgInstalled, type SignedPair, verifyWithGpg } from '../../src/signing/gpg-check.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

jest.setTimeout(60_000);

const root = temporaryFolder();
async function makeSigner(name: string): Promise<Signer> {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  return await openSigner({
    folder,
    name,
    email: 'farm@example.org',
    validDays: 10,
    clock: systemClock,
  });
}

function pair(signer: Signer, data = 'image'): SignedPair {
  return {
    kind: 'detached',
    name: 'image.tar.zst.sig',
    data: Buffer.from(data),
    signature: signer.signState(createHash('sha512').update('image')),
  };
}

describe('the check with gpg', () => {
  it('leaves no home behind, whether the signatures are good or not', async () => {
    const signer = await makeSigner('one');

    const gpg = join(root, 'gpg');
    const calls = join(root, 'calls');
    writeFileSync(gpg, `#!/bin/sh\nprintf '%s\\n' "$*" >> ${calls}\nexec gpg "$@"\n`, {
      mode: 0o755,
    });

    await verifyWithGpg({ gpg, publicKey: signer.publicKey, pairs: [pair(signer)] });
    await expect(
      verifyWithGpg({ gpg, publicKey: signer.publicKey, pairs: [pair(signer, 'other')] }),
    ).rejects.toMatchObject({ code: 'gpg-refused', message: expect.stringContaining('BADSIG') });

    const homes = readFileSync(calls, 'utf8').matchAll(/--homedir (\S+)/g);
    const used = [...new Set([...homes].map((match) => match[1] ?? ''))];
    expect(used).toHaveLength(2);
    expect(used.filter((home) => existsSync(home))).toEqual([]);
  });

  it('accepts no signature but those of the key it was given', async () => {
    const [signer, other] = [await makeSigner('one'), await makeSigner('two')];
    const text = await other.clearSign('DATA\n');
    const unsigned = 'DATA\n';

    for (const wrong of [
      pair(other),
      { kind: 'clear-signed', name: 'Manifest', text },
      { kind: 'clear-signed', name: 'Manifest', text: unsigned },
    ] as const) {
      await expect(
        verifyWithGpg({ publicKey: signer.publicKey, pairs: [pair(signer), wrong] }),
      ).rejects.toMatchObject({ code: 'gpg-refused', details: { name: wrong.name } });
    }
  });

  it('says whether gpg is installed', async () => {
    expect(await isGpgInstalled()).toBe(true);
    expect(await isGpgInstalled('/nowhere/gpg')).toBe(false);
    const signer = await makeSigner('one');
    await expect(
      verifyWithGpg({ gpg: '/nowhere/gpg', publicKey: signer.publicKey, pairs: [] }),
    ).rejects.toMatchObject({ code: 'program-not-found' });
  });
});
