import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { DEFAULT_LIMITS } from '../binpkg/limits.ts';
import { readMetadata } from '../binpkg/metadata.ts';
import { convertXpak } from '../binpkg/xpak/convert.ts';
import { readXpak } from '../binpkg/xpak/segment.ts';
import type { Signer } from '../signing/signer.ts';
import { epochSeconds } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { exists, syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import type { CommandContext } from './command-context.ts';
import { harmless } from './output.ts';
import { withPackageFile } from './package-reading.ts';
import { signerIn } from './package-sign.ts';

export interface ConvertPackagesOptions {
  readonly out?: string;
  readonly keyFolder?: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

/**
 * Writes each XPAK as `<PF>-<BUILD_ID>.gpkg.tar`, beside it or into the folder `out`. An existing file is never
 * replaced.
 *
 * Throws `package-not-xpak`, `convert-target-exists`, and what converting throws.
 */
export async function convertPackages(
  context: CommandContext,
  files: readonly string[],
  options: ConvertPackagesOptions,
): Promise<void> {
  const { keyFolder, passphraseFile } = options;
  const signer =
    keyFolder === undefined
      ? undefined
      : await signerIn(context, {
          keyFolder,
          ...(passphraseFile === undefined ? {} : { passphraseFile }),
        });
  const converted: object[] = [];
  for (const file of files) {
    const path = resolve(context.cwd, file);
    const folder = options.out === undefined ? dirname(path) : resolve(context.cwd, options.out);
    const made = await convertFile(context, file, { folder, signer });
    converted.push({ file, ...made });
    if (!options.json) {
      const shown = relative(context.cwd, made.out);
      const out = shown.startsWith('..') ? made.out : shown;
      context.output.line(harmless(`${file}: ${made.cpv}, now ${out}`, 'drop-colors'));
    }
  }
  if (options.json) {
    context.output.json(converted);
  }
}

async function convertFile(
  context: CommandContext,
  file: string,
  target: { readonly folder: string; readonly signer: Signer | undefined },
): Promise<{ readonly out: string; readonly cpv: string; readonly sha512: string }> {
  const { folder, signer } = target;
  await mkdir(folder, { recursive: true });
  return await withPackageFile(context, file, async ({ format, source }) => {
    if (format !== 'xpak') {
      throw new AppError('package-not-xpak', 'The file is a GPKG already.');
    }
    const { metadata } = await readXpak(source, DEFAULT_LIMITS);
    const { pf, buildId } = readMetadata(metadata);
    const name = `${buildId === undefined ? pf : `${pf}-${buildId}`}.gpkg.tar`;
    const out = join(folder, name);
    if (await exists(out)) {
      throw new AppError('convert-target-exists', `There is a file ${out} already.`, {
        details: { out },
      });
    }
    const unfinished = join(folder, `.${name}.${newId('convert')}`);
    try {
      const { cpv, sha512 } = await convertXpak({
        source,
        out: unfinished,
        mtimeSeconds: epochSeconds(context.clock),
        clock: context.clock,
        ...(signer === undefined ? {} : { signer }),
      });
      await rename(unfinished, out);
      await syncDirectory(folder);
      return { out, cpv, sha512 };
    } finally {
      await rm(unfinished, { force: true });
    }
  });
}
