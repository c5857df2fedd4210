import { Command } from 'commander';
import {
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  parseCount,
  type ServerOptions,
} from '../command-context.ts';

interface PinOptions extends ServerOptions {
  readonly reason: string;
}

export function pinCommand(context: CommandContext): Command {
  const command = onPublication('pin', 'keep a publication until it is unpinned')
    .requiredOption('--reason <text>', 'why; it stands in the journal, and where bytes are counted')
    .action(async (profile: string, channel: string, serial: number, options: PinOptions) => {
      const client = await connect(options, context);
      await client.pin({ profile, channel, serial }, options.reason);
      context.output.line(`${profile}/${channel} ${serial} is pinned.`);
    });
  return addExample(command, 'rookery channel pin web-v3 stable 12 --reason "the audit of May"');
}

export function unpinCommand(context: CommandContext): Command {
  const command = onPublication('unpin', 'leave a publication to the retention policy again')
    .option('--reason <text>', 'why; it stands in the journal', '')
    .action(async (profile: string, channel: string, serial: number, options: PinOptions) => {
      const client = await connect(options, context);
      await client.unpin({ profile, channel, serial }, options.reason);
      context.output.line(`${profile}/${channel} ${serial} is no longer pinned.`);
    });
  return addExample(command, 'rookery channel unpin web-v3 stable 12');
}

function onPublication(name: string, description: string): Command {
  return addServerOptions(
    new Command(name)
      .description(description)
      .argument('<profile>')
      .argument('<channel>')
      .argument('<serial>', 'number of the publication', parseCount),
  );
}
