import { isAppError, messageOf } from '../../support/errors.ts';
import { run, toolEnvironment } from '../../support/processes.ts';
import type { Member } from '../inventory/inventory.ts';
import { checkPlain, SshConnections, type SshSettings } from './ssh.ts';
import { type NodeChannel, StepRunner, unreachable } from './step-runner.ts';
import { Turns } from './turns.ts';

export interface SshRunnerSettings extends SshSettings {
  /** Nodes that are spoken to at a time. */
  readonly concurrency: number;
  /** What `rookery-step` is called as over there: plain words, such as `sudo -n /usr/local/sbin/rookery-step`. */
  readonly program: readonly string[];
  /** The longest time for a call, connecting included. */
  readonly callTimeoutMs: number;
}

/** What ssh itself ends with when it cannot connect, or the connection broke. */
const SSH_FAILED = 255;

/**
 * Runs steps over OpenSSH. Words go through standard input. Throws `command-not-plain` for a program that has to be quoted.
 */
export function createSshRunner(settings: SshRunnerSettings): StepRunner {
  return new StepRunner(new SshChannel(settings));
}

class SshChannel implements NodeChannel {
  readonly #settings: SshRunnerSettings;
  readonly #connections: SshConnections;
  readonly #turns: Turns;

  constructor(settings: SshRunnerSettings) {
    settings.program.forEach(checkPlain);
    this.#settings = settings;
    this.#connections = new SshConnections(settings);
    this.#turns = new Turns(settings.concurrency);
  }

  async send(member: Member, words: string): Promise<string> {
    return await this.#turns.take(async () => {
      // A connection that was kept may have died unseen; whatever is said may be said twice.
      const first = await this.#call(member, words);
      const result = first.exitCode === SSH_FAILED ? await this.#call(member, words) : first;
      const said = result.stdout.toString('utf8');
      if (result.exitCode === SSH_FAILED && said === '') {
        throw unreachable(member, `ssh says ${lastLine(result.stderr)}`);
      }
      return said === '' ? result.stderr : said;
    });
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  async #call(member: Member, words: string) {
    const { program, callTimeoutMs } = this.#settings;
    const command = await this.#connections.command(member.ssh, [...program, 'words']);
    try {
      return await run(command, {
        env: toolEnvironment(),
        input: words,
        timeoutMs: callTimeoutMs,
        maxOutputBytes: 1024 * 1024,
      });
    } catch (error) {
      throw isAppError(error) ? unreachable(member, messageOf(error)) : error;
    }
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'nothing';
}
