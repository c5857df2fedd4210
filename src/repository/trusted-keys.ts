import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageVerifier } from '../binpkg/package-signer.ts';
import { createVerifier } from '../signing/verifier.ts';
import { AppError } from '../support/errors.ts';
import { namesIn } from '../support/files.ts';
import type { Layout } from './layout.ts';

/**
 * A verifier that takes what any key signed that nodes are given (`keys/*.asc`), whether or not the key has expired
 * or was retired since: it asks whether the bytes are those that were signed here.
 *
 * Throws `public-key-missing`, `public-key-invalid`.
 */
export async function openTrustedKeys(layout: Pick<Layout, 'keys'>): Promise<PackageVerifier> {
  const names = (await namesIn(layout.keys)).filter((name) => /^[^.].*\.asc$/.test(name));
  if (names.length === 0) {
    throw new AppError(
      'public-key-missing',
      `There is no public key in ${layout.keys}, so no package can be checked.`,
    );
  }
  const keys = await Promise.all(
    names.map(async (name) => await readFile(join(layout.keys, name), 'utf8')),
  );
  return await createVerifier(keys, { clock: { now: () => 0 }, acceptRetired: true });
}
