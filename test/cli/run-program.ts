import { createProgram, type ProgramParts } from '../../src/cli/program.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NOON } from './noon.ts';
import { recordedOutput } from './recorded-output.ts';

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line in this process, as `rookery <words>` would. */
export async function runProgram(
  words: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly parts?: Partial<ProgramParts>;
    readonly terminal?: { readonly columns: number; readonly rows: number };
  } = {},
): Promise<ProgramResult> {
  const recorded = recordedOutput({
    env: options.env ?? {},
    ...(options.terminal === undefined ? {} : { terminal: options.terminal }),
  });
  const given: ProgramParts = {
    serve: async () => undefined,
    agent: async () => undefined,
    copyDatabase: async () => {
      throw new Error('not to be called');
    },
    rebuild: async () => {
      throw new Error('not to be called');
    },
    output: recorded.output,
    env: options.env ?? {},
    cwd: options.cwd ?? '/nonexistent',
    clock: new ManualClock(NOON),
    ...options.parts,
  };
  const program = await createProgram(given, words[0]);
  const code = await program.run(['node', 'rookery', ...words]);
  return { code, stdout: recorded.stdout(), stderr: recorded.stderr() };
}
