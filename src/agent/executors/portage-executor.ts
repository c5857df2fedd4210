import { closeSync, openSync } from 'node:fs';
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { problemText } from '../../gentoo/plan-problem.ts';
import { type PortagePlan, portagePlanSchema } from '../../gentoo/portage-plan.ts';
import type { LeaseMessage } from '../../protocol/agents.ts';
import { AppError } from '../../support/errors.ts';
import { runBuildProcess } from '../build-process.ts';
import { filesBelow } from '../image-files.ts';
import {
  COMPILES_ALONE,
  hasCompiler,
  isUsableByPortage,
  type SharedCompiling,
  shareCompiling,
} from '../sharing/share-compiling.ts';
import { removeTree } from '../work-folder.ts';
import { whileRootIsHeld } from './build-root-lock.ts';
import { excludedFromBinaries, packageNameOf } from './excluded-atoms.ts';
import type { JobContext, JobExecutor, JobOutput } from './executor.ts';
import { explainFailure } from './explain-failure.ts';
import { buildFailure } from './failure-code.ts';
import { type PortageFolders, renderConfiguration } from './render-configuration.ts';
import { type RootAccess, withRoot } from './root-access.ts';
import { keepIndexFor } from './staged-packages.ts';
import { withPhasesNoted } from './watch-phases.ts';

const PLAN_FOLDER = join(import.meta.dirname, '../portage');
const PLAN_PROGRAM = 'emerge_plan.py';
/** What it imports, and itself. */
const PLAN_FILES = [PLAN_PROGRAM, 'plan_problems.py'];
/**
 * What else is installed there may have been built against a library that this job changes. The request builds it
 * again in a job of its own, if it is the farm's; it is no part of this one.
 */
const IGNORE_REBUILDS = '--ignore-built-slot-operator-deps=y';
const MAXIMUM_PLAN_BYTES = 256 * 1024 * 1024;
/** Ends with 0 where this Portage can write its status. What it says would be the first error of a build that fails. */
const KNOWS_OBSERVABILITY = [
  'import sys',
  'try:',
  '    from portage.const import SUPPORTED_FEATURES as known',
  'except ImportError:',
  '    sys.exit(2)',
  "sys.exit('observability' not in known)",
].join('\n');
/** Dependencies are installed as binaries wherever one fits what the profile asks for. */
const BINARY_OPTIONS = [
  '--getbinpkg',
  '--usepkg',
  '--binpkg-respect-use=y',
  '--binpkg-changed-deps=y',
];

/**
 * Builds with real Portage: makes plans with its resolver and packages with emerge, in the profile's build root.
 * Jobs in the same root run one after another.
 */
export function createPortageExecutor(): JobExecutor {
  return {
    name: 'portage',
    execute: async (job) =>
      await withRoot(job.lease.profile.buildRoot, job, async (root) =>
        whileRootIsHeld(root, job, async (lock) => await executeIn(root, job, lock)),
      ),
  };
}

async function executeIn(root: RootAccess, job: JobContext, lock: number): Promise<JobOutput> {
  const { stagingPath, work } = job.lease;
  const binhost = `${job.server}${stagingPath.replace(/\/+$/, '')}`;
  const shared = work.kind === 'plan' ? COMPILES_ALONE : await sharedIn(root, job);
  try {
    return await executeWith(root, job, { lock, binhost, shared });
  } finally {
    shared.close();
  }
}

async function sharedIn(root: RootAccess, job: JobContext): Promise<SharedCompiling> {
  const { profile } = job.lease;
  const isChroot = profile.buildRoot.kind === 'chroot';
  const cache = isChroot ? join(root.eroot, 'var/cache/rookery-ccache') : job.sharing.folder;
  return await shareCompiling({
    ...job,
    parts: job.sharing,
    folder: root.folder,
    cacheFolder: join(cache, profile.name),
    inside: root.inside,
    isUsable: async (program) =>
      (await isUsableByPortage(root, program)) &&
      (program === 'ccache' || (await hasCompiler(root, job.sharing.compiler))),
  });
}

async function executeWith(
  root: RootAccess,
  job: JobContext,
  {
    lock,
    binhost,
    shared,
  }: { readonly lock: number; readonly binhost: string; readonly shared: SharedCompiling },
): Promise<JobOutput> {
  const { profile, stagingPath, work } = job.lease;
  const { publicKey } = job;
  const folders = await renderConfiguration({ root, profile, binhost, publicKey, shared });
  job.log.note(`Building for ${profile.name} in the root ${root.path}.`);
  const portage = new PortageCommands(root, folders, { job, lock });
  const { hostname } = new URL(job.server);
  const cachedIndex = join(root.eroot, 'var/cache/edb/binhost', hostname, stagingPath);
  job.traces.addFolder(cachedIndex);
  job.limits.addFolder(root.folder);
  try {
    await keepIndexFor(job, cachedIndex);
    if (work.kind === 'plan') {
      await makePlan(portage, work);
      return { kind: 'plan' };
    }
    if (work.kind === 'portage-package') {
      return { kind: 'package', path: await buildPackage(portage, folders, work) };
    }
    throw new Error('source packages are built by the other executor');
  } finally {
    await removeTree(cachedIndex);
  }
}

