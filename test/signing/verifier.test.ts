import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { dearmorSignature } from '../../src/signing/armor.ts';
import { verifyWithGpg } from '../../src/signing/gpg-check.ts';
import { parseSignaturePackets, trailerOf } from '../../src/signing/signature-packet.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { GpgHome } from './gpg-home.ts';

jest.setTimeout(60_000);

const DAY_MS = 86_400_000;
const DATA = randomBytes(10_000);
const TEXT = 'DATA gpkg-1 0 BLAKE2B 00 SHA512 11\n- dash\n\nFrom here\n';
const gpg = new GpgHome();
const root = temporaryFolder();
const keys: Record<string, string> = {};

beforeAll(async () => {
  for (const [name, algorithm] of [
    ['ed', 'ed25519'],
    ['rsa', 'rsa3072'],
    ['other', 'ed25519'],
    ['nist', 'nistp256'],
  ] as const) {
    keys[name] = await gpg.makeKey(name, algorithm);
  }
});

function key(name: string): string {
  return keys[name] ?? '';
}

function state(data: Uint8Array = DATA): ReturnType<typeof createHash> {
  return createHash('sha512').update(data);
}

async function detach(names: readonly string[], digest = 'SHA512'): Promise<string> {
  const users = names.flatMap((name) => ['-u', key(name)]);
  return await gpg.out(['--digest-algo', digest, ...users, '--armor', '--detach-sign'], DATA);
}

async function clearSign(name: string, digest: string): Promise<string> {
  return await gpg.out(['--digest-algo', digest, '-u', key(name), '--clear-sign'], TEXT);
}

async function verifierOf(...names: string[]): ReturnType<typeof createVerifier> {
  return await createVerifier(await Promise.all(names.map((name) => gpg.exportKey(key(name)))));
}

function rearmor(bytes: Uint8Array): string {
  const base64 = Buffer.from(bytes).toString('base64');
  return `-----BEGIN PGP SIGNATURE-----\n\n${base64}\n-----END PGP SIGNATURE-----\n`;
}

