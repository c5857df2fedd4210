import { Command } from 'commander';
import type { PhpProfileView } from '../../protocol/php.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { formatSize } from '../format.ts';

interface DeedOptions extends AnswerOptions {
  readonly tree?: string;
  readonly force?: boolean;
  readonly reason?: string;
}

const REASON = ['--reason <text>', 'why; it stands in the journal'] as const;

export function phpPromoteCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('promote')
      .description('let a channel show a PHP tree')
      .argument('<profile>')
      .argument('<channel>')
      .option('--tree <id>', 'the tree (default: what the channel before shows)')
      .option('--force', 'also without the proof of nodes; needs --reason')
      .option(...REASON),
  ).action(async (profile: string, channel: string, options: DeedOptions) => {
    const { tree, force = false, reason = '' } = options;
    const body = { reason, force, ...(tree === undefined ? {} : { tree }) };
    const view = await (await connect(options, context)).promotePhp(profile, channel, body);
    tell(context, view, options, `${channel} of ${profile} shows ${view.channels[channel]}.`);
  });
  return addExample(
    command,
    'rookery php promote web-v3 testing --tree 8.2.31-web-v3-r1',
    'rookery php promote web-v3 stable',
  );
}

export function phpRollbackCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('rollback')
      .description('let a channel show again the PHP tree that it showed before')
      .argument('<profile>')
      .argument('<channel>')
      .option('--tree <id>', 'go back to this tree')
      .option(...REASON),
  ).action(async (profile: string, channel: string, options: DeedOptions) => {
    const { tree, reason = '' } = options;
    const body = { reason, ...(tree === undefined ? {} : { tree }) };
    const view = await (await connect(options, context)).rollBackPhp(profile, channel, body);
    tell(context, view, options, `${channel} of ${profile} shows ${view.channels[channel]} again.`);
  });
  return addExample(command, 'rookery php rollback web-v3 stable --reason "502s since 14:00"');
}

export function phpRemoveCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('remove')
      .description('remove a PHP tree for good; nodes refuse it from then on')
      .argument('<profile>')
      .argument('<tree>')
      .option('--force', 'also while a node has it')
      .option(...REASON),
  ).action(async (profile: string, tree: string, options: DeedOptions) => {
    const { force = false, reason = '' } = options;
    const client = await connect(options, context);
    const view = await client.removePhp(profile, tree, { reason, force });
    tell(context, view, options, `${tree} is removed.`);
  });
  return addExample(command, 'rookery php remove web-v3 8.2.29-web-v3-r1 --reason "CVE"');
}

export function phpCollectCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('collect')
      .description('remove the PHP trees that nothing keeps, as housekeeping does')
      .argument('<profile>')
      .option('--dry-run', 'only say which'),
  ).action(async (profile: string, options: AnswerOptions & { readonly dryRun?: boolean }) => {
    const { output } = context;
    const client = await connect(options, context);
    const { trees } = await client.collectPhp(profile, options.dryRun === true);
    if (options.json) {
      output.json({ trees });
      return;
    }
    output.table(
      [{ title: 'TREE' }, { title: 'SIZE', align: 'right' }, { title: 'KEPT BECAUSE' }],
      trees.map(({ id, bytes, keep }) => [
        id,
        formatSize(bytes),
        keep.join(', ') || (options.dryRun === true ? 'nothing: it would go' : 'nothing: gone'),
      ]),
    );
  });
  return addExample(command, 'rookery php collect web-v3 --dry-run');
}

function tell(
  { output }: CommandContext,
  view: PhpProfileView,
  options: AnswerOptions,
  sentence: string,
): void {
  if (options.json) {
    output.json(view);
    return;
  }
  const forced = view.deeds[0]?.forced ?? [];
  const more = forced.length === 0 ? '' : ` Forced: ${forced.join(' ')}`;
  output.line(`${sentence} INDEX ${view.serial}.${more}`);
}
