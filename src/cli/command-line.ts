import { type Command, CommanderError } from 'commander';
import { type Clock, systemClock } from '../support/clock.ts';
import { isAppError, messageOf } from '../support/errors.ts';
import type { CommandContext } from './command-context.ts';
import { type Output, processOutput } from './output.ts';

/** What commands run in; the process itself where nothing is given. */
export interface ContextParts {
  readonly output?: Output;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly clock?: Clock;
}

export interface Program {
  readonly command: Command;
  /**
   * Runs a command line as `process.argv` has it. Never throws: what goes wrong is one line on stderr.
   * Returns 0, 1 when it failed, 2 when the command line is wrong.
   */
  readonly run: (argv: readonly string[]) => Promise<number>;
}

export function contextOf(parts: ContextParts): CommandContext {
  return {
    output: parts.output ?? processOutput(),
    env: parts.env ?? process.env,
    cwd: parts.cwd ?? process.cwd(),
    clock: parts.clock ?? systemClock,
  };
}

/** A program of these subcommands. */
export function programOf(
  command: Command,
  subcommands: readonly Command[],
  output: Output,
): Program {
  for (const subcommand of subcommands) {
    command.addCommand(subcommand);
  }
  speakThrough(command, output);
  return {
    command,
    run: async (argv) => await runLine(command, argv, output),
  };
}

/** Makes a command and all below it report through the output instead of ending the process. */
function speakThrough(command: Command, output: Output): void {
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: output.raw,
      writeErr: (text) => {
        output.note(text.trimEnd());
      },
      outputError: (text) => {
        const sentence = text.replace(/^error: /, '').trim();
        output.problem(`${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`, 'usage');
      },
    });
  for (const subcommand of command.commands) {
    speakThrough(subcommand, output);
  }
}

async function runLine(command: Command, argv: readonly string[], output: Output): Promise<number> {
  try {
    await command.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : 2;
    }
    if (isAppError(error)) {
      output.problem(error.message, error.code);
    } else {
      output.problem(messageOf(error), 'internal-error');
    }
    return 1;
  }
}
