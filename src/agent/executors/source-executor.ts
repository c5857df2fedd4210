import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scanImage } from '../../binpkg/elf/scan-image.ts';
import { writeGpkg } from '../../binpkg/gpkg/write.ts';
import { packImage } from '../../binpkg/image.ts';
import { type Cpv, parseCpv } from '../../gentoo/cpv.ts';
import { phpPrefix } from '../../gentoo/php-build.ts';
import type { Recipe } from '../../gentoo/recipe.ts';
import { packPhp } from '../../phptree/pack-php.ts';
import type { LeaseMessage } from '../../protocol/agents.ts';
import { epochSeconds } from '../../support/clock.ts';
import { AppError } from '../../support/errors.ts';
import { namesIn } from '../../support/files.ts';
import { runBuildProcess } from '../build-process.ts';
import { findProgram } from '../programs.ts';
import { makeWrappers, type SharedCompiling, shareCompiling } from '../sharing/share-compiling.ts';
import type { JobContext, JobExecutor } from './executor.ts';
import { buildFailure } from './failure-code.ts';
import { fillSysroot } from './fill-sysroot.ts';
import { packageFiles } from './package-files.ts';
import {
  eprefixOf,
  findToolchain,
  recipeEnvironment,
  resolveFlags,
  type SourceFolders,
} from './recipe-environment.ts';
import { prepareSource } from './source-tree.ts';
import { bindSlots, readStaging, type StagedPackage } from './staged-packages.ts';
import { stripImage } from './strip-image.ts';

type SourceWork = Extract<LeaseMessage['work'], { kind: 'source-package' }>;

const AS_BUILT = {
  without: [],
  phpIni: undefined,
  fpmConf: undefined,
  extensions: undefined,
};

/** Builds packages from recipes, on any machine with a compiler. */
export function createSourceExecutor(): JobExecutor {
  return {
    name: 'source',
    execute: async (job) => {
      const { profile, work } = job.lease;
      if (work.kind !== 'source-package') {
        throw new Error(`${work.kind} jobs are done by the other executor`);
      }
      if (profile.buildRoot.kind === 'chroot') {
        throw new AppError(
          'build-root-unsupported',
          `Recipes are built on the machine itself; the profile ${profile.name} asks for the chroot ${profile.buildRoot.path}.`,
        );
      }
      const kind = work.tree === undefined ? 'package' : 'tree';
      return { kind, path: await buildFromRecipe(job, work) };
    },
  };
}

async function buildFromRecipe(job: JobContext, work: SourceWork): Promise<string> {
  const { recipe } = work;
  const cpv = parseCpv(recipe.cpv);
  job.log.note(`Building ${recipe.cpv} for ${job.lease.profile.name} from its recipe.`);
  const folders = await makeFolders(job.folder);
  const needs = [...recipe.depend, ...recipe.rdepend];
  const staged = needs.length === 0 ? [] : await readStaging(job);
  await fillSysroot(job, folders.sysroot, { depend: recipe.depend, staged });
  const source = await prepareSource(job, recipe, {
    sha512: work.sourceSha512,
    work: folders.work,
    p: cpv.p,
  });
  const shared = await shareCompiling({
    ...job,
    parts: job.sharing,
    cacheFolder: join(job.sharing.folder, job.lease.profile.name),
    inside: (path) => path,
    isUsable: async (program) => (await findProgram(program, job.environment)) !== undefined,
  });
  try {
    return await compile(job, { work, cpv, folders, source, staged, shared });
  } finally {
    shared.close();
  }
}

async function compile(
  job: JobContext,
  build: {
    readonly work: SourceWork;
    readonly cpv: Cpv;
    readonly folders: Omit<SourceFolders, 'source'>;
    readonly source: string;
    readonly staged: readonly StagedPackage[];
    readonly shared: SharedCompiling;
  },
): Promise<string> {
  const { cpv, folders, source, staged, shared } = build;
  const { recipe, tree } = build.work;
  const toolchain = await findToolchain(job.lease.profile, job.environment);
  const flags = resolveFlags(job.lease.profile.flags);
  const plain = recipeEnvironment({
    environment: job.environment,
    profile: job.lease.profile,
    cpv,
    folders: { ...folders, source },
    toolchain,
    flags,
    cores: job.cores,
    makeopts: shared.makeopts,
  });
  const wrapped = await makeWrappers(shared, {
    folder: join(job.folder, 'wrappers'),
    compilers: [toolchain.CC, toolchain.CXX].map((words) => words.split(' ')[0] ?? ''),
    environment: plain,
  });
  const environment = { ...plain, ...shared.variables, ...wrapped };
  const lines = { job, folders: { ...folders, source }, environment };
  await runLines('build', recipe.build, lines);
  await runLines('install', recipe.install, lines);
  await checkImage(folders.image, cpv);
  const stripped = await stripImage(folders.image, toolchain.STRIP, environment);
  job.log.note(`Stripped ${stripped.length} files.`);
  return tree === undefined
    ? await pack(job, { recipe, cpv, folders, flags, staged })
    : await packTree(job, folders, tree);
}

