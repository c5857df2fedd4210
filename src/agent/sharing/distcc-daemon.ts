import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { sleep } from '../../support/clock.ts';
import { AppError, messageOf } from '../../support/errors.ts';
import { readTextIfPresent } from '../../support/files.ts';
import type { Service } from '../../support/lifecycle.ts';
import type { Log } from '../../support/log.ts';
import { ended, killGroup, run, spawnGroup } from '../../support/processes.ts';
import { isRunning, pidOf, processMark } from '../process-marks.ts';
import { endStrays } from '../stray-processes.ts';

type ChildProcess = ReturnType<typeof spawnGroup>;

const START_MS = 20_000;
const ROUND_MS = 50;
const CONNECT_MS = 1000;
const GRACE_MS = 2000;
const RESTART_MS = 5000;
const LAST_LINES = 5;
/** A compile that takes longer is ended, so that a builder that went away does not keep a place for ever. */
const LONGEST_COMPILE_SECONDS = 1800;
/** Who distccd runs as when the agent is root, the first of them that there is. */
const USERS = ['distcc', 'distccd', 'nobody'];

export interface DistccDaemonOptions {
  /** IPv4 address to listen on. */
  readonly listen: string;
  readonly port: number;
  /** Addresses and networks (`10.1.0.0/16`) that may let it compile; nothing else protects it. */
  readonly allow: readonly string[];
  /** Files at once. */
  readonly jobs: number;
  /** For its log, its temporary files and the mark of its process. */
  readonly folder: string;
  /** What compilers are found through. */
  readonly environment: Readonly<Record<string, string>>;
  readonly log: Log;
}

/**
 * The distccd of an agent: compiles files for the builds of other agents, in a process group of its own, as an
 * ordinary user. When it ends by itself it is started again. One that a killed agent has left is ended first.
 *
 * `start` throws `distccd-failed` with what it said, `program-not-found`.
 */
export class DistccDaemon implements Service {
  readonly name = 'distccd';
  readonly #options: DistccDaemonOptions;
  #child: ChildProcess | undefined;
  #stopping = new AbortController();
  #life: Promise<void> | undefined;

  constructor(options: DistccDaemonOptions) {
    this.#options = options;
  }

  get logFile(): string {
    return join(this.#options.folder, 'log');
  }

  async start(): Promise<void> {
    const { folder } = this.#options;
    this.#stopping = new AbortController();
    await mkdir(folder, { recursive: true });
    await this.#endEarlier();
    await rm(this.logFile, { force: true });
    if (await accepts(this.#options.listen, this.#options.port)) {
      throw await this.#failed('something else listens there');
    }
    const user = await this.#prepareFolders();
    const exit = this.#spawn(user);
    try {
      await this.#listening(exit);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#life = this.#keepAlive(user, exit);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      killGroup(child, 'SIGTERM');
      for (let waited = 0; waited < GRACE_MS && isAlive(child); waited += ROUND_MS) {
        await sleep(ROUND_MS);
      }
    }
    if (child !== undefined) {
      killGroup(child, 'SIGKILL');
    }
    await this.#life;
    this.#child = undefined;
    await rm(join(this.#options.folder, 'pid'), { force: true });
  }

  /** Undefined when it runs as whoever the agent is. */
  async #prepareFolders(): Promise<string | undefined> {
    const { folder, environment } = this.#options;
    const temporary = join(folder, 'tmp');
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    await writeFile(this.logFile, '', { mode: 0o600 });
    if (process.getuid?.() !== 0) {
      return undefined;
    }
    for (const user of USERS) {
      const { exitCode, stdout } = await run(['id', '-u', user], { env: environment });
      if (exitCode === 0) {
        const uid = Number(stdout.toString('utf8').trim());
        await chmod(folder, 0o711);
        for (const path of [temporary, this.logFile]) {
          await chown(path, uid, 0);
        }
        return user;
      }
    }
    throw new AppError(
      'distccd-failed',
      `distccd is not run as root, and this machine has none of the users ${USERS.join(', ')}.`,
    );
  }

  #spawn(user: string | undefined): Promise<number> {
    const { listen, port, allow, jobs, folder, environment } = this.#options;
    const command = [
      'distccd',
      '--daemon',
      '--no-detach',
      `--listen=${listen}`,
      `--port=${port}`,
      `--jobs=${jobs}`,
      `--job-lifetime=${LONGEST_COMPILE_SECONDS}`,
      '--nice=5',
      '--log-level=info',
      `--log-file=${this.logFile}`,
      ...allow.map((network) => `--allow=${network}`),
      ...(user === undefined ? [] : [`--user=${user}`]),
    ];
    const temporary = join(folder, 'tmp');
    const env = { ...environment, TMPDIR: temporary, HOME: temporary, DISTCC_DIR: temporary };
    const child = spawnGroup(command, { cwd: folder, env }, ['ignore', 'ignore', 'ignore']);
    this.#child = child;
    const exit = ended(child, command);
    // Whoever waits for it gets the error; until then it must not count as unhandled.
    exit.catch(() => undefined);
    return exit;
  }

  async #listening(exit: Promise<number>): Promise<void> {
    const { listen, port, folder } = this.#options;
    const mark = this.#child?.pid === undefined ? undefined : processMark(this.#child.pid);
    await writeFile(join(folder, 'pid'), mark ?? '');
    for (let waited = 0; waited < START_MS; waited += ROUND_MS) {
      const exitCode = await Promise.race([exit, waitARound()]);
      if (exitCode !== undefined) {
        throw await this.#failed(`it ended with ${exitCode}`);
      }
      if (await accepts(listen, port)) {
        return;
      }
    }
    throw await this.#failed(`it did not listen within ${START_MS} ms`);
  }

  async #failed(what: string): Promise<AppError> {
    const { listen, port } = this.#options;
    const said = ((await readTextIfPresent(this.logFile)) ?? '').trim().split('\n');
    return new AppError(
      'distccd-failed',
      `distccd cannot serve on ${listen}:${port}: ${what}. ${said.slice(-LAST_LINES).join(' ')}`,
      { details: { listen, port } },
    );
  }

  async #keepAlive(user: string | undefined, first: Promise<number>): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stopping;
    for (let exit = first; ; ) {
      const exitCode = await exit;
      if (this.#child !== undefined) {
        // Its helpers go on listening without it.
        killGroup(this.#child, 'SIGKILL');
      }
      if (signal.aborted) {
        return;
      }
      log.error({ exitCode }, 'distccd has ended; it is started again');
      await sleep(RESTART_MS, signal);
      if (signal.aborted) {
        return;
      }
      exit = this.#spawn(user);
      try {
        await this.#listening(exit);
      } catch (error) {
        log.error({ reason: messageOf(error) }, 'distccd does not start');
      }
    }
  }

  async #endEarlier(): Promise<void> {
    const mark = await readTextIfPresent(join(this.#options.folder, 'pid'));
    if (mark !== undefined && isRunning(mark)) {
      this.#options.log.warn({ pid: pidOf(mark) }, 'ending the distccd of an earlier agent');
      await endStrays({ leaders: [mark], folders: [] }, GRACE_MS);
    }
  }
}

async function waitARound(): Promise<undefined> {
  await sleep(ROUND_MS);
  return undefined;
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && processMark(child.pid) !== undefined;
}

/** Whether something accepts connections there. */
async function accepts(host: string, port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(CONNECT_MS, () => {
      settle(false);
    });
    const settle = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => {
      settle(true);
    });
    socket.once('error', () => {
      settle(false);
    });
  });
}
