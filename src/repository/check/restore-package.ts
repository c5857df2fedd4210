import { AppError } from '../../support/errors.ts';
import type { PackageRecord } from '../package-record.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { examineFile } from './examine-file.ts';

/** Puts the bytes of a damaged package back at all its places, out of its own signed file that was sent again. */
export async function restorePackage(
  context: RepositoryContext,
  damaged: PackageRecord,
  from: { readonly file: string; readonly actor: string },
): Promise<PackageRecord> {
  const examiner = {
    context,
    actor: from.actor,
    onFinding: () => undefined,
    onBytes: () => undefined,
  };
  if ((await examineFile(examiner, damaged.sha512, [from.file])) !== true) {
    throw new AppError(
      'package-not-restored',
      `${damaged.cpv} could not be restored from what was sent.`,
      { details: { packageId: damaged.id } },
    );
  }
  return damaged;
}
