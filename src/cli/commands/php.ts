import { Command } from 'commander';
import { addExample, type CommandContext } from '../command-context.ts';
import { phpBuildCommand } from './php-build.ts';
import {
  phpCollectCommand,
  phpPromoteCommand,
  phpRemoveCommand,
  phpRollbackCommand,
} from './php-channel.ts';
import { phpImportCommand } from './php-import.ts';
import { phpDiffCommand, phpListCommand, phpShowCommand } from './php-show.ts';

export function phpCommand(context: CommandContext): Command {
  const command = new Command('php').description(
    'PHP trees: versions of PHP that are upgraded apart from the system',
  );
  const subcommands = [
    phpBuildCommand(context),
    phpImportCommand(context),
    phpListCommand(context),
    phpShowCommand(context),
    phpDiffCommand(context),
    phpPromoteCommand(context),
    phpRollbackCommand(context),
    phpRemoveCommand(context),
    phpCollectCommand(context),
  ];
  for (const subcommand of subcommands) {
    command.addCommand(subcommand);
  }
  return addExample(
    command,
    'rookery php import web-v3 / --version 8.2 --publish testing',
    'rookery php promote web-v3 stable',
  );
}
