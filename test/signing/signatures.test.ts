import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import * as fc from 'fast-check';
import { createMessage, readKey, readSignature, verify } from 'openpgp';
import { dearmorSignature } from '../../src/signing/armor.ts';
import { type SignedPair, verifyWithGpg } from '../../src/signing/gpg-check.ts';
import { parseSignaturePackets } from '../../src/signing/signature-packet.ts';
import type { Signer, Verifier } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

jest.setTimeout(60_000);

const DASHES = '- a list\n-----BEGIN PGP SIGNATURE-----\n\n--\n-\nFrom here\n\tindented\n';
const root = temporaryFolder();
const identity = { name: 'Example farm', email: 'farm@example.org', validDays: 365 };
let signer: Signer;
let verifier: Verifier;

beforeAll(async () => {
  signer = await openSigner({ folder: join(root, 'signing'), ...identity, clock: systemClock });
  verifier = await createVerifier([signer.publicKey]);
});

function sign(data: Uint8Array): string {
  return signer.signState(createHash('sha512').update(data));
}

describe('a detached signature', () => {
  it('is taken by gpg as Portage asks it, for data of any size', async () => {
    const sizes = [0, 1, 63, 64, 65, 127, 128, 129, 4096, 1_000_000];
    const pairs = sizes.map((size): SignedPair => {
      const data = randomBytes(size);
      return { kind: 'detached', name: `${size} bytes`, data, signature: sign(data) };
    });

    const verdicts = await verifyWithGpg({ publicKey: signer.publicKey, pairs });

    expect(verdicts).toEqual(
      sizes.map((size) => ({ name: `${size} bytes`, fingerprint: signer.fingerprint })),
    );
  });

  it('is right for gpg also where a number of it starts with zero bits', async () => {
    const pairs: SignedPair[] = [];
    const lengths = new Set<string>();
    for (let index = 0; index < 3000 && lengths.size < 3; index += 1) {
      const data = Buffer.from(`number ${index}`);
      const signature = sign(data);
      const numbers = parseSignaturePackets(dearmorSignature(signature))[0]?.numbers ?? [];
      const shape = numbers.map(({ length }) => length).join();
      if (shape !== '32,32' && !lengths.has(shape)) {
        lengths.add(shape);
        pairs.push({ kind: 'detached', name: shape, data, signature });
      }
      await verifier.verifyState(createHash('sha512').update(data), signature);
    }

    expect(lengths.size).toBeGreaterThanOrEqual(2);
    const verdicts = await verifyWithGpg({ publicKey: signer.publicKey, pairs });
    expect(verdicts.map(({ name }) => name)).toEqual([...lengths]);
  });

  it('counts the bits of its numbers exactly', () => {
    for (let index = 0; index < 50; index += 1) {
      const packets = dearmorSignature(sign(Buffer.from(`number ${index}`)));
      const numbers = parseSignaturePackets(packets)[0]?.numbers ?? [];
      const [r, s] = numbers.map(
        (number) => BigInt(`0x${number.toString('hex')}`).toString(2).length,
      );
      const start = packets.length - numbers.reduce((sum, { length }) => sum + length + 2, 0);
      expect(packets.readUInt16BE(start)).toBe(r);
      expect(packets.readUInt16BE(start + 2 + (numbers[0]?.length ?? 0))).toBe(s);
    }
  });

  it('is the same for the same bytes in the same second', async () => {
    const clock = new ManualClock();
    const still = await openSigner({ folder: join(root, 'still'), ...identity, clock });
    const data = randomBytes(1000);
    const signOnce = (): string => still.signState(createHash('sha512').update(data));

    const first = signOnce();
    expect(signOnce()).toBe(first);
    clock.advance(1000);
    expect(signOnce()).not.toBe(first);
  });

  it('is also good for OpenPGP.js', async () => {
    const data = randomBytes(100);

    const result = await verify({
      message: await createMessage({ binary: data }),
      signature: await readSignature({ armoredSignature: sign(data) }),
      verificationKeys: await readKey({ armoredKey: signer.publicKey }),
    });

    expect(await result.signatures[0]?.verified).toBe(true);
  });

  it('verifies over any bytes, and over no others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.nat(), async (data, position) => {
        const signature = sign(data);
        const state = createHash('sha512').update(data);

        expect(await verifier.verifyState(state, signature)).toBe(signer.fingerprint);
        expect(await verifier.verifyState(state, signature)).toBe(signer.fingerprint);

        const changed = Uint8Array.from([...data, 0]);
        const at = position % changed.length;
        changed[at] = (changed[at] ?? 0) ^ 1;
        const other = createHash('sha512').update(changed);
        await expect(verifier.verifyState(other, signature)).rejects.toMatchObject({
          code: 'signature-invalid',
        });
      }),
      { numRuns: 50 },
    );
  });

  it('is refused by gpg over other bytes', async () => {
    const pairs: SignedPair[] = [
      {
        kind: 'detached',
        name: 'image',
        data: Buffer.from('b'),
        signature: sign(Buffer.from('a')),
      },
    ];

    await expect(verifyWithGpg({ publicKey: signer.publicKey, pairs })).rejects.toMatchObject({
      code: 'gpg-refused',
      details: { name: 'image' },
    });
  });
});

