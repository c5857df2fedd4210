import { Command } from 'commander';
import { addExample, type CommandContext } from '../command-context.ts';
import { collectCommand } from './repository-collect.ts';

export function repositoryCommand(context: CommandContext): Command {
  const command = new Command('repository').description('look after what the server keeps');
  command.addCommand(collectCommand(context));
  return addExample(command, 'rookery repository collect --dry-run');
}
