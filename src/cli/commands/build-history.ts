import { Command, Option } from 'commander';
import type { AttemptView, HistoryGroupView } from '../../protocol/build-records.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { formatAge, formatDuration, formatSize } from '../format.ts';

interface HistoryOptions extends AnswerOptions {
  readonly profile?: string;
  readonly agent?: string;
  readonly days?: number;
  readonly by?: 'package' | 'profile' | 'agent';
  readonly limit: number;
}

export function buildHistoryCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('history')
      .description('how builds went: how long, how large, how often well')
      .argument('[package]', 'only this one, as category/name'),
  )
    .option('--profile <name>', 'only those for this profile')
    .option('--agent <name>', 'only those of this agent')
    .option('--days <n>', 'only those of the last days', parseCount)
    .addOption(
      new Option('--by <what>', 'sums instead of attempts').choices([
        'package',
        'profile',
        'agent',
      ]),
    )
    .option('--limit <n>', 'at most so many lines', parseCount, 30)
    .action(async (name: string | undefined, options: HistoryOptions) => {
      await showHistory(context, name, options);
    });
  return addExample(
    command,
    'rookery build history dev-lang/php --profile web-v3',
    'rookery build history --by agent --days 30',
  );
}

async function showHistory(
  context: CommandContext,
  name: string | undefined,
  options: HistoryOptions,
): Promise<void> {
  const { output } = context;
  const client = await connect(options, context);
  const { profile, agent, days, limit, by } = options;
  const query = { package: name, profile, agent, days, limit };
  if (by === undefined) {
    const attempts = await client.history(query);
    if (options.json) {
      output.json(attempts);
    } else {
      showAttempts(attempts, context);
    }
    return;
  }
  const groups = await client.historyBy(by, query);
  if (options.json) {
    output.json(groups);
  } else {
    showGroups(by, groups, context);
  }
}

function showAttempts(attempts: readonly AttemptView[], { output, clock }: CommandContext): void {
  if (attempts.length === 0) {
    output.line('Nothing was built that fits.');
    return;
  }
  output.table(
    [
      { title: 'PACKAGE' },
      { title: 'PROFILE' },
      { title: 'AGENT' },
      { title: 'OUTCOME' },
      { title: 'TIME', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'WHEN' },
      { title: 'JOB' },
      { title: 'FIRST ERROR' },
    ],
    attempts.map((attempt) => [
      attempt.name,
      attempt.profile,
      attempt.agent,
      attempt.outcome,
      formatDuration(attempt.finishedAt - attempt.startedAt),
      attempt.packageBytes === null ? '-' : formatSize(attempt.packageBytes),
      formatAge(attempt.finishedAt, clock.now()),
      attempt.jobId,
      attempt.failure?.text ?? '',
    ]),
  );
}

function showGroups(
  by: string,
  groups: readonly HistoryGroupView[],
  { output, clock }: CommandContext,
): void {
  if (groups.length === 0) {
    output.line('Nothing was built that fits.');
    return;
  }
  output.table(
    [
      { title: by.toUpperCase() },
      { title: 'ATTEMPTS', align: 'right' },
      { title: 'SUCCEEDED', align: 'right' },
      { title: 'USUALLY', align: 'right' },
      { title: 'LONGEST', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'IN ALL', align: 'right' },
      { title: 'LAST' },
    ],
    groups.map((group) => [
      group.name,
      String(group.attempts),
      `${Math.floor((group.succeeded / Math.max(1, group.attempts)) * 100)} %`,
      group.averageMs === null ? '-' : formatDuration(group.averageMs),
      group.longestMs === null ? '-' : formatDuration(group.longestMs),
      group.averageBytes === null ? '-' : formatSize(group.averageBytes),
      formatDuration(group.spentMs),
      formatAge(group.lastAt, clock.now()),
    ]),
  );
}
