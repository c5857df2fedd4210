import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { openSigner, type SignerOptions } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { GpgHome } from './gpg-home.ts';

jest.setTimeout(60_000);

const DAY_MS = 86_400_000;
const root = temporaryFolder();
const gpg = new GpgHome();
const otherGpg = new GpgHome();
const thirdGpg = new GpgHome();
let count = 0;

function options(more: Partial<SignerOptions> = {}): SignerOptions {
  count += 1;
  return {
    folder: join(root, `signing-${count}`),
    name: 'Example farm',
    email: 'farm@example.org',
    validDays: 365,
    clock: systemClock,
    ...more,
  };
}

function namesInFolder(path: string): string[] {
  return readdirSync(path).toSorted();
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

describe('the signing key', () => {
  it('is made once, kept private, and is the same after a restart', async () => {
    const wanted = options();

    const first = await openSigner(wanted);
    expect(modeOf(wanted.folder)).toBe('700');
    expect(modeOf(join(wanted.folder, 'secret-key.asc'))).toBe('600');
    const again = await openSigner(wanted);

    expect(again.fingerprint).toBe(first.fingerprint);
    expect(again.primaryFingerprint).toBe(first.primaryFingerprint);
    expect(again.publicKey).toBe(first.publicKey);
    expect(first.fingerprint).not.toBe(first.primaryFingerprint);
    expect(first.fingerprint).toMatch(/^[0-9A-F]{40}$/);
    expect(readFileSync(join(wanted.folder, 'public-key.asc'), 'utf8')).toBe(first.publicKey);
  });

  it('is an Ed25519 key with a signing subkey and an end that gpg reads', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));

    const signer = await openSigner(options({ validDays: 100, clock }));

    const shown = await gpg.out(['--with-colons', '--show-keys'], signer.publicKey);
    const end = Date.UTC(2026, 0, 1) + 100 * DAY_MS;
    const records = shown.split('\n').map((line) => line.split(':'));
    const primary = records.find(([kind]) => kind === 'pub') ?? [];
    const subkey = records.find(([kind]) => kind === 'sub') ?? [];
    expect([primary[3], subkey[3]]).toEqual(['22', '22']);
    expect(subkey[11]).toBe('s');
    expect([primary[6], subkey[6]]).toEqual([String(end / 1000), String(end / 1000)]);
    expect(signer.expiresAt).toBe(end);
    const fingerprints = records.filter(([kind]) => kind === 'fpr').map((fields) => fields[9]);
    expect(fingerprints).toEqual([signer.primaryFingerprint, signer.fingerprint]);
  });

  it('with a passphrase is locked on disk, and gpg imports it with that passphrase', async () => {
    const wanted = options({ passphrase: 'correct horse' });
    const signer = await openSigner(wanted);

    await expect(openSigner({ ...wanted, passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'signing-key-locked',
    });
    const { passphrase: _, ...without } = wanted;
    await expect(openSigner(without)).rejects.toMatchObject({ code: 'signing-key-locked' });
    expect((await openSigner(wanted)).fingerprint).toBe(signer.fingerprint);

    const secret = readFileSync(join(wanted.folder, 'secret-key.asc'), 'utf8');
    await otherGpg.out(['--passphrase', 'correct horse', '--import'], secret);
    const signed = await otherGpg.out(
      ['--passphrase', 'correct horse', '-u', `${signer.fingerprint}!`, '--armor', '--detach-sign'],
      'data',
    );
    expect(signed).toContain('BEGIN PGP SIGNATURE');
  });

  it('is locked on disk once its owner sets a passphrase, not when a reader has one', async () => {
    const wanted = options();
    const before = await openSigner(wanted);
    const secretPath = join(wanted.folder, 'secret-key.asc');
    const open = readFileSync(secretPath, 'utf8');
    const { log, lines } = recordedLog();

    await openSigner({ ...wanted, passphrase: 'of a reader' });
    expect(readFileSync(secretPath, 'utf8')).toBe(open);
    const passphrase = 'correct horse';
    const after = await openSigner({ ...wanted, passphrase, protectStored: true, log });

    expect(after.publicKey).toBe(before.publicKey);
    expect(readFileSync(secretPath, 'utf8')).not.toBe(open);
    expect(modeOf(secretPath)).toBe('600');
    expect(namesInFolder(wanted.folder)).toEqual(['public-key.asc', 'secret-key.asc']);
    expect(lines()).toMatchObject([
      { msg: 'the signing key is now stored under its passphrase', path: secretPath },
    ]);
    await expect(openSigner(wanted)).rejects.toMatchObject({ code: 'signing-key-locked' });
    await expect(openSigner({ ...wanted, passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'signing-key-locked',
    });
    const again = await openSigner({ ...wanted, passphrase: 'correct horse' });
    expect(again.fingerprint).toBe(before.fingerprint);
    await thirdGpg.out(
      ['--passphrase', 'correct horse', '--import'],
      readFileSync(secretPath, 'utf8'),
    );
    const signed = await thirdGpg.out(
      ['--passphrase', 'correct horse', '-u', `${again.fingerprint}!`, '--armor', '--detach-sign'],
      'data',
    );
    expect(signed).toContain('BEGIN PGP SIGNATURE');
  });

  it('is told of when it is made, and when its end is near', async () => {
    const clock = new ManualClock();
    const { log, lines } = recordedLog();
    const wanted = options({ validDays: 31, clock, log });

    await openSigner(wanted);
    clock.advance(DAY_MS + 1);
    await openSigner(wanted);

    expect(lines().map(({ msg }) => msg)).toEqual([
      'signing key made',
      'the signing key expires soon; extend it and bring the new public key to the nodes',
    ]);
    expect(lines()[1]).toMatchObject({ daysLeft: 29 });
  });

  it('heals a public key that a crash left out or that was changed', async () => {
    const wanted = options();
    const { publicKey } = await openSigner(wanted);
    const publicPath = join(wanted.folder, 'public-key.asc');

    rmSync(publicPath);
    await openSigner(wanted);
    expect(readFileSync(publicPath, 'utf8')).toBe(publicKey);

    writeFileSync(publicPath, publicKey.slice(0, 100));
    await openSigner(wanted);
    expect(readFileSync(publicPath, 'utf8')).toBe(publicKey);
  });

  it('never makes a second key where the secret one is gone', async () => {
    const wanted = options();
    await openSigner(wanted);
    rmSync(join(wanted.folder, 'secret-key.asc'));

    await expect(openSigner(wanted)).rejects.toMatchObject({ code: 'signing-key-damaged' });
    expect(existsSync(join(wanted.folder, 'secret-key.asc'))).toBe(false);
  });

  it('is refused when its file is damaged or of a kind that GnuPG 2.2 does not take', async () => {
    const wanted = options();
    await openSigner(wanted);
    const secretPath = join(wanted.folder, 'secret-key.asc');
    const secret = readFileSync(secretPath, 'utf8');
    const middle = secret.length / 2;
    const flipped = secret[middle] === 'A' ? 'B' : 'A';

    for (const text of [
      '',
      'hello',
      secret.slice(0, middle),
      secret.slice(0, middle) + flipped + secret.slice(middle + 1),
    ]) {
      writeFileSync(secretPath, text);
      await expect(openSigner(wanted)).rejects.toMatchObject({ code: 'signing-key-damaged' });
    }

    await gpg.makeKey('rsa', 'rsa3072');
    writeFileSync(secretPath, await gpg.out(['--armor', '--export-secret-keys', 'rsa']));
    await expect(openSigner(wanted)).rejects.toMatchObject({
      code: 'signing-key-damaged',
      message: expect.stringContaining('Ed25519'),
    });
  });

  it('is refused once it expired, at the start and while it is in use', async () => {
    const clock = new ManualClock();
    const wanted = options({ validDays: 10, clock });
    const signer = await openSigner(wanted);

    clock.advance(10 * DAY_MS - 1000);
    expect(signer.signState(createHash('sha512'))).toContain('BEGIN PGP SIGNATURE');
    clock.advance(1000);

    expect(() => signer.signState(createHash('sha512'))).toThrow(/expired/);
    await expect(signer.clearSign('text\n')).rejects.toMatchObject({ code: 'signing-key-expired' });
    await expect(openSigner(wanted)).rejects.toMatchObject({ code: 'signing-key-expired' });
  });

  it('is read back, and its public half renewed, after gpg moved its end', async () => {
    for (const passphrase of [undefined, 'correct horse']) {
      const wanted = options({
        validDays: 10,
        ...(passphrase === undefined ? {} : { passphrase }),
      });
      const before = await openSigner(wanted);
      const secretPath = join(wanted.folder, 'secret-key.asc');
      const unlock = ['--passphrase', passphrase ?? ''];

      await gpg.out([...unlock, '--import'], readFileSync(secretPath));
      await gpg.out([...unlock, '--quick-set-expire', before.primaryFingerprint, '400d']);
      await gpg.out([...unlock, '--quick-set-expire', before.primaryFingerprint, '300d', '*']);
      const secret = await gpg.out([
        ...unlock,
        '--armor',
        '--export-secret-keys',
        before.primaryFingerprint,
      ]);
      writeFileSync(secretPath, secret);

      const after = await openSigner(wanted);
      expect(after.fingerprint).toBe(before.fingerprint);
      expect(Math.round(((after.expiresAt ?? 0) - systemClock.now()) / DAY_MS)).toBe(300);
      expect(readFileSync(join(wanted.folder, 'public-key.asc'), 'utf8')).toBe(after.publicKey);
      expect(after.publicKey).not.toBe(before.publicKey);
    }
  });

  it('loses group and world access that a copy may have given it', async () => {
    const wanted = options();
    await openSigner(wanted);
    chmodSync(wanted.folder, 0o755);
    chmodSync(join(wanted.folder, 'secret-key.asc'), 0o644);

    await openSigner(wanted);

    expect(modeOf(wanted.folder)).toBe('700');
    expect(modeOf(join(wanted.folder, 'secret-key.asc'))).toBe('600');
  });
});
