import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { NewKey } from '../../src/signing/keyring/change-keyring.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import type { AnySigner } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { isAppError } from '../../src/support/errors.ts';
import { newId } from '../../src/support/ids.ts';
import { openTestKeyring, VALID_DAYS } from '../keys/open-test-keys.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { GpgHome } from './gpg-home.ts';

const DAY_MS = 86_400_000;
const DEED = { actor: 'token:admin', reason: 'because' };
const folder = temporaryFolder();
const homes = Array.from({ length: 5 }, () => new GpgHome());

function place(): string {
  return join(folder, newId('keys'));
}

function sign(signer: AnySigner, text = 'image'): string {
  if ('signStream' in signer) {
    throw new Error('a key of a file was expected');
  }
  return signer.signState(createHash('sha512').update(text));
}

function nextHome(): GpgHome {
  const home = homes.pop();
  if (home === undefined) {
    throw new Error('more gpg homes are needed');
  }
  return home;
}

function at(clock: ManualClock): string[] {
  return ['--faked-system-time', `${Math.floor(clock.now() / 1000)}!`];
}

/** What gpg tells of a signature, at the time of the clock. */
async function verdict(home: GpgHome, signature: string, clock: ManualClock): Promise<string> {
  const path = join(home.path, 'image.sig');
  writeFileSync(path, signature);
  const { stderr } = await home.gpg(
    [...at(clock), '--status-fd', '2', '--verify', path, '-'],
    'image',
  );
  return /^\[GNUPG:\] ((?:GOOD|EXPKEY|REVKEY|BAD|ERR)SIG) /m.exec(stderr)?.[1] ?? stderr;
}

async function take(home: GpgHome, keyring: Keyring, clock: ManualClock): Promise<void> {
  await home.out([...at(clock), '--import'], keyring.publicKeys());
}

async function rotate(keyring: Keyring, key: NewKey): Promise<void> {
  await keyring.addNext(key, { ...DEED, overlapMs: 0, resign: false });
  await keyring.markPublished(keyring.unpublished().map(({ fingerprint }) => fingerprint));
  await keyring.takeOver(DEED);
}

async function open(path: string, clock: ManualClock): Promise<Keyring> {
  const keyring = await openTestKeyring(path, clock);
  await keyring.markPublished(keyring.unpublished().map(({ fingerprint }) => fingerprint));
  return keyring;
}

function states(keyring: Keyring): string[] {
  return keyring.views().map(({ state }) => state);
}

