import { Command } from 'commander';
import { addExample, type CommandContext } from '../command-context.ts';
import { phpImportCommand } from './php-import.ts';

export function phpCommand(context: CommandContext): Command {
  const command = new Command('php').description('PHP trees: versions apart from the system');
  command.addCommand(phpImportCommand(context));
  return addExample(command, 'rookery php import web-v3 / --version 8.2 --publish testing');
}
