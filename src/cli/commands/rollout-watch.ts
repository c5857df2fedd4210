import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { watchRollout } from '../watch-rollout.ts';

/** `rookery rollout watch`. */
export function rolloutWatchCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('watch')
      .description(
        'show how a rollout goes on, until its end: farms, stage, budget, invariants, events',
      )
      .argument('<id>', 'of the rollout; its beginning is enough'),
  ).action(async (id: string, options: AnswerOptions) => {
    const client = await connect(options, context);
    await watchRollout(client, id, context, { isJson: options.json === true });
  });
  return addExample(command, 'rookery rollout watch 8f3a12cd45ab');
}
