import { Command } from 'commander';
import { addExample, type CommandContext } from '../command-context.ts';
import { checkCommand } from './repository-check.ts';
import { collectCommand } from './repository-collect.ts';
import { type RebuildStart, rebuildCommand } from './repository-rebuild.ts';

export function repositoryCommand(context: CommandContext, rebuild: RebuildStart): Command {
  const command = new Command('repository').description('look after the packages of a server');
  command.addCommand(checkCommand(context));
  command.addCommand(rebuildCommand(context, rebuild));
  command.addCommand(collectCommand(context));
  return addExample(command, 'rookery repository check --deep');
}
