import { createHash } from 'node:crypto';
import type { AnySigner } from './signer.ts';

/** Armored detached signature over bytes in memory, by a key of either kind. Throws what the signer throws. */
export async function signDetached(signer: AnySigner, data: Uint8Array): Promise<string> {
  if (!('signStream' in signer)) {
    return signer.signState(createHash('sha512').update(data));
  }
  const stream = signer.signStream();
  await stream.write(data);
  return await stream.end();
}
