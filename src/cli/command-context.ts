import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Clock } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { exists, readTextIfPresent } from '../support/files.ts';
import type { Output } from './output.ts';
import type { ServerClient } from './server-client.ts';

/** What every command gets: where it prints, where it runs. */
export interface CommandContext {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
}

export interface ServerOptions {
  readonly server?: string;
  readonly tokenFile?: string;
}

/** The roles whose first tokens lie in the server's state. */
type TokenRole = 'admin' | 'builder';

/** Options of a command that prints an answer of the server. */
export interface AnswerOptions extends ServerOptions {
  readonly json?: boolean;
}

export const DEFAULT_SERVER = 'http://127.0.0.1:8700';
const MAX_COUNT = 1_000_000_000;

/** Adds `--server` and `--token-file`, which is that of the role by default. */
export function addServerOptions(command: Command, role: TokenRole = 'admin'): Command {
  return command
    .option('--server <url>', `the server (default: $ROOKERY_SERVER or ${DEFAULT_SERVER})`)
    .option(
      '--token-file <file>',
      `file with the token (default: $ROOKERY_TOKEN_FILE, or state/tokens/${role}.token if it is there)`,
    );
}

/** Adds `--json`. */
export function addJsonOption(command: Command): Command {
  return command.option('--json', 'print the answer as JSON');
}

/** Adds `--server`, `--token-file` and `--json`. */
export function addAnswerOptions(command: Command): Command {
  return addJsonOption(addServerOptions(command));
}

/** For an option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Adds an `Example:` to the command's help. */
export function addExample(command: Command, ...lines: readonly string[]): Command {
  const indented = lines.map((line) => `  $ ${line}`).join('\n');
  return command.addHelpText(
    'after',
    `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${indented}`,
  );
}

/** The server that the options, the environment or the default name. */
export function serverUrl(options: ServerOptions, context: CommandContext): string {
  return options.server ?? context.env['ROOKERY_SERVER'] ?? DEFAULT_SERVER;
}

/** Throws `token-file-unreadable`, `token-file-empty`. */
export async function connect(
  options: ServerOptions,
  context: CommandContext,
): Promise<ServerClient> {
  const { createServerClient } = await import('./server-client.ts');
  const url = serverUrl(options, context);
  const file = await tokenFile(options, context, 'admin');
  return createServerClient(
    file === undefined ? { url } : { url, token: await readToken(file, context.cwd) },
  );
}

/** The token file to use: named by an option or the environment, or the server's own first one where it lies. */
export async function tokenFile(
  options: ServerOptions,
  context: CommandContext,
  role: TokenRole,
): Promise<string | undefined> {
  const named = options.tokenFile ?? context.env['ROOKERY_TOKEN_FILE'];
  if (named !== undefined && named !== '') {
    return named;
  }
  const own = join(context.cwd, 'state', 'tokens', `${role}.token`);
  return (await exists(own)) ? own : undefined;
}

/** Throws `token-file-unreadable`, `token-file-empty`. */
export async function readToken(file: string, cwd: string): Promise<string> {
  let text: string | undefined;
  try {
    text = await readTextIfPresent(resolve(cwd, file));
  } catch (error) {
    throw new AppError('token-file-unreadable', `The token file ${file} cannot be read.`, {
      cause: error,
    });
  }
  if (text === undefined) {
    throw new AppError('token-file-unreadable', `There is no token file ${file}.`);
  }
  if (text.trim() === '') {
    throw new AppError('token-file-empty', `The token file ${file} is empty.`);
  }
  return text.trim();
}

/** Reads an option that counts something from 1 on. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^[0-9]+$/.test(text) || count < 1 || count > MAX_COUNT) {
    throw new InvalidArgumentError('It has to be a whole number from 1 on.');
  }
  return count;
}
