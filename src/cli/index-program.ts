import { Command } from 'commander';
import { type ContextParts, contextOf, type Program, programOf } from './command-line.ts';
import { indexCommand } from './commands/index.ts';

/**
 * The `rookery` command with `index` alone. It is run after each build, mostly to find that little has changed; loading
 * all the other commands would take longer than that.
 */
export function createIndexProgram(parts: ContextParts = {}): Program {
  const context = contextOf(parts);
  return programOf(new Command('rookery'), [indexCommand(context)], context.output);
}
