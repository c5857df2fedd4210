import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { run, toolEnvironment } from '../../support/processes.ts';
import type { Member } from '../inventory/inventory.ts';
import { type NodeChannel, StepRunner, unreachable } from './step-runner.ts';
import { Turns } from './turns.ts';

export interface CommandRunnerSettings {
  /**
   * A program and its arguments that make `rookery-step words` on a node read what is on standard input; where the tool
   * cannot do that, `rookery-step words {base64}`. `{node}`, `{host}`, `{port}`, `{user}`, `{farm}` and `{base64}` are replaced.
   */
  readonly command: readonly string[];
  readonly concurrency: number;
  readonly callTimeoutMs: number;
}

const PLACES = ['node', 'host', 'port', 'user', 'farm', 'base64'];

/** Runs steps through another tool, such as Choria: a command that is started for every call. Throws `command-template-invalid`. */
export function createCommandRunner(settings: CommandRunnerSettings): StepRunner {
  const unknown = settings.command
    .flatMap((word) => [...word.matchAll(/\{([a-z0-9]+)\}/g)])
    .find(([, name = '']) => !PLACES.includes(name));
  if (unknown !== undefined || settings.command.length === 0) {
    throw new AppError(
      'command-template-invalid',
      unknown === undefined
        ? 'The command that reaches nodes is empty.'
        : `The command that reaches nodes has ${unknown[0]} in it; there are only ${PLACES.map((name) => `{${name}}`).join(', ')}.`,
    );
  }
  return new StepRunner(new CommandChannel(settings));
}

class CommandChannel implements NodeChannel {
  readonly #settings: CommandRunnerSettings;
  readonly #turns: Turns;

  constructor(settings: CommandRunnerSettings) {
    this.#settings = settings;
    this.#turns = new Turns(settings.concurrency);
  }

  async send(member: Member, words: string): Promise<string> {
    const values: Record<string, string> = {
      node: member.node,
      host: member.ssh.host,
      port: String(member.ssh.port),
      user: member.ssh.user,
      farm: member.farm,
      base64: Buffer.from(words).toString('base64'),
    };
    const command = this.#settings.command.map((word) =>
      word.replaceAll(/\{([a-z0-9]+)\}/g, (_, name: string) => values[name] ?? ''),
    );
    return await this.#turns.take(async () => {
      try {
        const { stdout, stderr } = await run(command, {
          env: toolEnvironment(),
          input: words,
          timeoutMs: this.#settings.callTimeoutMs,
          maxOutputBytes: 1024 * 1024,
        });
        return stdout.length === 0 ? stderr : stdout.toString('utf8');
      } catch (error) {
        throw isAppError(error) ? unreachable(member, messageOf(error)) : error;
      }
    });
  }

  async close(): Promise<void> {
    // Nothing is kept between calls.
  }
}
