import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { AppError, isAppError } from '../../support/errors.ts';
import type { CommandContext } from '../command-context.ts';
import { counted, formatDuration } from '../format.ts';
import { projectRoot } from '../project-root.ts';
import type { ServerClient } from '../server-client.ts';
import { type ChildProgram, lastLines } from './child-program.ts';
import { sayFarewell } from './farewell.ts';
import {
  connectToServer,
  type Launch,
  runningServer,
  startAgentChild,
  startServerChild,
  waitForAgent,
} from './running-farm.ts';
import {
  buildOutcome,
  buildSample,
  checkSample,
  profileNames,
  promoteSample,
  publishSample,
  SAMPLE_ATOM,
  type SampleCheck,
  type SampleContext,
} from './sample-build.ts';
import { createSteps, type Steps } from './steps.ts';
import {
  chooseExecutor,
  makePrefix,
  prepareWorkFolder,
  type SampleExecutor,
  type WorkFolder,
  workFolderAt,
} from './work-folder.ts';

const STEPS = 7;
const MAX_SLOTS = 4;
const TAIL_LINES = 20;
const TESTING = 'testing';
const STABLE = 'stable';

export interface QuickstartOptions {
  readonly folder: string;
  /** Stop after the check instead of serving on. */
  readonly once: boolean;
  /** Aborts when somebody wants it to end. */
  readonly signal: AbortSignal;
  /** Handed each child as it starts, so that the caller can kill it when all else fails. */
  readonly onChild: (child: ChildProgram) => void;
}

/**
 * The whole product on one machine, once through: server, agent, sample build for every profile, publication,
 * promotion, and a client that checks everything. Its children never outlive it. After the check it serves on until
 * `signal` aborts, unless `once`.
 *
 * Throws `quickstart-running` when a quickstart serves this folder already, `quickstart-step-failed`, `interrupted`,
 * `program-ended` when a child ends while it serves on.
 */
export async function runQuickstart(
  options: QuickstartOptions,
  context: CommandContext,
): Promise<void> {
  const work = workFolderAt(resolve(context.cwd, options.folder));
  await refuseSecond(work);
  const stop = stopController(options.signal);
  const children: ChildProgram[] = [];
  const launch: Launch = {
    work,
    program: [process.execPath, join(projectRoot(), 'dist', 'main.js')],
    clock: context.clock,
    signal: stop.signal,
  };
  const track = (child: ChildProgram): ChildProgram => {
    children.push(child);
    options.onChild(child);
    child.ended.addEventListener('abort', () => {
      stop.abort(child.ended.reason);
    });
    return child;
  };
  try {
    await runSteps({ ...context, launch, track }, options.once);
    if (!options.once) {
      context.output.note('Serving until Ctrl-C.');
      await serveUntilStopped(stop.signal);
    }
  } catch (error) {
    if (!isAppError(error, 'interrupted')) {
      await showLogs(children, context);
    }
    throw error;
  } finally {
    for (const child of children.toReversed()) {
      await child.stop();
    }
  }
}

async function refuseSecond(work: WorkFolder): Promise<void> {
  const url = await runningServer(work);
  if (url !== undefined) {
    throw new AppError(
      'quickstart-running',
      `A quickstart is running in ${work.folder} already: see ${url}`,
      { details: { url } },
    );
  }
}

function stopController(signal: AbortSignal): AbortController {
  const stop = new AbortController();
  signal.addEventListener('abort', () => {
    stop.abort(signal.reason);
  });
  if (signal.aborted) {
    stop.abort(signal.reason);
  }
  return stop;
}

interface Run extends CommandContext {
  readonly launch: Launch;
  readonly track: (child: ChildProgram) => ChildProgram;
}

