import { Command } from 'commander';
import { addExample, type CommandContext } from '../command-context.ts';
import { fleetHaproxyCommand } from './fleet-haproxy.ts';
import { fleetHeldCommand, fleetReleaseCommand } from './fleet-held.ts';
import { fleetImpactCommand } from './fleet-impact.ts';
import { inventoryCommands } from './fleet-inventory.ts';

/** `rookery fleet import|show|status|export|impact|held|release|haproxy`. */
export function fleetCommand(context: CommandContext): Command {
  const command = new Command('fleet').description(
    'see what production consists of, and how it stands',
  );
  for (const own of inventoryCommands(context)) {
    command.addCommand(own);
  }
  command.addCommand(fleetImpactCommand(context));
  command.addCommand(fleetHeldCommand(context));
  command.addCommand(fleetReleaseCommand(context));
  command.addCommand(fleetHaproxyCommand(context));
  return addExample(command, 'rookery fleet status', 'rookery fleet held');
}
