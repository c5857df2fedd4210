import { Command } from 'commander';
import { AppError } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted } from '../format.ts';
import { showFindings } from '../gate-report.ts';

interface CheckOptions extends AnswerOptions {
  readonly newest?: boolean;
  readonly from?: string;
}

/** `rookery channel check`. */
export function channelCheckCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('check')
      .description('ask the gate, without publishing; exit code 1 when it would refuse')
      .argument('<profile>')
      .argument('<channel>'),
  )
    .option('--newest', 'the newest packages: what publishing would bring')
    .option('--from <publication>', 'what promoting it would bring, such as "testing@12"')
    .action(async (profile: string, channel: string, options: CheckOptions) => {
      const { output } = context;
      const client = await connect(options, context);
      const contents = options.newest === true ? 'newest' : options.from;
      const found = await client.checkChannel(profile, channel, contents);
      const refused = found.findings.filter(({ verdict }) => verdict === 'refused').length;
      if (options.json) {
        output.json(found);
      } else {
        showFindings(found, output.line, output.paint);
        output.line(
          refused === 0
            ? `Nothing speaks against publishing this on ${profile}/${channel}.`
            : `${counted(refused, 'finding')} would refuse it.`,
        );
      }
      if (refused > 0) {
        throw new AppError(
          'publication-refused',
          `The gate of ${profile}/${channel} has ${counted(refused, 'finding')}.`,
        );
      }
    });
  return addExample(
    command,
    'rookery channel check web-v3 testing --newest',
    'rookery channel check web-v3 stable --from testing',
  );
}