describe('a clear-signed text', () => {
  it('goes through gpg and comes back as it was', async () => {
    const texts = [
      'DATA gpkg-1 0 SHA512 00\n',
      DASHES,
      '\n\n',
      'a\n\nb\n\n',
      'grüße\n',
      'no newline',
    ];
    const pairs = await Promise.all(
      texts.map(
        async (text, index): Promise<SignedPair> => ({
          kind: 'clear-signed',
          name: String(index),
          text: await signer.clearSign(text),
        }),
      ),
    );

    const verdicts = await verifyWithGpg({ publicKey: signer.publicKey, pairs });

    expect(verdicts.map(({ text }) => text)).toEqual(
      texts.map((text) => (text.endsWith('\n') ? text : `${text}\n`)),
    );
    expect(new Set(verdicts.map(({ fingerprint }) => fingerprint))).toEqual(
      new Set([signer.fingerprint]),
    );
  });

  it('has LF line ends and escaped dashes, and nothing is added to it', async () => {
    const signed = await signer.clearSign(DASHES);

    expect(signed).not.toContain('\r');
    expect(signed.slice(0, signed.lastIndexOf('-----BEGIN PGP SIGNATURE'))).toBe(
      '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- - a list\n' +
        '- -----BEGIN PGP SIGNATURE-----\n\n- --\n- -\nFrom here\n\tindented\n',
    );
  });

  it('verifies here as it does in gpg', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string().map((line) => line.trimEnd())), async (lines) => {
        const text = `first\n${lines.join('\n')}\n`;
        expect(await verifier.verifyClearSigned(await signer.clearSign(text))).toEqual({
          text,
          fingerprint: signer.fingerprint,
        });
      }),
      { numRuns: 50 },
    );
  });

  it('is refused with a changed line, and with anything around what was signed', async () => {
    const signed = await signer.clearSign('DATA image.tar.zst 5 SHA512 ab\n');
    const attacks = [
      signed.replace('zst 5', 'zst 6'),
      `DATA evil 1 SHA512 00\n${signed}`,
      `${signed}DATA evil 1 SHA512 00\n`,
      signed.replace('Hash: SHA512\n', 'Hash: SHA512\nComment: DATA evil\n'),
      signed.replace('Hash: SHA512\n', 'Hash: SHA512\nNotDashEscaped: yes\n'),
      signed.replace('DATA image', '-DATA evil\nDATA image'),
      signed + signed,
      signed.replace('\n\nDATA', '\nDATA'),
      '',
    ];

    const dashes = await signer.clearSign(DASHES);
    expect(dashes).toContain('\n- --\n');
    for (const attack of [...attacks, dashes.replace('\n- --\n', '\n--\n')]) {
      await expect(verifier.verifyClearSigned(attack)).rejects.toMatchObject({
        code: 'signature-invalid',
      });
    }
  });

  it('cannot be made of text that a clear signature would change', async () => {
    for (const text of ['', '\n', 'a \n', 'a\t\nb\n', 'a\r\nb\n']) {
      await expect(signer.clearSign(text)).rejects.toMatchObject({
        code: 'clear-sign-text-invalid',
      });
    }
  });
});
