import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeBackup, restoreBackup } from '../../src/signing/keyring/backup.ts';
import { newId } from '../../src/support/ids.ts';
import { openTestKeyring } from '../keys/open-test-keys.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { GpgHome } from './gpg-home.ts';

const DEED = { actor: 'token:admin', reason: 'because' };
const folder = temporaryFolder();
const home = new GpgHome();
const clock = new ManualClock();
const backupPassphrase = 'battery staple';

function place(): string {
  return join(folder, newId('farm'));
}

/** Three keys of two primary keys, protected. */
async function makeFarm(path: string) {
  const keyring = await openTestKeyring(path, clock, { passphrase: 'correct horse' });
  for (const kind of ['primary', 'subkey'] as const) {
    await keyring.addNext({ kind }, { ...DEED, overlapMs: 0, resign: false });
    await keyring.markPublished(keyring.unpublished().map(({ fingerprint }) => fingerprint));
    await keyring.takeOver(DEED);
  }
  return keyring;
}

describe('a backup of the keys', () => {
  it('brings a new installation to sign with the same key, under another passphrase', async () => {
    const [first, second] = [place(), place()];
    const keyring = await makeFarm(first);
    const { text, contents } = await makeBackup(join(first, 'state/signing'), {
      passphrase: 'correct horse',
      backupPassphrase,
    });
    expect(contents.keys.map(({ state }) => state).toSorted()).toEqual([
      'current',
      'previous',
      'previous',
    ]);
    expect(text).not.toContain(keyring.signer().fingerprint);

    const signing = join(second, 'state/signing');
    mkdirSync(signing, { recursive: true });
    await restoreBackup(signing, { text, backupPassphrase, replace: false, clock });
    const restored = await openTestKeyring(second, clock, { passphrase: 'another one' });
    expect(restored.views()).toEqual(keyring.views());
    expect(restored.publicKeys()).toBe(keyring.publicKeys());
    expect(await restored.signer().clearSign('x\n')).toBe(await keyring.signer().clearSign('x\n'));
    await expect(openTestKeyring(second, clock)).rejects.toMatchObject({
      code: 'signing-key-locked',
    });
  });

  it('is opened by gpg as well, and by nobody without its passphrase', async () => {
    const path = place();
    await makeFarm(path);
    const signing = join(path, 'state/signing');
    await expect(
      makeBackup(signing, { passphrase: undefined, backupPassphrase }),
    ).rejects.toMatchObject({ code: 'signing-key-locked' });
    const { text } = await makeBackup(signing, { passphrase: 'correct horse', backupPassphrase });
    const opened = await home.out(['--passphrase', backupPassphrase, '--decrypt'], text);
    expect(JSON.parse(opened)).toMatchObject({ version: 1 });
    expect(opened).toContain('BEGIN PGP PRIVATE KEY BLOCK');
    const wrong = { text, backupPassphrase: 'wrong', replace: true, clock };
    await expect(restoreBackup(signing, wrong)).rejects.toMatchObject({
      code: 'key-backup-unreadable',
    });
    await expect(restoreBackup(signing, { ...wrong, text: 'x' })).rejects.toMatchObject({
      code: 'key-backup-unreadable',
    });
    expect(readdirSync(signing)).toEqual(['keyring.json']);
  });

  it('does not take the place of keys unless it is told to, and then keeps them', async () => {
    const path = place();
    await makeFarm(path);
    const signing = join(path, 'state/signing');
    const { text } = await makeBackup(signing, { passphrase: 'correct horse', backupPassphrase });
    const request = { text, backupPassphrase, replace: false, clock };
    await expect(restoreBackup(signing, request)).rejects.toMatchObject({
      code: 'signing-key-present',
    });
    await restoreBackup(signing, { ...request, replace: true });
    expect(readdirSync(signing)).toEqual([
      'keyring.json',
      'keyring.json.before-20260102T030405000Z',
    ]);
    const loose = join(folder, newId('loose'));
    mkdirSync(loose);
    writeFileSync(join(loose, 'secret-key.asc'), 'x');
    await expect(restoreBackup(loose, request)).rejects.toMatchObject({
      code: 'signing-key-present',
    });
    expect(existsSync(join(loose, 'keyring.json'))).toBe(false);
    await expect(
      makeBackup(join(folder, 'nothing'), { passphrase: undefined, backupPassphrase }),
    ).rejects.toMatchObject({ code: 'signing-key-missing' });
  });
});
