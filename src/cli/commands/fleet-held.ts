import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  type ServerOptions,
} from '../command-context.ts';
import { formatAge } from '../format.ts';
import { shortId } from '../rollout-report.ts';

/** `rookery fleet held`. */
export function fleetHeldCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('held').description('list the nodes that no rollout touches, and why'),
  ).action(async (options: AnswerOptions) => {
    const { output, clock } = context;
    const held = await (await connect(options, context)).heldNodes();
    if (options.json) {
      output.json(held);
    } else if (held.length === 0) {
      output.line('No node is held.');
    } else {
      output.table(
        ['NODE', 'ROLLOUT', 'SINCE', 'BECAUSE'].map((title) => ({ title })),
        held.map(({ node, rollout, since, because }) => [
          node,
          shortId(rollout),
          formatAge(since, clock.now()),
          because,
        ]),
      );
    }
  });
  return addExample(command, 'rookery fleet held');
}

interface ReleaseOptions extends ServerOptions {
  readonly reason: string;
  readonly force: boolean;
}

/** `rookery fleet release`. */
export function fleetReleaseCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('release')
      .description('give a held node free once it can serve, and let balancers take it in again')
      .argument('<node>'),
  )
    .requiredOption(
      '--reason <text>',
      'what was wrong, and what was done; it stands in the journal',
    )
    .option('--force', 'without a look at the node; the journal says so', false)
    .action(async (node: string, options: ReleaseOptions) => {
      const { reason, force } = options;
      await (await connect(options, context)).releaseNode(node, { reason, force });
      context.output.line(`${node} is free: rollouts may touch it again.`);
    });
  return addExample(command, 'rookery fleet release web7-3 --reason "new disk"');
}
