import { join } from 'node:path';
import { openByteSource } from '../../binpkg/byte-source.ts';
import { decompress, isCompressionSuffix } from '../../binpkg/compression.ts';
import { verifyGpkg } from '../../binpkg/gpkg/verify.ts';
import { DEFAULT_LIMITS } from '../../binpkg/limits.ts';
import { filterThrough } from '../../support/filters.ts';
import type { JobContext } from './executor.ts';
import { fetchStaged, type StagedPackage, selectStaged } from './staged-packages.ts';

/**
 * Unpacks the images of the packages that are needed to build into one folder. What the staging binhost does not
 * have is expected on the machine itself, and noted in the log.
 *
 * Throws `staged-package-damaged`, and what `verifyGpkg` throws.
 */
export async function fillSysroot(
  job: JobContext,
  sysroot: string,
  options: { readonly depend: readonly string[]; readonly staged: readonly StagedPackage[] },
): Promise<void> {
  for (const atom of options.depend) {
    if (selectStaged([atom], options.staged).length === 0) {
      job.log.note(`${atom} is not in the staging binhost; the build uses what the machine has.`);
    }
  }
  for (const staged of selectStaged(options.depend, options.staged)) {
    job.log.note(`Unpacking ${staged.cpv} for the build.`);
    const path = join(job.folder, 'dependency.gpkg.tar');
    await fetchStaged(job, staged, path);
    await unpackImage(job, path, sysroot);
  }
}

async function unpackImage(job: JobContext, path: string, sysroot: string): Promise<void> {
  const source = await openByteSource(path);
  try {
    const { imageMember } = await verifyGpkg(source, { signal: job.signal, clock: job.clock });
    const suffix = imageMember.name.replace(/^image\.tar\.?/, '');
    if (!isCompressionSuffix(suffix)) {
      throw new Error(`verified package with the image ${imageMember.name}`);
    }
    const image = decompress(suffix, source.stream(imageMember.offset, imageMember.size), {
      name: imageMember.name,
      maxBytes: DEFAULT_LIMITS.imageBytes,
      signal: job.signal,
    });
    const command = ['tar', '--extract', '--file', '-', '--directory', sysroot];
    const options = ['--strip-components=1', '--no-same-owner', '--no-overwrite-dir'];
    const said = filterThrough([...command, ...options], image, {
      env: job.environment,
      signal: job.signal,
    });
    for await (const piece of said) {
      job.log.note(piece.toString('utf8'));
    }
  } finally {
    await source.close();
  }
}
