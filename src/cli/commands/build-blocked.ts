import { Command } from 'commander';
import { AppError } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { formatAge } from '../format.ts';

interface BlockedOptions extends AnswerOptions {
  readonly profile?: string;
}

interface UnblockOptions extends AnswerOptions {
  readonly all?: boolean;
}

export function blockedCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('blocked').description('list what failed for good and is not tried again'),
  )
    .option('--profile <name>', 'only those of this profile')
    .action(async (options: BlockedOptions) => {
      const { output, clock } = context;
      const blocked = await (await connect(options, context)).blocked(options.profile);
      if (options.json) {
        output.json(blocked);
        return;
      }
      if (blocked.length === 0) {
        output.line('Nothing is blocked.');
        return;
      }
      output.table(
        [
          { title: 'PROFILE' },
          { title: 'PACKAGE' },
          { title: 'SINCE' },
          { title: 'JOB' },
          { title: 'WHY' },
        ],
        blocked.map(({ profile, cpv, blockedAt, jobId, reason }) => [
          profile,
          cpv,
          formatAge(blockedAt, clock.now()),
          jobId,
          reason,
        ]),
      );
    });
  return addExample(command, 'rookery build blocked --profile web-v3');
}

export function unblockCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('unblock')
      .description('let packages that are blocked be built again')
      .argument('<profile>')
      .argument('[package...]', 'category/name, with or without version'),
  )
    .option('--all', 'everything that is blocked in the profile')
    .action(async (profile: string, packages: readonly string[], options: UnblockOptions) => {
      if ((packages.length === 0) !== (options.all === true)) {
        throw new AppError(
          'nothing-to-unblock',
          'Name the packages that are to be built again, or give --all instead.',
        );
      }
      const { output } = context;
      const unblocked = await (await connect(options, context)).unblock(profile, packages);
      if (options.json) {
        output.json(unblocked);
        return;
      }
      for (const { cpv } of unblocked) {
        output.line(`${cpv} is built again by the next request for it.`);
      }
      if (unblocked.length === 0) {
        output.line(`Nothing is blocked in ${profile}.`);
      }
    });
  return addExample(
    command,
    'rookery build unblock web-v3 app-misc/rookery-web',
    'rookery build unblock web-v3 --all',
  );
}
