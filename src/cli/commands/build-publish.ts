import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { showRequest, summaryLine } from '../show-request.ts';
import { requireDone, waitForRequest } from '../wait-for-request.ts';

interface PublishOptions extends AnswerOptions {
  readonly partial?: boolean;
  readonly channel?: string;
  readonly force?: boolean;
  readonly reason?: string;
}

/** `build publish`. */
export function buildPublishCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('publish')
      .description('publish what a request that has ended has built')
      .argument('<request>'),
  )
    .option('--partial', 'publish what breaks nothing when not everything can be published')
    .option('--channel <channel>', 'on this channel; the one that it was to be published on')
    .option('--force', 'also without the proof that the profile asks for; needs --reason')
    .option('--reason <text>', 'why; it stands in the journal')
    .action(async (id: string, options: PublishOptions) => {
      const { partial = false, channel, force, reason } = options;
      const client = await connect(options, context);
      await client.publishRequest(id, {
        partial,
        ...(channel === undefined ? {} : { channel }),
        ...(force === true ? { force } : {}),
        ...(reason === undefined ? {} : { reason }),
      });
      const detail = await waitForRequest(client, id, context);
      if (options.json) {
        context.output.json(detail);
      } else if (detail.state === 'partial') {
        showRequest(detail, context);
      } else {
        context.output.line(summaryLine(detail));
      }
      if (detail.state !== 'partial') {
        requireDone(detail);
      }
    });
  return addExample(command, 'rookery build publish req-0123456789abcdef --partial');
}
