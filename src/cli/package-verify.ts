import { readMetadata } from '../binpkg/metadata.ts';
import { type VerifiedFile, verifyPackageFile } from '../binpkg/package-file.ts';
import type { PackageVerifier } from '../binpkg/package-signer.ts';
import { AppError, isAppError } from '../support/errors.ts';
import type { CommandContext } from './command-context.ts';
import { counted } from './format.ts';
import { harmless } from './output.ts';
import { verifierFor, withPackageFile } from './package-reading.ts';

export interface VerifyPackagesOptions {
  readonly key?: readonly string[];
  readonly json?: boolean;
}

/** What became of one file. */
type Verdict =
  | {
      readonly file: string;
      readonly ok: true;
      readonly format: 'gpkg' | 'xpak';
      readonly cpv: string;
      readonly signed: boolean;
      readonly fingerprint: string | null;
    }
  | { readonly file: string; readonly ok: false; readonly code: string; readonly message: string };

/**
 * Verifies each file completely and prints one line for it. With keys, an unsigned package is refused.
 *
 * Throws `packages-refused` at the end when any was.
 */
export async function verifyPackages(
  context: CommandContext,
  files: readonly string[],
  options: VerifyPackagesOptions,
): Promise<void> {
  const verifier = await verifierFor(context, options.key);
  const verdicts: Verdict[] = [];
  for (const file of files) {
    const verdict = await judge(context, file, verifier);
    verdicts.push(verdict);
    if (!options.json) {
      context.output.line(harmless(lineOf(context, verdict), 'keep-colors'));
    }
  }
  if (options.json) {
    context.output.json(verdicts);
  }
  const refused = verdicts.filter(({ ok }) => !ok).length;
  if (refused > 0) {
    throw new AppError(
      'packages-refused',
      `Refused: ${refused} of ${counted(files.length, 'package')}.`,
      { details: { refused } },
    );
  }
}

async function judge(
  context: CommandContext,
  file: string,
  verifier: PackageVerifier | undefined,
): Promise<Verdict> {
  try {
    const verified = await withPackageFile(context, file, async (opened) =>
      verifyPackageFile(
        opened,
        verifier === undefined ? {} : { verifier, signatures: 'required', clock: context.clock },
      ),
    );
    const { cpv } = readMetadata(verified.metadata);
    return { file, ok: true, format: verified.format, cpv, ...signatureOf(verified) };
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    const prefix = `${file}: `;
    const { code, message } = error;
    const bare = message.startsWith(prefix) ? message.slice(prefix.length) : message;
    return { file, ok: false, code, message: bare };
  }
}

function signatureOf(verified: VerifiedFile): {
  readonly signed: boolean;
  readonly fingerprint: string | null;
} {
  return verified.format === 'xpak'
    ? { signed: false, fingerprint: null }
    : { signed: verified.signed, fingerprint: verified.fingerprint ?? null };
}

function lineOf(context: CommandContext, verdict: Verdict): string {
  const { paint } = context.output;
  if (!verdict.ok) {
    return `${paint('red', 'refused')}  ${verdict.file}: ${verdict.message} [${verdict.code}]`;
  }
  return `${paint('green', 'ok')}  ${verdict.file}: ${verdict.cpv}, ${signatureText(verdict)}`;
}

function signatureText({
  format,
  signed,
  fingerprint,
}: Extract<Verdict, { readonly ok: true }>): string {
  if (format === 'xpak') {
    return 'XPAK, which cannot be signed';
  }
  if (fingerprint !== null) {
    return `signed by ${fingerprint}`;
  }
  return signed ? 'signed, not checked without --key' : 'not signed';
}
