import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Keyring } from '../signing/keyring/keyring.ts';
import {
  namesIn,
  readTextIfPresent,
  removeUnfinished,
  syncDirectory,
  writeFileAtomic,
} from '../support/files.ts';

export const PUBLIC_KEYS = 'rookery.asc';
const SIGNATURE = /^rookery\.asc\.([0-9a-f]{16})\.([0-9A-F]{40})\.sig$/;

/**
 * Brings the public keys to where nodes fetch them: `rookery.asc`, and for each key that nodes may know by now
 * `rookery.asc.<start of its SHA-256>.<fingerprint>.sig`, a detached signature with which a node can tell, without
 * trusting the way they came, that they are the farm's. The signatures are there before what they sign; those of the
 * contents before stay for whoever has just fetched these. Nothing is written when everything is there. One call at a time.
 */
export async function publishKeys(folder: string, keyring: Keyring): Promise<void> {
  const text = keyring.publicKeys();
  const mark = markOf(text);
  await removeUnfinished(folder);
  const former = await readTextIfPresent(join(folder, PUBLIC_KEYS));
  const present = await namesIn(folder);
  const isComplete = present.includes(signatureName(mark, keyring.signer().fingerprint));
  if (former === text && isComplete) {
    return;
  }
  await makeFolder(folder);
  for (const [fingerprint, signature] of await keyring.endorse(Buffer.from(text))) {
    await writeFileAtomic(join(folder, signatureName(mark, fingerprint)), signature);
  }
  if (former !== text) {
    await writeFileAtomic(join(folder, PUBLIC_KEYS), text);
  }
  const kept = [mark, ...(former === undefined ? [] : [markOf(former)])];
  for (const name of present) {
    const found = SIGNATURE.exec(name)?.[1];
    if (found !== undefined && !kept.includes(found)) {
      await rm(join(folder, name), { force: true });
    }
  }
}

function markOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function signatureName(mark: string, fingerprint: string): string {
  return `${PUBLIC_KEYS}.${mark}.${fingerprint}.sig`;
}

async function makeFolder(folder: string): Promise<void> {
  if ((await mkdir(folder, { recursive: true })) !== undefined) {
    await syncDirectory(dirname(folder));
  }
}