type PlanWork = Extract<LeaseMessage['work'], { kind: 'plan' }>;
type PackageWork = Extract<LeaseMessage['work'], { kind: 'portage-package' }>;

/** The server may want packages planned anew that have changed; each time there are more of those, so it comes to an end. */
const MOST_PLANS = 20;

/** Makes a plan and hands it in, until the server takes it as it is. Throws `plan-unstable`. */
async function makePlan(portage: PortageCommands, work: PlanWork): Promise<void> {
  const { lease, connection, log, signal } = portage.job;
  const again = work.rebuild ? work.atoms : work.anew;
  const anew = new Set(excludedFromBinaries(again, lease.profile.sets));
  if (work.sync) {
    await portage.sync();
  }
  for (let count = 0; count < MOST_PLANS; count += 1) {
    const plan = await portage.plan([
      ...BINARY_OPTIONS,
      ...work.resolve.map((option) => `--${option}`),
      ...rebuilt([...anew]),
      ...work.atoms,
    ]);
    const changed = (await connection.sendPlan(lease, plan, signal)).filter(
      (name) => !anew.has(name),
    );
    if (changed.length === 0) {
      return;
    }
    log.note(`Planning again: what these are made from has changed: ${changed.join(' ')}`);
    for (const name of changed) {
      anew.add(name);
    }
  }
  throw new AppError(
    'plan-unstable',
    `After ${MOST_PLANS} plans there are still packages that have changed: ${[...anew].join(' ')}.`,
  );
}

/** Of these packages and sets of Portage's own, neither a binary nor what is installed will do. */
function rebuilt(anew: readonly string[]): string[] {
  const names = anew.filter((name) => !name.startsWith('@')).join(' ');
  const sets = anew.filter((name) => name.startsWith('@')).join(' ');
  return [
    ...(names === '' ? [] : ['--usepkg-exclude', names, '--reinstall-atoms', names]),
    ...(sets === '' ? [] : ['--anew', sets]),
  ];
}

/** Builds one package; everything else that it needs has to come from the staging binhost. */
async function buildPackage(
  portage: PortageCommands,
  folders: PortageFolders,
  work: PackageWork,
): Promise<string> {
  const options = [
    '--oneshot',
    '--buildpkg',
    ...BINARY_OPTIONS,
    IGNORE_REBUILDS,
    '--usepkg-exclude',
    packageNameOf(`=${work.cpv}`),
  ];
  const target = `=${work.cpv}::${work.repo}`;
  const plan = await planPackage(portage, [...options, target], work);
  checkOnlyTarget(plan, work.cpv);
  const outdated = outdatedOf(plan, work.cpv);
  const words = [...options, target, ...outdated];
  if (outdated.length > 0) {
    checkOnlyTarget(await portage.plan(words), work.cpv);
  }
  const { eroot } = portage.root;
  await withPhasesNoted({ eroot, cpv: work.cpv, log: portage.job.log }, async () => {
    await portage.emerge(words);
  });
  return await thePackageIn(folders.packages, work.cpv);
}

/** When this tree has no such ebuild, the plan was made with a newer one. */
async function planPackage(
  portage: PortageCommands,
  words: readonly string[],
  { sync = false }: PackageWork,
): Promise<PortagePlan> {
  const plan = await portage.plan(words);
  if (plan.ok || !sync) {
    return plan;
  }
  await portage.sync();
  return await portage.plan(words);
}

/** What the package is built with and is installed as another build than the staged one: that is taken instead. */
function outdatedOf(plan: PortagePlan, cpv: string): string[] {
  const builtWith = plan.packages.find((entry) => entry.cpv === cpv)?.builtWith ?? [];
  return builtWith.filter(({ isOutdated }) => isOutdated).map((entry) => `=${entry.cpv}`);
}

/**
 * Throws `plan-failed` when Portage finds no way, and `dependency-not-staged` when it would build anything but the
 * target from source.
 */
