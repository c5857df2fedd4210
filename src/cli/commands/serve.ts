import { Command } from 'commander';
import { addExample } from '../command-context.ts';

/** Runs the server until it is told to stop. */
export type ServerStart = (options: { readonly config?: string }) => Promise<void>;

export function serveCommand(serve: ServerStart): Command {
  const command = new Command('serve')
    .description('run the server until SIGINT or SIGTERM')
    .option(
      '--config <file>',
      'configuration file; without it the defaults and the environment hold',
    )
    .action(async (options: { readonly config?: string }) => {
      await serve(options);
    });
  return addExample(command, 'rookery serve --config /etc/rookery/rookery.toml');
}