describe('the keys of a farm', () => {
  it.each([['subkey'], ['primary']] as const)(
    'hand over from one to a new %s: gpg takes both when it has the public keys',
    async (kind) => {
      const clock = new ManualClock();
      const keyring = await open(place(), clock);
      const home = nextHome();
      await take(home, keyring, clock);
      const before = keyring.signer();
      const old = sign(before);

      await keyring.addNext({ kind }, { ...DEED, overlapMs: 5 * DAY_MS, resign: false });
      expect(keyring.signer().fingerprint).toBe(before.fingerprint);
      await keyring.takeOver(DEED);
      expect(keyring.signer().fingerprint).toBe(before.fingerprint);
      await keyring.markPublished(keyring.unpublished().map(({ fingerprint }) => fingerprint));
      clock.advance(5 * DAY_MS - 1);
      expect(keyring.isTakeOverDue()).toBe(false);
      clock.advance(1);
      expect(keyring.isTakeOverDue()).toBe(true);
      await keyring.takeOver(DEED);

      const after = keyring.signer();
      expect(after.fingerprint).not.toBe(before.fingerprint);
      expect(after.primaryFingerprint === before.primaryFingerprint).toBe(kind === 'subkey');
      expect(states(keyring).toSorted()).toEqual(['current', 'previous']);
      expect(await verdict(home, sign(after), clock)).toBe('ERRSIG');
      await take(home, keyring, clock);
      expect(await verdict(home, sign(after), clock)).toBe('GOODSIG');
      expect(await verdict(home, old, clock)).toBe('GOODSIG');
      const verifier = await createVerifier([keyring.publicKeys()], { clock });
      const text = await after.clearSign('hello\n');
      expect((await verifier.verifyClearSigned(text)).fingerprint).toBe(after.fingerprint);
    },
  );

  it('end, and good is again what they signed once the extended public key is there', async () => {
    const clock = new ManualClock();
    const keyring = await open(place(), clock);
    const home = nextHome();
    await take(home, keyring, clock);
    await rotate(keyring, { kind: 'subkey' });
    await take(home, keyring, clock);
    const signature = sign(keyring.signer());
    clock.advance(VALID_DAYS * DAY_MS + 60_000);
    expect(await verdict(home, signature, clock)).toBe('EXPKEYSIG');
    expect(keyring.acceptedFingerprints()).toEqual([]);
    expect(() => sign(keyring.signer())).toThrow(/expired/);

    await keyring.extend(30, DEED);

    expect(keyring.acceptedFingerprints()).toHaveLength(2);
    expect(sign(keyring.signer())).toContain('BEGIN PGP SIGNATURE');
    await take(home, keyring, clock);
    expect(await verdict(home, signature, clock)).toBe('GOODSIG');
    expect(keyring.views().map(({ expiresAt }) => expiresAt)).toEqual([
      clock.now() + 30 * DAY_MS,
      clock.now() + 30 * DAY_MS,
    ]);
  });

  it('are never shortened by an extension', async () => {
    const clock = new ManualClock();
    const keyring = await open(place(), clock);
    const before = keyring.views()[0]?.expiresAt;
    await keyring.extend(1, DEED);
    expect(keyring.views()[0]?.expiresAt).toBe(before);
  });

  it.each([['subkey'], ['primary']] as const)(
    'are refused by gpg when they were revoked, old signatures included: %s',
    async (kind) => {
      const clock = new ManualClock();
      const keyring = await open(place(), clock);
      const home = nextHome();
      const stolen = keyring.signer();
      const signature = sign(stolen);
      await take(home, keyring, clock);
      await expect(
        keyring.revoke(stolen.fingerprint, { ...DEED, cause: 'compromised' }),
      ).rejects.toMatchObject({ code: 'key-in-use' });
      await rotate(keyring, { kind });
      const which = kind === 'subkey' ? stolen.fingerprint : stolen.primaryFingerprint;
      await keyring.revoke(which, { ...DEED, cause: 'compromised' });

      await take(home, keyring, clock);
      expect(await verdict(home, signature, clock)).toBe('REVKEYSIG');
      expect(await verdict(home, sign(keyring.signer()), clock)).toBe('GOODSIG');
      expect(keyring.acceptedFingerprints()).toEqual([keyring.signer().fingerprint]);
      expect([...(await keyring.endorse(Buffer.from('x'))).keys()]).toEqual([
        keyring.signer().fingerprint,
      ]);
      await expect(
        keyring.revoke('0'.repeat(40), { ...DEED, cause: 'retired' }),
      ).rejects.toMatchObject({ code: 'unknown-key' });
    },
  );

  it.each([
    ['subkey', 'retired', true],
    ['primary', 'superseded', true],
    ['subkey', 'compromised', false],
    ['primary', 'compromised', false],
  ] as const)(
    'prove what they signed after they were revoked, where only we had them: %s, %s: %s',
    async (kind, cause, isProof) => {
      const clock = new ManualClock();
      const keyring = await open(place(), clock);
      const old = keyring.signer();
      const signature = sign(old);
      await rotate(keyring, { kind });
      const fingerprint = kind === 'subkey' ? old.fingerprint : old.primaryFingerprint;
      await keyring.revoke(fingerprint, { ...DEED, cause });
      const verdictOf = async (acceptRetired: boolean): Promise<unknown> => {
        const verifier = await createVerifier([keyring.publicKeys()], { clock, acceptRetired });
        const state = createHash('sha512').update('image');
        return await verifier
          .verifyState(state, signature)
          .catch((error: unknown) => isAppError(error) && error.code);
      };
      expect(await verdictOf(false)).toBe('signature-invalid');
      expect(await verdictOf(true)).toBe(isProof ? old.fingerprint : 'signature-invalid');
    },
  );

  it('have one successor at a time', async () => {
    const keyring = await open(place(), new ManualClock());
    const deed = { ...DEED, overlapMs: DAY_MS, resign: true };
    await keyring.addNext({ kind: 'primary' }, deed);
    await expect(keyring.addNext({ kind: 'subkey' }, deed)).rejects.toMatchObject({
      code: 'key-rotation-under-way',
    });
    expect(states(keyring)).toEqual(['current', 'next']);
  });
});

