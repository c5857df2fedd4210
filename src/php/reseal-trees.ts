import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dearmorSignature } from '../signing/armor.ts';
import { signDetached } from '../signing/sign-detached.ts';
import { parseSignaturePackets } from '../signing/signature-packet.ts';
import { isAppError } from '../support/errors.ts';
import { exists, namesIn, readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import { MANIFEST, MANIFEST_SIGNATURE } from './manifest.ts';
import { type PhpContext, withTrees } from './php-context.ts';
import { INDEX, indexSignatureName } from './php-index.ts';
import { readProfile } from './read-trees.ts';

/**
 * Replaces every signature of an INDEX or a listed MANIFEST that is not of the key that signs now: a key has taken over, or was
 * revoked. What is signed stays as it is, and so do serials. Costs a look at each signature when all are right. What keeps it
 * from one profile is logged, and the others follow. Returns how many were replaced.
 */
export async function resealTrees(context: PhpContext): Promise<number> {
  let replaced = 0;
  for (const profile of await namesIn(context.layout.root)) {
    try {
      const work = async (): Promise<number> => await resealProfile(context, profile);
      replaced += await withTrees(context, profile, work);
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      context.log.error({ profile, error: error.message }, 'PHP trees cannot be signed again');
    }
  }
  if (replaced > 0) {
    const { fingerprint } = context.signer();
    context.log.info({ replaced, fingerprint }, 'signed PHP trees again');
  }
  return replaced;
}

async function resealProfile(context: PhpContext, profile: string): Promise<number> {
  const { layout } = context;
  const folder = layout.profile(profile);
  const text = await readTextIfPresent(join(folder, INDEX));
  if (text === undefined) {
    return 0;
  }
  const { contents } = await readProfile(layout, profile);
  const signed: (readonly [file: string, signature: string])[] = [
    [join(folder, INDEX), join(folder, indexSignatureName(text))],
  ];
  for (const { id } of contents.trees) {
    const tree = layout.tree(profile, id);
    if (await exists(join(tree, MANIFEST))) {
      signed.push([join(tree, MANIFEST), join(tree, MANIFEST_SIGNATURE)]);
    }
  }
  let replaced = 0;
  for (const [file, signature] of signed) {
    replaced += await resealFile(context, file, signature);
  }
  return replaced;
}

async function resealFile(context: PhpContext, file: string, signature: string): Promise<number> {
  const signer = context.signer();
  if (issuerOf(await readTextIfPresent(signature)) === signer.fingerprint) {
    return 0;
  }
  await writeFileAtomic(signature, await signDetached(signer, await readFile(file)));
  return 1;
}

/** Of a key of the farm; undefined for what is no signature. */
function issuerOf(armored: string | undefined): string | undefined {
  if (armored === undefined) {
    return undefined;
  }
  try {
    return parseSignaturePackets(dearmorSignature(armored))[0]?.issuerFingerprint;
  } catch (error) {
    if (isAppError(error, 'signature-invalid')) {
      return undefined;
    }
    throw error;
  }
}
