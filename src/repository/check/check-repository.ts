import { openByteSource } from '../../binpkg/byte-source.ts';
import { ContentDigest } from '../../binpkg/content-digest.ts';
import { ImageLevelScan } from '../../binpkg/elf/image-level.ts';
import { verifyGpkg } from '../../binpkg/gpkg/verify.ts';
import { readMetadata } from '../../binpkg/metadata.ts';
import type { PackageVerifier } from '../../binpkg/package-signer.ts';
import { AppError, isAppError } from '../../support/errors.ts';
import { saveFileLevel, toFileLevel } from '../file-level-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { checkChannels, checkPublications } from './check-publications.ts';
import {
  type CheckFinding,
  type CheckOptions,
  type CheckProgress,
  type CheckReport,
  type Findings,
} from './check-report.ts';
import { countPackages, type PlacedPackage, packagesAfter } from './check-store.ts';
import { examineFile } from './examine-file.ts';
import { amountToRead, damagedDigests, filesToRead } from './file-check-store.ts';
import { lookAt } from './file-names.ts';
import { findUnknownFiles } from './find-unknown-files.ts';

const CHUNK = 200;

export interface CheckRun {
  readonly context: RepositoryContext;
  readonly verifier: PackageVerifier;
  readonly options: CheckOptions;
  /** On whose behalf. */
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly findings: Findings;
  readonly onProgress: (progress: CheckProgress) => void;
}

/**
 * Compares the disk with the database, and with `deep` the bytes with their digests and signatures. What is missing or
 * damaged is put right from another copy, or into quarantine; see `examineFile`. What was read and found good is kept
 * in the database, so that an interrupted deep check goes on where it was.
 *
 * Throws `check-cancelled` when the signal aborts; what was found until then is in `findings`.
 */
export async function checkRepository(run: CheckRun): Promise<CheckReport> {
  const reading = new Reading(run);
  const onFinding = (finding: CheckFinding): void => {
    run.findings.add(finding);
  };
  const onStep =
    (stage: CheckProgress['stage']) =>
    (done: number, total: number): void => {
      refuseWhenAborted(run.signal);
      run.onProgress({ stage, done, total });
    };
  const packages = await lookAtPackages(run, reading, onStep('packages'));
  const publications = await checkPublications(run.context, {
    onFinding,
    onStep: onStep('publications'),
  });
  await checkChannels(run.context, onFinding);
  await findUnknownFiles(run.context, { onFinding, onStep: onStep('unknown-files') });
  if (run.options.deep) {
    await readFiles(run, reading, onStep('bytes'));
  }
  return {
    packages,
    publications,
    filesRead: reading.files,
    bytesRead: reading.bytes,
    ...run.findings.report(),
  };
}

function refuseWhenAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new AppError('check-cancelled', 'The check was cancelled.');
  }
}

/** Examines files, each once, and counts what was read. */
class Reading {
  readonly #run: CheckRun;
  readonly #examined = new Set<string>();
  onPiece: () => void = () => undefined;
  files = 0;
  bytes = 0;

  constructor(run: CheckRun) {
    this.#run = run;
  }

  async examine(sha512: string): Promise<void> {
    if (this.#examined.has(sha512)) {
      return;
    }
    this.#examined.add(sha512);
    const { context, actor, findings, signal } = this.#run;
    const isWhole = await examineFile(
      {
        context,
        actor,
        onFinding: (finding) => {
          findings.add(finding);
        },
        onBytes: (count) => {
          refuseWhenAborted(signal);
          this.bytes += count;
          this.onPiece();
        },
      },
      sha512,
    );
    this.files += 1;
    if (isWhole === true && this.#run.options.deep) {
      await this.#verify(sha512);
    }
  }

  /** The bytes are those of the row; whether a key that nodes have vouches for them is looked at apart. */
  async #verify(sha512: string): Promise<void> {
    const { context, verifier, signal, findings } = this.#run;
    const source = await openByteSource(context.pool.pathOf(sha512));
    try {
      const scan = new ImageLevelScan();
      const content = new ContentDigest(scan.visit);
      const visiting = { visit: content.visit, visitUse: 'passing' } as const;
      const verifying = { verifier, signatures: 'required', signal, ...visiting } as const;
      const { metadata } = await verifyGpkg(source, verifying);
      const { text } = readMetadata(metadata);
      await saveFileLevel(
        context.database,
        sha512,
        toFileLevel(scan.result(), content.finish(text)),
      );
    } catch (error) {
      refuseWhenAborted(signal);
      if (!isAppError(error) || error.code === 'program-not-found') {
        throw error;
      }
      findings.add({
        code: 'signature-refused',
        subject: `pool:${sha512}`,
        message: `${error.message} [${error.code}]`,
        outcome: 'reported',
      });
    } finally {
      await source.close();
    }
  }
}

async function lookAtPackages(
  { context }: CheckRun,
  reading: Reading,
  onStep: (done: number, total: number) => void,
): Promise<number> {
  const damaged = await damagedDigests(context.database);
  const total = await countPackages(context.database);
  let done = 0;
  let after = '';
  for (;;) {
    const packages = await packagesAfter(context.database, after, CHUNK);
    const last = packages.at(-1);
    if (last === undefined) {
      onStep(total, total);
      return done;
    }
    for (const one of packages) {
      onStep(Math.min(done, total), total);
      if (damaged.has(one.sha512) || !(await isAsUsual(context, one))) {
        await reading.examine(one.sha512);
      }
      done += 1;
    }
    after = last.id;
  }
}

/** Both names are there, are one file unless they cannot be, and have the size and time they should have. */
async function isAsUsual(context: RepositoryContext, one: PlacedPackage): Promise<boolean> {
  const [pooled, shown] = await Promise.all(
    [context.pool.pathOf(one.sha512), context.layout.packageFile(one.profile, one.path)].map(
      async (path) => (await lookAt({ path, subject: '', isPool: false })).stats,
    ),
  );
  return (
    pooled !== undefined &&
    shown !== undefined &&
    [pooled, shown].every(
      (stats) => stats.isFile && stats.size === one.size && stats.mtimeSeconds === one.mtimeSeconds,
    ) &&
    (pooled.identity === shown.identity || pooled.device !== shown.device)
  );
}

async function readFiles(
  { context, options }: CheckRun,
  reading: Reading,
  onStep: (done: number, total: number) => void,
): Promise<void> {
  const now = context.clock.now();
  const goodBefore = options.all ? now : now - options.maxAgeMs;
  const { bytes: total } = await amountToRead(context.database, goodBefore);
  const before = reading.bytes;
  reading.onPiece = () => {
    onStep(Math.min(reading.bytes - before, total), total);
  };
  let after = '';
  for (;;) {
    const files = await filesToRead(context.database, { after, goodBefore, limit: CHUNK });
    const last = files.at(-1);
    if (last === undefined) {
      onStep(total, total);
      return;
    }
    for (const { sha512 } of files) {
      await reading.examine(sha512);
    }
    after = last.sha512;
  }
}
