import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type Clock, sleep } from '../../support/clock.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import { readTextIfPresent } from '../../support/files.ts';
import { createServerClient, jsonOf, type ServerClient } from '../server-client.ts';
import { type ChildProgram, startChild } from './child-program.ts';
import type { WorkFolder } from './work-folder.ts';

const noteSchema = z.object({ url: z.string(), pid: z.number().int() });
type ServerNote = z.infer<typeof noteSchema>;

const POLL_MS = 50;
const PATIENCE_MS = 60_000;
const HEALTH_TIMEOUT_MS = 2000;
export const AGENT_NAME = 'quickstart';

/** How the children are started. */
export interface Launch {
  readonly work: WorkFolder;
  /** `node main.js`, as words. */
  readonly program: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The URL of a server that runs on this state now, or undefined. A note that a killed server left is passed over. */
export async function runningServer(work: WorkFolder): Promise<string | undefined> {
  const note = await readNote(work);
  if (note === undefined || !isAlive(note.pid)) {
    return undefined;
  }
  return (await answers(note.url)) ? note.url : undefined;
}

export async function startServerChild(launch: Launch): Promise<ChildProgram> {
  await mkdir(launch.work.logs, { recursive: true });
  await rm(noteFile(launch.work), { force: true });
  return await startChild({
    name: 'server',
    command: [...launch.program, 'serve', '--config', launch.work.config],
    cwd: launch.work.folder,
    logFile: join(launch.work.logs, 'server.log'),
  });
}

/** A client with the admin token, once the server listens. */
export async function connectToServer(server: ChildProgram, launch: Launch): Promise<ServerClient> {
  const url = await waitFor('the server to listen', [server], launch, async () => {
    const note = await readNote(launch.work);
    return note?.pid === server.pid && note !== undefined && (await answers(note.url))
      ? note.url
      : undefined;
  });
  const token = await readTextIfPresent(join(launch.work.state, 'tokens', 'admin.token'));
  if (token === undefined) {
    throw new AppError('token-file-missing', 'The server has written no admin token.');
  }
  return createServerClient({ url, token: token.trim() });
}

export async function startAgentChild(
  url: string,
  slots: number,
  launch: Launch,
): Promise<ChildProgram> {
  return await startChild({
    name: 'agent',
    command: [
      ...launch.program,
      'agent',
      '--server',
      url,
      '--token-file',
      join(launch.work.state, 'tokens', 'builder.token'),
      '--name',
      AGENT_NAME,
      '--work',
      launch.work.agentWork,
      '--slots',
      String(slots),
    ],
    cwd: launch.work.folder,
    logFile: join(launch.work.logs, 'agent.log'),
  });
}

/** Resolves with what the agent can do, once it has registered since `startedAt`. */
export async function waitForAgent(
  client: ServerClient,
  children: readonly ChildProgram[],
  startedAt: number,
  launch: Launch,
): Promise<string> {
  return await waitFor('the agent to register', children, launch, async () => {
    const agent = (await client.agents()).find(({ name }) => name === AGENT_NAME);
    return agent !== undefined && agent.isLive && agent.lastSeenAt >= startedAt
      ? `${agent.name}: ${agent.cores} cores, ${agent.chost}, ${agent.executors.join(' and ')}`
      : undefined;
  });
}

async function waitFor<T>(
  what: string,
  children: readonly ChildProgram[],
  { clock, signal }: Pick<Launch, 'clock' | 'signal'>,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = clock.now() + PATIENCE_MS;
  for (;;) {
    signal.throwIfAborted();
    for (const child of children) {
      child.ended.throwIfAborted();
    }
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
    if (clock.now() > deadline) {
      throw new AppError('quickstart-timeout', `Waited ${PATIENCE_MS / 1000} s for ${what}.`);
    }
    await sleep(POLL_MS, signal);
  }
}

function noteFile(work: WorkFolder): string {
  return join(work.state, 'server.json');
}

/** The server's note about itself; undefined where there is none, or one that says nothing. */
async function readNote(work: WorkFolder): Promise<ServerNote | undefined> {
  let text: string | undefined;
  try {
    text = await readTextIfPresent(noteFile(work));
  } catch (error) {
    if (!isErrno(error, 'ENOTDIR')) {
      throw error;
    }
  }
  const note = noteSchema.safeParse(text === undefined ? undefined : jsonOf(text));
  return note.success ? note.data : undefined;
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, {
      signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS),
    });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}
