import { Command } from 'commander';
import type { RolloutSummary } from '../../protocol/rollouts.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { shortId, showRollout, stateWords, unitWords } from '../rollout-report.ts';
import { watchRollout } from '../watch-rollout.ts';

interface ReasonOptions extends AnswerOptions {
  readonly reason: string;
}

interface StartOptions extends AnswerOptions {
  readonly follow?: boolean;
}

/** `rollout approve`, `start`, `pause`, `resume`, `abort`, `rollback`. */
export function rolloutDeedCommands(context: CommandContext): readonly Command[] {
  return [
    approveCommand(context),
    startCommand(context),
    pauseCommand(context),
    resumeCommand(context),
    abortCommand(context),
    rollbackCommand(context),
  ];
}

function approveCommand(context: CommandContext): Command {
  const command = named('approve', 'say yes to a plan, or to one of its stages')
    .argument('[stage]', 'default: the next approval that is missing')
    .action(async (id: string, stage: string | undefined, options: AnswerOptions) => {
      const client = await connect(options, context);
      const rollout = await client.approveRollout(id, stage);
      const { missingApprovals, approvals } = rollout;
      const next =
        missingApprovals.length === 0 ? '' : ` Still missing: ${missingApprovals.join(', ')}.`;
      tell(context, options, rollout, `${approvals.at(-1)?.of} is approved.${next}`);
    });
  return addExample(
    command,
    'rookery rollout approve 8f3a12cd45ab',
    'rookery rollout approve 8f3a12cd45ab wave-2',
  );
}

function startCommand(context: CommandContext): Command {
  const command = named('start', 'begin a rollout that has been approved')
    .option('-f, --follow', 'watch it to its end')
    .action(async (id: string, options: StartOptions) => {
      const client = await connect(options, context);
      const rollout = await client.startRollout(id);
      if (options.follow === true) {
        await watchRollout(client, rollout.id, context, { isJson: options.json === true });
        return;
      }
      tell(context, options, rollout, 'It has begun.');
      if (!options.json) {
        context.output.note(`Watch it with: rookery rollout watch ${shortId(rollout.id)}`);
      }
    });
  return addExample(command, 'rookery rollout start 8f3a12cd45ab --follow');
}

function pauseCommand(context: CommandContext): Command {
  const command = named('pause', 'begin no more units; those under way are finished')
    .requiredOption('--reason <text>', 'why, for those who wait for it')
    .action(async (id: string, options: ReasonOptions) => {
      const rollout = await (await connect(options, context)).pauseRollout(id, options.reason);
      tell(context, options, rollout, 'What is under way is finished.');
    });
  return addExample(command, 'rookery rollout pause 8f3a12cd45ab --reason "errors on web7"');
}

function resumeCommand(context: CommandContext): Command {
  const command = named('resume', 'let a paused rollout go on').action(
    async (id: string, options: AnswerOptions) => {
      const rollout = await (await connect(options, context)).resumeRollout(id);
      tell(context, options, rollout, 'It goes on.');
    },
  );
  return addExample(command, 'rookery rollout resume 8f3a12cd45ab');
}

function abortCommand(context: CommandContext): Command {
  const command = named(
    'abort',
    'end a rollout: what is under way is finished or taken back; a draft is discarded',
  )
    .requiredOption('--reason <text>', 'why; it stands in the journal')
    .action(async (id: string, options: ReasonOptions) => {
      const rollout = await (await connect(options, context)).abortRollout(id, options.reason);
      tell(context, options, rollout, 'Nothing new begins.');
    });
  return addExample(command, 'rookery rollout abort 8f3a12cd45ab --reason "wrong release"');
}

function rollbackCommand(context: CommandContext): Command {
  const command = named('rollback', 'plan the way back from what a rollout has done')
    .requiredOption('--reason <text>', 'why; it stands in the plan and in the journal')
    .action(async (id: string, options: ReasonOptions) => {
      const { output, clock } = context;
      const rollout = await (await connect(options, context)).rollBackRollout(id, options.reason);
      if (options.json) {
        output.json(rollout);
        return;
      }
      showRollout(rollout, { output, now: clock.now() });
    });
  return addExample(command, 'rookery rollout rollback 8f3a12cd45ab --reason "502s since 14:00"');
}

function named(verb: string, description: string): Command {
  return addAnswerOptions(
    new Command(verb)
      .description(description)
      .argument('<id>', 'of the rollout; its beginning is enough'),
  );
}

function tell(
  { output }: CommandContext,
  options: AnswerOptions,
  rollout: RolloutSummary,
  sentence: string,
): void {
  if (options.json) {
    output.json(rollout);
  } else {
    output.line(`${shortId(rollout.id)} ${stateWords(rollout, output)}. ${sentence}`);
    output.line(`units: ${unitWords(rollout.units)}`);
  }
}
