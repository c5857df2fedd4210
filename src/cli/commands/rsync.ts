import { Command } from 'commander';
import { loadConfig } from '../../config/load-config.ts';
import { addExample, type CommandContext } from '../command-context.ts';
import { rsyncConfig } from '../rsync-config.ts';

interface RsyncConfigOptions {
  readonly config?: string;
  readonly runFolder: string;
  readonly unprivileged?: boolean;
}

export function rsyncCommand(context: CommandContext): Command {
  const command = new Command('rsync').description('the rsync daemon that serves the mirror root');
  command.addCommand(configCommand(context));
  return addExample(command, 'rookery rsync config --config /etc/rookery/rookery.toml');
}

function configCommand(context: CommandContext): Command {
  const command = new Command('config')
    .description('print the rsyncd.conf for the mirror root, of [rsync] of the configuration')
    .option(
      '--config <file>',
      'configuration file of the server; without it the defaults and the environment hold',
    )
    .option('--run-folder <folder>', 'where the daemon keeps its pid and lock files', '/run')
    .option('--unprivileged', 'for a daemon that is not started as root: no chroot, no other user')
    .action(async ({ config: file, runFolder, unprivileged }: RsyncConfigOptions) => {
      const { env, cwd } = context;
      const config = await loadConfig({ env, cwd, ...(file === undefined ? {} : { file }) });
      const isRoot = unprivileged !== true;
      context.output.raw(rsyncConfig(config, { isRoot, runFolder }));
    });
  return addExample(
    command,
    'rookery rsync config --config /etc/rookery/rookery.toml > /etc/rookery/rsyncd.conf',
  );
}
