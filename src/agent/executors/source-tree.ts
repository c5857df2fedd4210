import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Recipe } from '../../gentoo/recipe.ts';
import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { exists } from '../../support/files.ts';
import { runBuildProcess } from '../build-process.ts';
import type { JobContext } from './executor.ts';
import { explainFailure } from './explain-failure.ts';

const MAXIMUM_SOURCE_BYTES = 4 * 1024 * 1024 * 1024;
const DOWNLOAD_TRIES = 3;

/**
 * Fetches a recipe's source, checks its SHA512, and unpacks it below `work` (WORKDIR). Returns S.
 *
 * Throws `source-fetch-failed`, `source-digest-mismatch`, `source-too-large`, `source-not-unpacked`.
 */
export async function prepareSource(
  job: JobContext,
  recipe: Recipe,
  options: { readonly sha512: string | null; readonly work: string; readonly p: string },
): Promise<string> {
  const archive = join(job.folder, 'source.tar');
  const own = join(options.work, options.p);
  if ('folder' in recipe.source) {
    await receiveSource(job, archive, options.sha512);
    await mkdir(own);
    await unpack(job, archive, own);
    return own;
  }
  job.log.note(`Fetching ${recipe.source.url}`);
  await downloadSource(job, recipe.source, archive);
  await unpack(job, archive, options.work);
  return (await exists(own)) ? own : await onlyFolderIn(options.work);
}

async function receiveSource(
  job: JobContext,
  archive: string,
  sha512: string | null,
): Promise<void> {
  const digest = await job.connection.readSource(job.lease, job.signal, async (bytes) =>
    save(bytes, archive, 'the source of the job'),
  );
  if (sha512 !== null) {
    checkDigest('The source of the job', digest, sha512);
  }
}

async function downloadSource(
  job: JobContext,
  source: { readonly url: string; readonly sha512: string },
  archive: string,
): Promise<void> {
  for (let left = DOWNLOAD_TRIES - 1; ; left -= 1) {
    try {
      const digest = await downloadOnce(source.url, archive, job.signal);
      checkDigest(source.url, digest, source.sha512);
      return;
    } catch (error) {
      if (left === 0 || job.signal.aborted || !isAppError(error, 'source-fetch-failed')) {
        throw error;
      }
      job.log.note(`${error.message} Trying again.`);
    }
  }
}

async function downloadOnce(url: string, archive: string, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null) {
      throw new AppError('source-fetch-failed', `${url} answered with ${response.status}.`);
    }
    const bytes: AsyncIterable<Uint8Array> = response.body;
    return await save(bytes, archive, url);
  } catch (error) {
    if (isAppError(error)) {
      throw error;
    }
    throw new AppError('source-fetch-failed', `${url} could not be fetched: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/** Writes bytes to a file, from its beginning, and gives their SHA512. */
async function save(bytes: AsyncIterable<Uint8Array>, path: string, name: string): Promise<string> {
  const hash = createHash('sha512');
  let size = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      size += piece.byteLength;
      if (size > MAXIMUM_SOURCE_BYTES) {
        throw new AppError(
          'source-too-large',
          `${name} has more than ${MAXIMUM_SOURCE_BYTES} bytes.`,
        );
      }
      hash.update(piece);
      yield piece;
    }
  }
  await rm(path, { force: true });
  await pipeline(Readable.from(counted()), createWriteStream(path, { flags: 'wx' }));
  return hash.digest('hex');
}

function checkDigest(name: string, found: string, expected: string): void {
  if (found !== expected) {
    throw new AppError(
      'source-digest-mismatch',
      `${name} has the SHA512 ${found}, and should have ${expected}.`,
      { details: { found, expected } },
    );
  }
}

/** GNU tar finds out the compression itself, and keeps names with `..` and links out of the folder from escaping. */
async function unpack(job: JobContext, archive: string, into: string): Promise<void> {
  const command = ['tar', '--extract', '--file', archive, '--directory', into];
  const safely = ['--no-same-owner', '--no-same-permissions', '--no-overwrite-dir'];
  const exitCode = await runBuildProcess([...command, ...safely], {
    cwd: into,
    env: job.environment,
    log: job.log,
    traces: job.traces,
    folder: job.folder,
    signal: job.signal,
  });
  if (exitCode !== 0) {
    throw new AppError(
      'source-not-unpacked',
      `tar could not unpack the source: ${await explainFailure(job.log.path)}`,
    );
  }
}

async function onlyFolderIn(work: string): Promise<string> {
  const entries = await readdir(work, { withFileTypes: true });
  const [only] = entries;
  return entries.length === 1 && only?.isDirectory() === true ? join(work, only.name) : work;
}
