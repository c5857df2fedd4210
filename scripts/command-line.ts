import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** A program of this folder that a developer starts by hand. */
export interface Tool<Options> {
  /** Declares the options; `parse` of it was called when `options` is. */
  readonly command: Command;
  /** What its command line asks for. What does not go together is told with `command.error`. */
  readonly options: () => Options;
}

/** Where the tools say something, the streams of the process or a collector in a test. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const MOST = 1_000_000_000;

/**
 * The options on a command line, without the program and its file. Or, when help was asked for (0) or one line on stderr has
 * said what is wrong (2), the status to end with.
 */
export function readWords<Options>(
  tool: Tool<Options>,
  words: readonly string[],
  { out, err }: Streams,
): { readonly options: Options } | { readonly exitCode: number } {
  const { command } = tool;
  command
    .exitOverride()
    .allowExcessArguments(true)
    .configureOutput({
      writeOut: out,
      writeErr: err,
      outputError: (text) => {
        err(lineOf(command, oneSentence(text)));
      },
    });
  try {
    command.parse(words, { from: 'user' });
    const [unknown] = command.args.slice(command.registeredArguments.length);
    if (unknown !== undefined) {
      command.error(`error: unknown argument '${unknown}'`);
    }
    return { options: tool.options() };
  } catch (error) {
    if (error instanceof CommanderError) {
      return { exitCode: error.exitCode === 0 ? 0 : 2 };
    }
    throw error;
  }
}

/** The options of this process. Ends it when there is nothing to do. */
export function optionsOf<Options>(tool: Tool<Options>): Options {
  const read = readWords(tool, process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
  return 'options' in read ? read.options : process.exit(read.exitCode);
}

/** Ends a tool that lacks something here: `sentence` goes to stderr, the status is 1. */
export function giveUp({ command }: Tool<unknown>, sentence: string): never {
  process.stderr.write(lineOf(command, sentence));
  process.exit(1);
}

/** Reads an option that is a whole number from 0 on, such as a seed. */
export function parseFromZero(text: string): number {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || number > MOST) {
    throw new InvalidArgumentError('It has to be a whole number from 0 on.');
  }
  return number;
}

/** Reads an option in seconds, with parts of one. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^[0-9]+(?:\.[0-9]+)?$/.test(text) || seconds > MOST) {
    throw new InvalidArgumentError('It has to be seconds, such as 3 or 0.5.');
  }
  return seconds;
}

/** Of what commander says: `error: option '--jobs <n>' argument 'x' is invalid. It has to be ...`. */
function oneSentence(text: string): string {
  return text
    .replace(/^error: /, '')
    .replaceAll(/\. ([A-Z])/g, (_, letter: string) => `: ${letter.toLowerCase()}`);
}

function lineOf(command: Command, text: string): string {
  return `${command.name()}: ${text.trim().replaceAll(/\s+/g, ' ')}\n`;
}
