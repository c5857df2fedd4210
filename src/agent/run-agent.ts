import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { AgentDescriptionMessage } from '../protocol/agents.ts';
import { systemClock } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { type Service, startAll, stopAll } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import { type BuildLoopContext, IdleNotice, runBuildLoop } from './build-loop.ts';
import { describeMachine } from './describe-machine.ts';
import { cleanEnvironment } from './environment.ts';
import type { JobExecutor } from './executors/executor.ts';
import { createPortageExecutor } from './executors/portage-executor.ts';
import { createSourceExecutor } from './executors/source-executor.ts';
import { ServerConnection } from './server-connection.ts';
import { CcacheRelay } from './sharing/ccache-relay.ts';
import { DistccDaemon } from './sharing/distcc-daemon.ts';
import { openWorkFolder } from './work-folder.ts';

export interface AgentOptions {
  /** URL of the server. */
  readonly server: string;
  /** Of the role builder. */
  readonly token: string;
  readonly name: string;
  /** For builds; this process has it alone. Other users must be able to pass through it when Portage drops rights. */
  readonly workFolder: string;
  /** Jobs at once. */
  readonly slots: number;
  /** Words that profiles may ask for. */
  readonly labels?: readonly string[];
  /** The only profiles that it serves; all when it is left out or empty. */
  readonly profiles?: readonly string[];
  readonly log: Log;
  /** Stops the agent; jobs under way are killed, and go to another agent when their lease has run out. */
  readonly signal: AbortSignal;
  /** Names of variables of this process's environment that builds see besides PATH. */
  readonly passEnvironment?: readonly string[];
  /** Compiles for the builds of other agents; absent when it does not. */
  readonly distccd?: DistccdSettings;
}

export interface DistccdSettings {
  /** IPv4 address that it listens on. */
  readonly listen: string;
  readonly port: number;
  /** How other agents call this machine; the address that it listens on by default. */
  readonly host?: string;
  /** Addresses and networks that may use it. */
  readonly allow: readonly string[];
  /** Files at once; as many as there are processors by default. */
  readonly jobs?: number;
}

/**
 * The process on a builder: registers, and does jobs until the signal aborts. Waits for a server that is away.
 *
 * Throws `server-url-invalid`, `agent-refused` when the server does not accept the token, `nothing-to-build-with`,
 * `distccd-failed`, `work-folder-in-use`, `build-still-running`, `invalid-environment-name`, `secret-environment-name`.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { log } = options;
  checkServerUrl(options.server);
  const environment = cleanEnvironment(options.passEnvironment ?? [], process.env);
  const folder = resolve(options.workFolder);
  const workFolder = await openWorkFolder(folder);
  const relay = new CcacheRelay(options);
  const services: Service[] = [relay];
  const { distccd } = options;
  if (distccd !== undefined) {
    const settings = { jobs: availableParallelism(), ...distccd };
    services.push(
      new DistccDaemon({ ...settings, folder: join(folder, 'distccd'), environment, log }),
    );
  }
  try {
    const description = await describe(options, environment, workFolder.path);
    await startAll(services);
    await workFor(options, {
      description,
      workFolder,
      environment,
      sharing: { relay, folder: join(folder, 'ccache') },
    });
  } finally {
    await stopAll(services);
    await workFolder.release();
  }
}

/** What others are told about the distccd of this agent. */
function distccdOf(settings: DistccdSettings | undefined): AgentDescriptionMessage['distccd'] {
  return settings === undefined
    ? null
    : {
        host: settings.host ?? settings.listen,
        port: settings.port,
        jobs: settings.jobs ?? availableParallelism(),
      };
}

async function workFor(
  options: AgentOptions,
  own: Pick<BuildLoopContext, 'description' | 'workFolder' | 'environment' | 'sharing'>,
): Promise<void> {
  const { log, signal } = options;
  const { description } = own;
  const connection = new ServerConnection({ ...options, agent: options.name });
  const registration = await registerUnlessStopped(connection, description, signal);
  if (registration === undefined) {
    return;
  }
  log.info({ agent: options.name, executors: description.executors }, 'agent registered');
  await runSlots(
    {
      ...own,
      connection,
      server: options.server.replace(/\/+$/, ''),
      registration,
      executors: createExecutors(description),
      cores: Math.max(1, Math.floor(availableParallelism() / options.slots)),
      clock: systemClock,
      idle: new IdleNotice(),
      log,
    },
    options.slots,
    signal,
  );
}

async function describe(
  options: AgentOptions,
  environment: Readonly<Record<string, string>>,
  workFolder: string,
): Promise<AgentDescriptionMessage> {
  const { name, slots, labels = [], profiles = [] } = options;
  const role = { name, slots, labels, profiles, workFolder };
  const description = await describeMachine(role, environment);
  if (description.executors.length === 0) {
    throw new AppError(
      'nothing-to-build-with',
      `This machine has neither emerge, python3 and flock nor sh, cc and tar on PATH (${environment['PATH']}).`,
    );
  }
  return { ...description, distccd: distccdOf(options.distccd) };
}

function checkServerUrl(server: string): void {
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new AppError(
      'server-url-invalid',
      `"${server}" is not the URL of a server: it has to look like http://host:8700.`,
      { details: { server } },
    );
  }
}

function createExecutors(description: AgentDescriptionMessage): JobExecutor[] {
  const all = [createPortageExecutor(), createSourceExecutor()];
  return all.filter((executor) => description.executors.includes(executor.name));
}

async function registerUnlessStopped(
  connection: ServerConnection,
  description: AgentDescriptionMessage,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<ServerConnection['register']>> | undefined> {
  try {
    return await connection.register(description, signal);
  } catch (error) {
    if (signal.aborted) {
      return undefined;
    }
    throw error;
  }
}

/** When one slot fails, the others are stopped, and the failure is thrown once they are quiet. */
async function runSlots(
  context: BuildLoopContext,
  slots: number,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const results = await Promise.allSettled(
    Array.from({ length: slots }, async () => {
      try {
        await runBuildLoop(context, either);
      } finally {
        stop.abort();
      }
    }),
  );
  for (const result of results) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
}
