/** The command lines of the programs that a developer starts by hand. */
import { Command, Option } from 'commander';
import { parseCount } from '../src/cli/command-context.ts';
import { ROLLOUT_KINDS, type RolloutKind } from '../src/fleet/plan/plan.ts';
import { parseFromZero, parseSeconds, type Tool } from './command-line.ts';
import type { Executor } from './stress/judged-packages.ts';
import type { Engine } from './stress/judged-world.ts';

export interface SimulateFarmOptions {
  readonly jobs: number;
  readonly agents: number;
  readonly seed: number;
  readonly runs: number;
}

export function simulateFarmTool(): Tool<SimulateFarmOptions> {
  const command = toolCommand(
    'simulate-farm',
    'Runs the rules of the build room against simulated agents that vanish, lie, come back late and have wrong clocks. Fails at the first breach of what must hold; the seed repeats it.',
    ['--jobs 1000 --agents 50', '--jobs 100000 --agents 5000 --seed 17 --runs 3'],
  )
    .option('--jobs <n>', 'packages to build', parseCount, 100_000)
    .option('--agents <n>', 'agents that build them', parseCount, 5000)
    .option('--seed <n>', 'of the first run; each further run has the next one', parseFromZero, 1)
    .option('--runs <n>', 'runs, one after the other', parseCount, 1);
  return { command, options: () => command.opts<SimulateFarmOptions>() };
}

export interface SimulateRolloutsOptions {
  /** Small fleets: the first seed, and the last. */
  readonly small?: { readonly first: number; readonly last: number };
  /** Or large ones, one for each kind. */
  readonly large?: {
    readonly nodes: number;
    readonly farms: number;
    readonly seed: number;
    readonly kinds: readonly RolloutKind[];
  };
}

export function simulateRolloutsTool(): Tool<SimulateRolloutsOptions> {
  const command = toolCommand(
    'simulate-rollouts',
    'Has the engine carry out rollouts on simulated fleets whose nodes fail, die and answer late, whose balancers forget, and whose controller is killed. Every invariant is asserted at every event. Says each seed with which one breaks, and ends with 1 then.',
    ['--seeds 20', '--seed 416', '--nodes 10000 --farms 625 --kind os-disruptive'],
  )
    .option('--seeds <n>', 'small fleets, each of a seed of its own', parseCount, 100)
    .option('--from <n>', 'the first of these seeds', parseCount, 1)
    .addOption(
      new Option('--seed <n>', 'this seed alone; of a large fleet: its seed (default: 1)')
        .argParser(parseCount)
        .conflicts(['seeds', 'from']),
    )
    .addOption(
      new Option('--nodes <n>', 'instead of small fleets a large one of so many nodes')
        .argParser(parseCount)
        .conflicts(['seeds', 'from']),
    )
    .option('--farms <n>', 'farms of a large fleet', parseCount, 625)
    .addOption(
      new Option(
        '--kind <kinds...>',
        'rollouts of a large fleet (default: each kind, one after the other)',
      ).choices(ROLLOUT_KINDS),
    );
  return { command, options: () => rolloutsOf(command) };
}

function rolloutsOf(command: Command): SimulateRolloutsOptions {
  const { seeds, from, seed, nodes, farms, kind } = command.opts<{
    readonly seeds: number;
    readonly from: number;
    readonly seed?: number;
    readonly nodes?: number;
    readonly farms: number;
    readonly kind?: readonly RolloutKind[];
  }>();
  if (nodes !== undefined) {
    const kinds = ROLLOUT_KINDS.filter((one) => kind?.includes(one) ?? true);
    return { large: { nodes, farms, seed: seed ?? 1, kinds } };
  }
  for (const name of ['farms', 'kind']) {
    if (command.getOptionValueSource(name) === 'cli') {
      command.error(`error: option '--${name}' is of a large fleet: it needs --nodes`);
    }
  }
  return {
    small:
      seed === undefined ? { first: from, last: from + seeds - 1 } : { first: seed, last: seed },
  };
}

const EXECUTORS: readonly Executor[] = ['portage', 'source'];
const ENGINES: readonly Engine[] = ['sqlite', 'postgresql'];
/** Of PostgreSQL, where nothing else is said. */
const POSTMASTER_KILLS = 5;

export interface StressFarmOptions {
  readonly kills: number;
  readonly agents: number;
  readonly executor: Executor;
  readonly engine: Engine;
  readonly postmasterKills: number;
  readonly killEveryMs: number;
  readonly buildSeconds: number;
  readonly seed: number;
  readonly timed: boolean;
  readonly keep: boolean;
}