describe('the file of the keys', () => {
  it('takes over the only key of an installation of before, and protects it', async () => {
    const path = place();
    const clock = new ManualClock();
    const signing = join(path, 'state/signing');
    const options = {
      folder: signing,
      name: 'Old',
      email: 'old@example.org',
      validDays: 20,
      clock,
    };
    const old = await openSigner(options);
    const keyring = await openTestKeyring(path, clock, { passphrase: 'correct horse' });

    expect(keyring.signer().fingerprint).toBe(old.fingerprint);
    expect(await readdir(signing)).toEqual(['keyring.json']);
    expect((statSync(join(signing, 'keyring.json')).mode & 0o777).toString(8)).toBe('600');
    await expect(openTestKeyring(path, clock)).rejects.toMatchObject({
      code: 'signing-key-locked',
    });
    await expect(openTestKeyring(path, clock, { passphrase: 'x' })).rejects.toMatchObject({
      code: 'signing-key-locked',
    });
    await rotate(keyring, { kind: 'primary' });
    await expect(openTestKeyring(path, clock)).rejects.toMatchObject({
      code: 'signing-key-locked',
    });
    const again = await openTestKeyring(path, clock, { passphrase: 'correct horse' });
    expect(again.views()).toEqual(keyring.views());
    expect(sign(again.signer())).toBe(sign(keyring.signer()));
    expect((await openSigner({ ...options, passphrase: 'correct horse' })).fingerprint).toBe(
      keyring.signer().fingerprint,
    );
  });

  it('takes a copy of one of its keys that was put back, and refuses a stranger', async () => {
    const path = place();
    const clock = new ManualClock();
    const signing = join(path, 'state/signing');
    await mkdir(signing, { recursive: true });
    await openSigner({ folder: signing, name: 'A', email: 'a@example.org', validDays: 20, clock });
    const copy = readFileSync(join(signing, 'secret-key.asc'));
    const { fingerprint } = (await openTestKeyring(path, clock)).signer();

    writeFileSync(join(signing, 'secret-key.asc'), copy);
    expect((await openTestKeyring(path, clock)).signer().fingerprint).toBe(fingerprint);
    expect(await readdir(signing)).toEqual(['keyring.json']);

    const elsewhere = join(place(), 'x');
    await openSigner({
      folder: elsewhere,
      name: 'B',
      email: 'b@example.org',
      validDays: 20,
      clock,
    });
    writeFileSync(join(signing, 'secret-key.asc'), readFileSync(join(elsewhere, 'secret-key.asc')));
    await expect(openTestKeyring(path, clock)).rejects.toMatchObject({
      code: 'signing-key-damaged',
      message: expect.stringContaining('does not know the key'),
    });
  });

  it('is refused when it is damaged, and closed to others', async () => {
    const path = place();
    const clock = new ManualClock();
    const file = join(path, 'state/signing/keyring.json');
    await openTestKeyring(path, clock);
    chmodSync(file, 0o644);
    await openTestKeyring(path, clock);
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"current"', '"previous"'));
    await expect(openTestKeyring(path, clock)).rejects.toMatchObject({
      code: 'signing-key-damaged',
    });
    writeFileSync(file, '{');
    await expect(openTestKeyring(path, clock)).rejects.toMatchObject({
      code: 'signing-key-damaged',
    });
  });
});