function checkOnlyTarget(plan: PortagePlan, cpv: string): void {
  if (!plan.ok) {
    throw new AppError('plan-failed', plan.problems.map(problemText).join(' '), {
      details: { problems: plan.problems },
    });
  }
  const built = plan.packages.filter((entry) => entry.type === 'ebuild').map((entry) => entry.cpv);
  const others = built.filter((name) => name !== cpv);
  if (others.length > 0) {
    throw new AppError(
      'dependency-not-staged',
      `To build ${cpv}, Portage would also have to compile ${others.join(', ')}: the staging binhost has no package of it that fits.`,
      { details: { packages: others } },
    );
  }
  if (built.length === 0) {
    throw new AppError('plan-failed', `Portage would not build ${cpv} from its ebuild.`);
  }
}

async function thePackageIn(folder: string, cpv: string): Promise<string> {
  const found = (await filesBelow(folder)).filter((name) => name.endsWith('.gpkg.tar'));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new AppError(
      'package-missing',
      `emerge has packed ${found.length} packages where it should have packed just ${cpv}: ${found.join(', ')}`,
      { details: { packages: found } },
    );
  }
  return join(folder, only);
}

/** Updates the repositories of repos.conf, those with `auto-sync = no` left out. */
const SYNC =
  'if command -v emaint >/dev/null; then exec emaint sync --auto; else exec emerge --sync; fi';

/** The programs that a job runs, with the same configuration and options for all. */
class PortageCommands {
  readonly job: JobContext;
  readonly root: RootAccess;
  readonly #lock: number;
  readonly #environment: Readonly<Record<string, string>>;

  constructor(
    root: RootAccess,
    folders: PortageFolders,
    work: { readonly job: JobContext; readonly lock: number },
  ) {
    this.job = work.job;
    this.#lock = work.lock;
    this.root = root;
    this.#environment = {
      ...root.environment,
      PORTAGE_CONFIGROOT: root.inside(folders.config),
    };
  }

  /** Updates the ebuild trees. Throws `sync-failed`. */
  async sync(): Promise<void> {
    this.job.log.note('Syncing the ebuild trees.');
    const exitCode = await this.#run(['sh', '-c', SYNC]);
    if (exitCode !== 0) {
      throw new AppError(
        'sync-failed',
        `The ebuild trees could not be synced (exit code ${exitCode}): ${await explainFailure(this.job.log.path)}`,
        { details: { exitCode } },
      );
    }
  }

  /** Throws `plan-program-failed`. */
  async plan(words: readonly string[]): Promise<PortagePlan> {
    const program = join(this.root.folder, PLAN_PROGRAM);
    const answer = join(this.root.folder, 'plan.json');
    for (const name of PLAN_FILES) {
      await copyFile(join(PLAN_FOLDER, name), join(this.root.folder, name));
    }
    const stdout = openSync(answer, 'w');
    try {
      const command = ['python3', this.root.inside(program), ...words];
      const exitCode = await this.#run(command, stdout);
      if (exitCode !== 0) {
        throw new AppError(
          'plan-program-failed',
          `The plan program ended with ${exitCode}: ${await explainFailure(this.job.log.path)}`,
        );
      }
    } finally {
      closeSync(stdout);
    }
    return await readPlan(answer);
  }

  /** Throws `build-failed`, `disk-full`, `out-of-memory`, `fetch-failed`. */
  async emerge(words: readonly string[]): Promise<void> {
    const command = ['emerge', '--ask=n', '--color=n', '--nospinner', '--verbose', ...words];
    this.job.log.note(command.join(' '));
    const exitCode = await this.#run(command, undefined, await this.#statusFeature());
    if (exitCode !== 0) {
      const logPath = this.job.log.path;
      throw await buildFailure('emerge', exitCode, { logPath, folder: this.root.folder });
    }
  }

  /** FEATURES in the environment is added to that of the configuration; an unknown word there makes Portage warn. */
  async #statusFeature(): Promise<Readonly<Record<string, string>>> {
    const exitCode = await this.#run(['python3', '-c', KNOWS_OBSERVABILITY]);
    return exitCode === 0 ? { FEATURES: 'observability' } : {};
  }

  async #run(
    command: readonly string[],
    stdout?: number,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    return await runBuildProcess(this.root.command(command), {
      cwd: this.root.folder,
      env: { ...this.#environment, ...environment },
      log: this.job.log,
      traces: this.job.traces,
      folder: this.root.folder,
      signal: this.job.signal,
      keptOpen: this.#lock,
      ...(stdout === undefined ? {} : { stdout }),
    });
  }
}

async function readPlan(path: string): Promise<PortagePlan> {
  const { size } = await stat(path);
  if (size > MAXIMUM_PLAN_BYTES) {
    throw new AppError('plan-too-large', `The plan has ${size} bytes, more than can be read.`);
  }
  return portagePlanSchema.parse(JSON.parse(await readFile(path, 'utf8')));
}
