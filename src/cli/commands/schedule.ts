import { Command } from 'commander';
import type { ScheduleView } from '../../protocol/schedules.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { formatTime } from '../format.ts';

interface ListOptions extends AnswerOptions {
  readonly profile?: string;
  readonly runs: number;
}

/** `rookery schedule list|run|pause|resume`. */
export function scheduleCommand(context: CommandContext): Command {
  const command = new Command('schedule').description('what profiles have done by themselves');
  command.addCommand(listCommand(context));
  command.addCommand(runCommand(context));
  command.addCommand(pauseCommand(context));
  command.addCommand(resumeCommand(context));
  return addExample(command, 'rookery schedule list', 'rookery schedule run web-v3 nightly');
}

function listCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('list').description('list the schedules with their next and last runs'),
  )
    .option('--profile <name>', 'only those of this profile')
    .option('--runs <count>', 'how many of the last runs', parseCount, 1)
    .action(async (options: ListOptions) => {
      const { output } = context;
      const all = await (await connect(options, context)).schedules(options.runs);
      const schedules = all.filter(
        ({ profile }) => options.profile === undefined || profile === options.profile,
      );
      if (options.json) {
        output.json(schedules);
      } else if (schedules.length === 0) {
        output.line('No profile has a schedule.');
      } else {
        output.table(
          ['PROFILE', 'SCHEDULE', 'WHEN', 'NEXT', 'LAST', 'WHAT'].map((title) => ({ title })),
          schedules.flatMap(rowsOf),
        );
      }
    });
  return addExample(command, 'rookery schedule list --runs 5');
}

/** One line, and one more for each run after the last. */
function rowsOf(schedule: ScheduleView): string[][] {
  const { profile, name, cron, timeZone, next, pausedAt, work } = schedule;
  const [last = 'never', ...earlier] = schedule.runs.map(describeRun);
  const [soon] = next;
  const comes = soon === undefined ? 'never' : formatTime(soon);
  return [
    [profile, name, `${cron} (${timeZone})`, pausedAt === null ? comes : 'paused', last, work],
    ...earlier.map((run) => ['', '', '', '', run, '']),
  ];
}

function describeRun({ plannedAt, state, requestId }: ScheduleView['runs'][number]): string {
  return `${formatTime(plannedAt)} ${state}${requestId === null ? '' : ` ${requestId}`}`;
}

function runCommand(context: CommandContext): Command {
  const command = named('run', 'begin a run at once').action(
    async (profile: string, name: string, options: AnswerOptions) => {
      const { output } = context;
      const run = await (await connect(options, context)).runSchedule(profile, name);
      if (options.json) {
        output.json(run);
        return;
      }
      const { state, reason, requestId } = run;
      output.line(`${profile} ${name}: ${[state, requestId, reason].filter(Boolean).join(', ')}`);
    },
  );
  return addExample(command, 'rookery schedule run web-v3 nightly');
}

function pauseCommand(context: CommandContext): Command {
  const command = named('pause', 'let no run begin by itself until it is resumed').action(
    async (profile: string, name: string, options: AnswerOptions) => {
      const schedule = await (await connect(options, context)).pauseSchedule(profile, name);
      tell(context, options, schedule, `${profile} ${name} is paused.`);
    },
  );
  return addExample(command, 'rookery schedule pause web-v3 nightly');
}

function resumeCommand(context: CommandContext): Command {
  const command = named('resume', 'let runs begin by themselves again').action(
    async (profile: string, name: string, options: AnswerOptions) => {
      const schedule = await (await connect(options, context)).resumeSchedule(profile, name);
      const [next] = schedule.next;
      const when = next === undefined ? 'never' : formatTime(next);
      tell(context, options, schedule, `${profile} ${name} goes on; the next run: ${when}.`);
    },
  );
  return addExample(command, 'rookery schedule resume web-v3 nightly');
}

function named(verb: string, description: string): Command {
  return addAnswerOptions(
    new Command(verb)
      .description(description)
      .argument('<profile>', 'name of the profile')
      .argument('<schedule>', 'name of the schedule'),
  );
}

function tell(
  { output }: CommandContext,
  options: AnswerOptions,
  schedule: ScheduleView,
  sentence: string,
): void {
  if (options.json) {
    output.json(schedule);
  } else {
    output.line(sentence);
  }
}
