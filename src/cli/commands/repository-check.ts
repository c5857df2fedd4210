import { Command } from 'commander';
import type { CheckView } from '../../protocol/repository.ts';
import { AppError } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { followCheck } from '../follow-check.ts';
import { counted, formatDuration, formatSize } from '../format.ts';
import type { Output } from '../output.ts';
import { StageBars } from '../stage-bars.ts';

interface CheckCommandOptions extends AnswerOptions {
  readonly deep?: boolean;
  readonly all?: boolean;
  readonly maxAge?: number;
  readonly cancel?: boolean;
  readonly background?: boolean;
}

const STAGES = {
  packages: { label: 'looking at packages', unit: 'packages' },
  publications: { label: 'looking at publications', unit: 'packages' },
  'unknown-files': { label: 'looking for unknown files', unit: 'packages' },
  bytes: { label: 'reading bytes', unit: 'bytes' },
} as const;

export function checkCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('check').description(
      'compare the packages and indexes of a running server with its database, and put right what can be',
    ),
  )
    .option('--deep', 'read the bytes of every file that is due, against digests and signatures')
    .option('--all', 'with --deep: every file is due, not only those that were not read lately')
    .option(
      '--max-age <days>',
      'with --deep: how long a file that was found good is not due (default: 30)',
      parseCount,
    )
    .option('--background', 'begin it and do not wait; --cancel ends it')
    .option('--cancel', 'end the check that is under way; a later one goes on where it was')
    .action(async (options: CheckCommandOptions) => {
      await check(options, context);
    });
  return addExample(
    command,
    'rookery repository check',
    'rookery repository check --deep --max-age 7',
  );
}

async function check(options: CheckCommandOptions, context: CommandContext): Promise<void> {
  const { output, clock } = context;
  const client = await connect(options, context);
  if (options.cancel) {
    const cancelled = await client.cancelCheck();
    say(options, output, cancelled, 'The check is cancelled.');
    return;
  }
  const begun = await client.beginCheck({
    deep: options.deep ?? false,
    all: options.all ?? false,
    ...(options.maxAge === undefined ? {} : { maxAgeDays: options.maxAge }),
  });
  if (options.background) {
    say(options, output, begun, 'The check has begun.');
    return;
  }
  const bars = new StageBars(output, STAGES);
  let ended: CheckView;
  try {
    ended = await followCheck(client, {
      clock,
      signal: new AbortController().signal,
      onLost: () => {
        output.note('The connection is lost; trying again.');
      },
      onChange: ({ progress }) => {
        if (progress !== null) {
          bars.show(progress);
        }
      },
    });
  } finally {
    bars.stop();
  }
  if (options.json) {
    output.json(ended);
  } else {
    report(ended, output);
  }
  refuse(ended);
}

function say(
  options: CheckCommandOptions,
  output: Output,
  view: CheckView,
  sentence: string,
): void {
  if (options.json) {
    output.json(view);
  } else {
    output.line(sentence);
  }
}

function report(view: CheckView, output: Output): void {
  const time = formatDuration((view.finishedAt ?? view.startedAt) - view.startedAt);
  if (view.report === null) {
    return;
  }
  const { packages, publications, filesRead, bytesRead, findings, counts } = view.report;
  output.line(
    `Looked at ${counted(packages, 'package')} and ${counted(publications, 'publication')}, read ${counted(filesRead, 'file')} (${formatSize(bytesRead)}) in ${time}.`,
  );
  for (const { outcome, subject, message, code } of findings) {
    const color = outcome === 'damaged' ? 'red' : 'yellow';
    output.line(`  ${output.paint(color, outcome.padEnd(8))}  ${subject}: ${message} [${code}]`);
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total > findings.length) {
    output.line(`  ${total - findings.length} more of them are not listed.`);
  }
  if (total === 0) {
    output.line(output.paint('green', 'everything is as it should be'));
  }
}

/** What was put right is no failure. */
function refuse({ state, error, report: found }: CheckView): void {
  if (state !== 'done') {
    throw new AppError(
      'check-not-finished',
      `The check ${state}: ${error ?? 'it can be repeated'}.`,
    );
  }
  const left = (found?.findings ?? []).filter(
    ({ outcome }) => outcome === 'damaged' || outcome === 'reported',
  );
  if (left.length > 0) {
    throw new AppError(
      'repository-damaged',
      `${counted(left.length, 'finding')} could not be put right; docs/operations.md says what to do.`,
    );
  }
}