async function runSteps(run: Run, isOnce: boolean): Promise<void> {
  const { output, clock, launch } = run;
  const startedAt = clock.now();
  const steps = createSteps(run, launch.signal, STEPS);
  const executor = chooseExecutor(run.env['PATH'] ?? '');
  await prepare(run, steps, executor);
  const client = await startFarm(run, steps, executor);
  const sample: SampleContext = { client, output, clock, signal: launch.signal };
  const profiles = await profileNames(client);
  const check = await buildAndPublish(steps, sample, profiles);
  if (!isOnce) {
    await sayFarewell(client, profiles, output);
  }
  const summary = [
    `quickstart: ok - ${counted(check.packages, 'package')} for ${counted(profiles.length, 'profile')}`,
    `built with ${executor}`,
    `published ${TESTING} and ${STABLE}`,
    counted(check.checks, 'check'),
    formatDuration(clock.now() - startedAt),
  ];
  output.line(summary.join(', '));
}

async function prepare(run: Run, steps: Steps, executor: SampleExecutor): Promise<void> {
  const { work } = run.launch;
  await steps.run(
    `prepare ${work.folder}`,
    async () => {
      await prepareWorkFolder(work, projectRoot(), executor);
    },
    () =>
      executor === 'portage'
        ? 'the sample will be built by Portage: emerge is on PATH'
        : 'the sample will be built by the source executor: no emerge on PATH',
  );
}

async function startFarm(run: Run, steps: Steps, executor: SampleExecutor): Promise<ServerClient> {
  const { launch, track, clock } = run;
  const { server, client } = await steps.run(
    'start the server',
    async () => {
      const child = track(await startServerChild(launch));
      return { server: child, client: await connectToServer(child, launch) };
    },
    (farm) => `${farm.client.url}, its log is ${farm.server.logFile}`,
  );
  await steps.run(
    'start an agent on this machine',
    async () => {
      if (executor === 'portage') {
        for (const profile of await profileNames(client)) {
          await makePrefix(launch.work, projectRoot(), profile, launch.signal);
        }
      }
      const startedAt = clock.now();
      const slots = Math.min(MAX_SLOTS, availableParallelism());
      const agent = track(await startAgentChild(client.url, slots, launch));
      return await waitForAgent(client, [server, agent], startedAt, launch);
    },
    (agent) => agent,
  );
  return client;
}

async function buildAndPublish(
  steps: Steps,
  sample: SampleContext,
  profiles: readonly string[],
): Promise<SampleCheck> {
  const requests = await steps.run(
    `build ${SAMPLE_ATOM} for ${profiles.join(' and ')}`,
    async () => await buildSample(sample, profiles),
    buildOutcome,
  );
  await steps.run(
    `publish on ${TESTING}`,
    async () => await publishSample(sample, requests, TESTING),
    (outcome) => outcome,
  );
  await steps.run(
    `promote to ${STABLE}`,
    async () => await promoteSample(sample, profiles, { from: TESTING, to: STABLE }),
    (outcome) => outcome,
  );
  return await steps.run(
    'fetch and verify everything as a client',
    async () => {
      const check = await checkSample(sample, profiles, STABLE);
      for (const kind of check.ran) {
        sample.output.note(`      ${kind}`);
      }
      for (const kind of check.skipped) {
        sample.output.note(`      NOT checked: ${kind}`);
      }
      return check;
    },
    ({ checks, packages }) =>
      `${counted(checks, 'check')} of ${counted(packages, 'package')}, nothing wrong`,
  );
}

/** Resolves when somebody wants it to end, rejects when a child has ended. */
async function serveUntilStopped(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await once(signal, 'abort');
  }
  if (!isAppError(signal.reason, 'interrupted')) {
    throw signal.reason;
  }
}

async function showLogs(
  children: readonly ChildProgram[],
  { output }: CommandContext,
): Promise<void> {
  for (const { name, logFile } of children) {
    output.note(`--- the last lines of the ${name}, ${logFile}`);
    for (const line of await lastLines(logFile, TAIL_LINES)) {
      output.note(`    ${line}`);
    }
  }
}
