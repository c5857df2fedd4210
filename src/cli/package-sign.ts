import { realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { withOpenGpkg } from '../binpkg/gpkg/open-gpkg.ts';
import { rewriteGpkg } from '../binpkg/gpkg/rewrite.ts';
import { readMetadata } from '../binpkg/metadata.ts';
import type { PackageFile } from '../binpkg/package-file.ts';
import type { PackageVerifier } from '../binpkg/package-signer.ts';
import type { Signer } from '../signing/signer.ts';
import { openSigner } from '../signing/signing-key.ts';
import { epochSeconds } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { exists, readTextIfPresent, syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import type { CommandContext } from './command-context.ts';
import { harmless } from './output.ts';
import { refuseUnlessFile } from './package-file-there.ts';
import { verifierFor, withPackageFile } from './package-reading.ts';

export interface KeyOptions {
  readonly keyFolder: string;
  readonly passphraseFile?: string;
}

export interface SignPackagesOptions extends KeyOptions {
  readonly key?: readonly string[];
  readonly dropSignatures?: boolean;
  readonly json?: boolean;
}

/**
 * Signs each GPKG in one pass over its bytes, replacing the file with one rename after all of it was verified. A
 * signature that is there already has to be good, by the key itself or one of `--key`: a package that somebody
 * changed must not get a good signature here.
 *
 * Throws `signing-key-missing`, `package-not-gpkg`, and what verifying throws.
 */
export async function signPackages(
  context: CommandContext,
  files: readonly string[],
  options: SignPackagesOptions,
): Promise<void> {
  const signer = await signerIn(context, options);
  const verifier = options.dropSignatures
    ? undefined
    : await verifierFor(context, options.key, [signer.publicKey]);
  const signed: object[] = [];
  for (const file of files) {
    const { cpv, sha512 } = await signFile(context, file, { signer, verifier });
    signed.push({ file, cpv, sha512, fingerprint: signer.fingerprint });
    if (!options.json) {
      context.output.line(
        harmless(`${file}: ${cpv}, signed by ${signer.fingerprint}`, 'drop-colors'),
      );
    }
  }
  if (options.json) {
    context.output.json(signed);
  }
}

/** The key in a folder; none is made. Throws `signing-key-missing`, `passphrase-file-empty`, and what `openSigner` throws. */
export async function signerIn(context: CommandContext, options: KeyOptions): Promise<Signer> {
  const folder = resolve(context.cwd, options.keyFolder);
  const names = ['keyring.json', 'secret-key.asc'];
  const present = await Promise.all(names.map(async (name) => await exists(join(folder, name))));
  if (!present.includes(true)) {
    throw new AppError(
      'signing-key-missing',
      `There is no keyring.json and no secret-key.asc in ${folder}.`,
      {
        details: { folder },
      },
    );
  }
  const passphrase = await passphraseIn(context, options.passphraseFile);
  return await openSigner({
    folder,
    name: 'rookery',
    email: 'rookery@localhost',
    validDays: 1,
    clock: context.clock,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
}

async function passphraseIn(
  context: CommandContext,
  file: string | undefined,
): Promise<string | undefined> {
  if (file === undefined) {
    return undefined;
  }
  const text = (await readTextIfPresent(resolve(context.cwd, file)))?.replace(/\n+$/, '') ?? '';
  if (text === '') {
    throw new AppError(
      'passphrase-file-empty',
      `The passphrase file ${file} is not there or empty.`,
    );
  }
  return text;
}

interface Keys {
  readonly signer: Signer;
  readonly verifier: PackageVerifier | undefined;
}

interface Signed {
  readonly cpv: string;
  readonly sha512: string;
}

async function signFile(context: CommandContext, file: string, keys: Keys): Promise<Signed> {
  await refuseUnlessFile(resolve(context.cwd, file));
  const path = await realpath(resolve(context.cwd, file));
  const out = join(dirname(path), `.${basename(path)}.${newId('sign')}`);
  const work = async (opened: Pick<PackageFile, 'format' | 'source'>): Promise<Signed> =>
    await writeSigned(context, opened, { ...keys, out });
  try {
    const signed = await withPackageFile(context, file, work);
    await rename(out, path);
    await syncDirectory(dirname(path));
    return signed;
  } finally {
    await rm(out, { force: true });
  }
}

async function writeSigned(
  { clock }: CommandContext,
  { format, source }: Pick<PackageFile, 'format' | 'source'>,
  { signer, verifier, out }: Keys & { readonly out: string },
): Promise<Signed> {
  if (format !== 'gpkg') {
    throw new AppError('package-not-gpkg', 'An XPAK cannot be signed; convert it first.');
  }
  const options = verifier === undefined ? { clock } : { clock, verifier };
  return await withOpenGpkg(source, options, async (opened) => {
    const { cpv } = readMetadata(opened.head.metadata);
    const request = { signer, out, mtimeSeconds: epochSeconds(clock) };
    const { sha512 } = await rewriteGpkg(opened, request);
    return { cpv, sha512 };
  });
}