async function makeFolders(folder: string): Promise<Omit<SourceFolders, 'source'>> {
  const folders = {
    work: join(folder, 'work'),
    image: join(folder, 'image'),
    temporary: join(folder, 'temp'),
    sysroot: join(folder, 'sysroot'),
  };
  for (const path of [...Object.values(folders), join(folders.temporary, 'home')]) {
    await mkdir(path);
  }
  return folders;
}

/** Runs the lines of one phase in one shell, in S. Throws what `buildFailure` makes of it. */
async function runLines(
  phase: 'build' | 'install',
  lines: readonly string[],
  context: {
    readonly job: JobContext;
    readonly folders: SourceFolders;
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<void> {
  if (lines.length === 0) {
    return;
  }
  const { job, folders, environment } = context;
  const script = join(folders.temporary, `${phase}.sh`);
  await writeFile(script, `${lines.join('\n')}\n`);
  job.log.note(`${phase}:`);
  const exitCode = await runBuildProcess(['sh', '-eux', script], {
    cwd: folders.source,
    env: environment,
    log: job.log,
    traces: job.traces,
    folder: job.folder,
    signal: job.signal,
  });
  if (exitCode !== 0) {
    const place = { logPath: job.log.path, folder: job.folder, phase };
    throw await buildFailure(`The ${phase} lines of the recipe`, exitCode, place);
  }
}

async function checkImage(image: string, cpv: Cpv): Promise<void> {
  if ((await namesIn(image)).length === 0) {
    throw new AppError('image-empty', `The install lines of ${cpv.cpv} have put nothing into D.`);
  }
}

/** The tree of the PHP that lies below D now. The agent runs it: the server never does. */
async function packTree(
  { folder, log }: JobContext,
  { image, temporary }: Omit<SourceFolders, 'source'>,
  { id, php }: NonNullable<SourceWork['tree']>,
): Promise<string> {
  const place = join(temporary, 'tree');
  await mkdir(place);
  const { file, size } = await packPhp({
    image: join(image, phpPrefix(id)),
    folder: place,
    build: { kind: 'build', sources: [], agent: null },
    options: { ...AS_BUILT, version: php },
  });
  const out = join(folder, `${id}.tar`);
  await rename(file, out);
  log.note(`Packed the PHP tree ${id}, ${size} bytes.`);
  return out;
}

async function pack(
  job: JobContext,
  built: {
    readonly recipe: Recipe;
    readonly cpv: Cpv;
    readonly folders: Omit<SourceFolders, 'source'>;
    readonly flags: Readonly<Record<string, string>>;
    readonly staged: readonly StagedPackage[];
  },
): Promise<string> {
  const { recipe, cpv, folders, flags, staged } = built;
  const buildTimeSeconds = epochSeconds(job.clock);
  const image = await packImage(folders.image);
  const metadata = packageFiles({
    cpv,
    recipe,
    profile: job.lease.profile,
    flags,
    depend: bindSlots(recipe.depend, staged),
    rdepend: bindSlots(recipe.rdepend, staged),
    elf: await scanImage(folders.image),
    installedBytes: image.installedBytes,
    buildTimeSeconds,
    eprefix: eprefixOf(job.lease.profile),
  });
  const out = join(job.folder, `${cpv.pf}.gpkg.tar`);
  await rm(out, { force: true });
  const { size } = await writeGpkg({
    base: cpv.pf,
    metadata,
    image: image.stream(),
    threads: job.cores,
    out,
    workFolder: folders.temporary,
    mtimeSeconds: buildTimeSeconds,
  });
  job.log.note(`Packed ${image.regularFiles} files, ${size} bytes.`);
  return out;
}