export function stressFarmTool(): Tool<StressFarmOptions> {
  const command = toolCommand(
    'stress-farm',
    'Has agents build a graph of packages again and again while agents, server and PostgreSQL get SIGKILL. It runs what "npm run build" made. Ends with 1 when something was lost, built twice or explained wrongly.',
    ['--executor source --kills 4 --agents 2', '--engine postgresql --kills 50'],
  )
    .option('--kills <n>', 'SIGKILLs for agents and the server', parseFromZero, 50)
    .option('--agents <n>', 'agents that build', parseCount, 4)
    .addOption(
      new Option('--executor <executor>', 'how they build: real Portage (as root), or recipes')
        .choices(EXECUTORS)
        .default('portage'),
    )
    .addOption(new Option('--engine <engine>', 'the database').choices(ENGINES).default('sqlite'))
    .option(
      '--postmaster-kills <n>',
      `SIGKILLs for PostgreSQL (default: ${POSTMASTER_KILLS} with it)`,
      parseFromZero,
    )
    .option('--kill-every-ms <ms>', 'milliseconds between kills, on average', parseCount, 4000)
    .option('--build-seconds <s>', 'seconds that compiling a package takes', parseSeconds, 3)
    .option(
      '--seed <n>',
      'of what is left to chance (default: another one each time)',
      parseFromZero,
    )
    .option('--timed', 'measure the wall time of all agents and of one first, undisturbed')
    .option('--keep', 'leave the folder of the run in place');
  return { command, options: () => farmOf(command) };
}

/** Options that have no value where they are not given. */
type Unsaid = 'seed' | 'postmasterKills' | 'timed' | 'keep';

function farmOf(command: Command): StressFarmOptions {
  const { seed, postmasterKills, timed, keep, ...given } = command.opts<
    Omit<StressFarmOptions, Unsaid> & Partial<Pick<StressFarmOptions, Unsaid>>
  >();
  if (given.engine === 'sqlite' && (postmasterKills ?? 0) > 0) {
    command.error("error: option '--postmaster-kills' needs --engine postgresql");
  }
  const usual = given.engine === 'postgresql' ? POSTMASTER_KILLS : 0;
  return {
    ...given,
    timed: timed === true,
    keep: keep === true,
    postmasterKills: postmasterKills ?? usual,
    seed: seed ?? Math.floor(Math.random() * 1_000_000_000),
  };
}

export interface StressPublicationsOptions {
  readonly publications: number;
  readonly keepLast?: number;
  readonly readEvery: number;
}

export function stressPublicationsTool(): Tool<StressPublicationsOptions> {
  const command = toolCommand(
    'stress-publications',
    'Publishes, promotes and rolls back while readers look on disk, over HTTP, from nginx and in a mirror. Each publication needs some 20 KiB of disk and 8 inodes, twice. SIGINT ends it early, with its report. Ends with 1 when a reader tripped over something.',
    ['200', '100000 --keep-last 20 --read-every 150'],
  )
    .argument('[publications]', 'how many are made', parseCount, 100_000)
    .option(
      '--keep-last <n>',
      'collect all but so many publications of each channel (default: nothing is collected)',
      parseCount,
    )
    .option('--read-every <ms>', 'milliseconds between two looks of a reader', parseCount, 1);
  return {
    command,
    options: () => {
      const publications: number = command.processedArgs[0];
      return { ...command.opts<Omit<StressPublicationsOptions, 'publications'>>(), publications };
    },
  };
}

/** Groups of claims of docs/performance.md. */
export const CLAIMS = [
  'small',
  'large',
  'sign',
  'publish',
  'gate',
  'serve',
  'php',
  'decide',
  'makespan',
  'farm',
  'plan',
  'engine',
] as const;
export type Claim = (typeof CLAIMS)[number];

/** Packages that need others need those of the first numbers (`makeRepository`), and nothing is published without them. */
const LEAST_OF_NEEDY = 1000;
const SIZES_OF_NEEDY: Readonly<Partial<Record<Claim, readonly ('small' | 'large')[]>>> = {
  publish: ['small', 'large'],
  gate: ['large'],
};

export interface BenchOptions {
  readonly only: readonly Claim[];
  readonly small: number;
  readonly large: number;
  readonly megabytes: number;
}

export function benchTool(): Tool<BenchOptions> {
  const command = toolCommand(
    'bench',
    'Measures what Rookery says of its speed, and prints a line for each claim: the medians of several runs of both sides, and the ratio. A peer that is not installed is named. See docs/performance.md.',
    ['--only small --small 300', '--only gate publish --large 2000'],
    'npm run bench --',
  )
    .addOption(
      new Option('--only <claims...>', 'measure these alone')
        .choices(CLAIMS)
        .default(CLAIMS, 'all'),
    )
    .option('--small <n>', 'packages of a small repository', parseCount, 2000)
    .option('--large <n>', 'packages of a large one', parseCount, 20_000)
    .option('--megabytes <n>', 'size of a large package, in megabytes', parseCount, 300);
  return { command, options: () => benchOf(command) };
}

function benchOf(command: Command): BenchOptions {
  const options = command.opts<BenchOptions>();
  for (const claim of options.only) {
    for (const size of SIZES_OF_NEEDY[claim] ?? []) {
      if (options[size] < LEAST_OF_NEEDY) {
        command.error(
          `error: ${claim} needs --${size} of ${LEAST_OF_NEEDY} packages or more, not ${options[size]}`,
        );
      }
    }
  }
  return options;
}

function toolCommand(
  name: string,
  purpose: string,
  examples: readonly string[],
  start = `node --import tsx scripts/${name}.ts`,
): Command {
  const shown = examples.map((words) => `\n  $ ${start} ${words}`).join('');
  return new Command(name)
    .description(purpose)
    .configureHelp({ commandUsage: (command) => `${start} ${command.usage()}` })
    .addHelpText('after', `\nExamples:${shown}`);
}
