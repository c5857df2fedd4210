import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';

interface PauseOptions extends AnswerOptions {
  readonly reason: string;
}

/** `profile pause` and `profile resume`, which talk to a server. */
export function profilePauseCommands(context: CommandContext): readonly Command[] {
  return [pauseCommand(context), resumeCommand(context)];
}

function pauseCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('pause')
      .description('hand out no more jobs for a profile; what is being built goes on')
      .argument('<profile>'),
  )
    .requiredOption('--reason <text>', 'why, for those who wait')
    .action(async (profile: string, options: PauseOptions) => {
      const pause = await (await connect(options, context)).pauseProfile(profile, options.reason);
      if (options.json) {
        context.output.json(pause);
      } else {
        context.output.line(`${pause.profile} is paused.`);
      }
    });
  return addExample(command, 'rookery profile pause web-v3 --reason "the tree is broken"');
}

function resumeCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('resume')
      .description('hand out the jobs for a paused profile again')
      .argument('<profile>'),
  ).action(async (profile: string, options: AnswerOptions) => {
    await (await connect(options, context)).resumeProfile(profile);
    if (options.json) {
      context.output.json({ profile });
    } else {
      context.output.line(`${profile} goes on.`);
    }
  });
  return addExample(command, 'rookery profile resume web-v3');
}
