import { Command } from 'commander';
import { addExample, type CommandContext } from '../command-context.ts';
import { fleetHaproxyCommand } from './fleet-haproxy.ts';
import { fleetHeldCommand, fleetReleaseCommand } from './fleet-held.ts';
import { fleetImpactCommand } from './fleet-impact.ts';

/** `rookery fleet impact|held|release|haproxy`. */
export function fleetCommand(context: CommandContext): Command {
  const command = new Command('fleet').description(
    'see what production consists of, and how it stands',
  );
  command.addCommand(fleetImpactCommand(context));
  command.addCommand(fleetHeldCommand(context));
  command.addCommand(fleetReleaseCommand(context));
  command.addCommand(fleetHaproxyCommand(context));
  return addExample(command, 'rookery fleet held');
}