describe('the verifier', () => {
  it.each(['ed', 'rsa'])('takes what gpg signed with an %s key', async (name) => {
    const verifier = await verifierOf(name);

    expect(await verifier.verifyState(state(), await detach([name]))).toBe(key(name));
    for (const digest of ['SHA256', 'SHA384', 'SHA512']) {
      const signed = await clearSign(name, digest);
      const expected = { text: TEXT, fingerprint: key(name) };
      expect(await verifier.verifyClearSigned(signed)).toEqual(expected);
      expect(await verifier.verifyClearSigned(signed.replaceAll('\n', '\r\n'))).toEqual(expected);
    }
  });

  it.each(['ed', 'rsa'])('refuses other bytes under a signature by an %s key', async (name) => {
    const verifier = await verifierOf(name);
    const changed = Buffer.from(DATA);
    changed[5000] = (changed[5000] ?? 0) ^ 1;

    await expect(verifier.verifyState(state(changed), await detach([name]))).rejects.toMatchObject({
      code: 'signature-invalid',
    });
    const text = (await clearSign(name, 'SHA512')).replace('gpkg-1', 'gpkg-2');
    await expect(verifier.verifyClearSigned(text)).rejects.toMatchObject({
      code: 'signature-invalid',
    });
  });

  it.each(['ed', 'rsa'])(
    'is not misled by the start of a digest in a signature by an %s key',
    async (name) => {
      const packets = dearmorSignature(await detach([name]));
      const [signature] = parseSignaturePackets(packets);
      const hashedPart = signature?.hashedPart ?? Buffer.alloc(0);
      const other = Buffer.from('other data');
      const digest = state(other).update(hashedPart).update(trailerOf(hashedPart)).digest();
      const at = packets.indexOf(signature?.digestStart ?? '', hashedPart.length);
      digest.copy(packets, at, 0, 2);

      await expect(
        (await verifierOf(name)).verifyState(state(other), rearmor(packets)),
      ).rejects.toMatchObject({ code: 'signature-invalid' });
    },
  );

  it('refuses a signature by a key that it was not given, and names that key', async () => {
    const verifier = await verifierOf('ed', 'rsa');

    await expect(verifier.verifyState(state(), await detach(['other']))).rejects.toMatchObject({
      code: 'signature-unknown-key',
      message: expect.stringContaining(key('other')),
    });
    await expect(
      verifier.verifyClearSigned(await clearSign('other', 'SHA512')),
    ).rejects.toMatchObject({ code: 'signature-unknown-key' });
    await expect(
      (await createVerifier([])).verifyState(state(), await detach(['ed'])),
    ).rejects.toMatchObject({ code: 'signature-unknown-key' });
  });

  it('wants every one of several signatures to be good', async () => {
    const both = await detach(['ed', 'rsa']);

    expect(await (await verifierOf('rsa', 'ed')).verifyState(state(), both)).toMatch(/^[0-9A-F]+$/);
    for (const name of ['ed', 'rsa']) {
      await expect((await verifierOf(name)).verifyState(state(), both)).rejects.toMatchObject({
        code: 'signature-unknown-key',
      });
    }
  });

  it('refuses the signature of an expired key, whenever it was made, and takes it after an extension', async () => {
    const clock = new ManualClock(systemClock.now());
    const folder = join(root, 'expiring');
    const signer = await openSigner({
      folder,
      name: 'Example',
      email: 'a@example.org',
      validDays: 1,
      clock,
    });
    const verifier = await createVerifier([signer.publicKey], { clock });
    const signature = signer.signState(state());
    const text = await signer.clearSign(TEXT);

    expect(await verifier.verifyState(state(), signature)).toBe(signer.fingerprint);
    clock.advance(DAY_MS);

    const expired = { code: 'signature-expired-key' };
    await expect(verifier.verifyState(state(), signature)).rejects.toMatchObject(expired);
    await expect(verifier.verifyClearSigned(text)).rejects.toMatchObject(expired);
  });

  it('and gpg refuse the same expired key', async () => {
    const past = new ManualClock(systemClock.now() - 2 * DAY_MS);
    const folder = join(root, 'expired');
    const signer = await openSigner({
      folder,
      name: 'Example',
      email: 'a@example.org',
      validDays: 1,
      clock: past,
    });
    const signature = signer.signState(state());

    await expect(
      verifyWithGpg({
        publicKey: signer.publicKey,
        pairs: [{ kind: 'detached', name: 'image', data: DATA, signature }],
      }),
    ).rejects.toMatchObject({ code: 'gpg-refused', message: expect.stringContaining('EXPKEYSIG') });
    await expect(
      (await createVerifier([signer.publicKey])).verifyState(state(), signature),
    ).rejects.toMatchObject({ code: 'signature-expired-key' });
  });

  it('takes a key whose end was moved, in either order of the copies', async () => {
    const fingerprint = await gpg.makeKey('moved', 'ed25519', '1d');
    keys['moved'] = fingerprint;
    const before = await gpg.exportKey(fingerprint);
    await gpg.out(['--quick-set-expire', fingerprint, '10d']);
    const after = await gpg.exportKey(fingerprint);
    const signature = await detach(['moved']);
    const clock = new ManualClock(systemClock.now() + 5 * DAY_MS);

    for (const copies of [[before, after], [after, before], [after]]) {
      const verifier = await createVerifier(copies, { clock });
      expect(await verifier.verifyState(state(), signature)).toBe(fingerprint);
    }
    await expect(
      (await createVerifier([before], { clock })).verifyState(state(), signature),
    ).rejects.toMatchObject({ code: 'signature-expired-key' });
  });

  it('refuses what a revoked key signed, also where an older copy of the key is around', async () => {
    keys['revoked'] = await gpg.makeKey('revoked', 'ed25519', '10d');
    const signature = await detach(['revoked']);
    const before = await gpg.exportKey(key('revoked'));
    await gpg.out(['--quick-set-expire', key('revoked'), '5d']);
    const path = join(gpg.path, 'openpgp-revocs.d', `${key('revoked')}.rev`);
    // gpg puts a colon before the armor so that it is not imported by accident.
    await gpg.out(['--import'], readFileSync(path, 'utf8').replace(/^:/m, ''));
    const after = await gpg.exportKey(key('revoked'));

    expect(await (await createVerifier([before])).verifyState(state(), signature)).toBe(
      key('revoked'),
    );
    for (const copies of [[after], [before, after], [after, before]]) {
      await expect(
        (await createVerifier(copies)).verifyState(state(), signature),
      ).rejects.toMatchObject({
        code: 'signature-invalid',
        message: expect.stringMatching(/revo/i),
      });
    }
  });

  it('passes over any header of an armor, an empty one too', async () => {
    const armored = (await detach(['ed'])).replace('\n\n', '\nComment:\nX-Made-1: y\n\n');

    expect(await (await verifierOf('ed')).verifyState(state(), armored)).toBe(key('ed'));
  });

  it('refuses digests and kinds of keys that it does not know, and says so', async () => {
    await expect(
      (await verifierOf('ed')).verifyState(state(), await detach(['ed'], 'SHA256')),
    ).rejects.toMatchObject({
      code: 'signature-invalid',
      message: expect.stringContaining('digest algorithm 8'),
    });
    await expect(
      (await verifierOf('nist')).verifyState(state(), await detach(['nist'])),
    ).rejects.toMatchObject({
      code: 'signature-invalid',
      message: expect.stringContaining('algorithm 19'),
    });
  });

  it('does not take a clear signature for a detached one', async () => {
    const signed = await clearSign('ed', 'SHA512');
    const armor = signed.slice(signed.indexOf('-----BEGIN PGP SIGNATURE'));
    const text = TEXT.trimEnd().replaceAll('\n', '\r\n');

    await expect(
      (await verifierOf('ed')).verifyState(state(Buffer.from(text)), armor),
    ).rejects.toMatchObject({ code: 'signature-invalid' });
  });

  it('refuses public keys that are none', async () => {
    for (const text of ['', 'hello', (await gpg.exportKey(key('ed'))).slice(0, 200)]) {
      await expect(createVerifier([text])).rejects.toMatchObject({ code: 'public-key-invalid' });
    }
  });
});

describe('a damaged signature', () => {
  it('is refused wherever it is cut off and whichever byte is changed', async () => {
    const verifier = await verifierOf('ed');
    const packets = dearmorSignature(await detach(['ed']));
    expect(await verifier.verifyState(state(), rearmor(packets))).toBe(key('ed'));

    for (let length = 0; length < packets.length; length += 1) {
      await expect(
        verifier.verifyState(state(), rearmor(packets.subarray(0, length))),
      ).rejects.toMatchObject({ code: 'signature-invalid' });
    }
    let refused = 0;
    for (let at = 0; at < packets.length; at += 1) {
      const changed = Buffer.from(packets);
      changed[at] = (changed[at] ?? 0) ^ 0x41;
      try {
        await verifier.verifyState(state(), rearmor(changed));
      } catch (error) {
        expect(error).toMatchObject({
          code: expect.stringMatching(/^signature-(invalid|unknown-key)$/),
        });
        refused += 1;
      }
    }
    expect(packets.length - refused).toBeLessThanOrEqual(10);
  });

  it.each([
    ['nothing', ''],
    ['other text', 'hello'],
    ['an armor without end', '-----BEGIN PGP SIGNATURE-----\n\niQ==\n'],
    ['an armor of nothing', '-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n'],
    ['no blank line', '-----BEGIN PGP SIGNATURE-----\niQ==\n-----END PGP SIGNATURE-----\n'],
    ['wrong base64', '-----BEGIN PGP SIGNATURE-----\n\ni=Q*\n-----END PGP SIGNATURE-----\n'],
    [
      'too much',
      `-----BEGIN PGP SIGNATURE-----\n\n${'A'.repeat(70_000)}\n-----END PGP SIGNATURE-----\n`,
    ],
  ])('that is %s is refused', async (_what, text) => {
    await expect((await verifierOf('ed')).verifyState(state(), text)).rejects.toMatchObject({
      code: 'signature-invalid',
    });
  });

  it('with a wrong checksum is refused', async () => {
    const signature = await detach(['ed']);
    const changed = signature.replace(/^=.{4}$/m, '=AAAA');

    expect(() => dearmorSignature(changed)).toThrow(/checksum/);
  });

  it('is bounded in the packets it may have', async () => {
    const packets = dearmorSignature(await detach(['ed']));

    expect(parseSignaturePackets(Buffer.concat(Array(8).fill(packets)))).toHaveLength(8);
    expect(() => parseSignaturePackets(Buffer.concat(Array(9).fill(packets)))).toThrow(/packets/);
  });
});
