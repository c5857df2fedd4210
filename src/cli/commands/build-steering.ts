import { Command, InvalidArgumentError } from 'commander';
import type { JobView, RequestView } from '../../protocol/builds.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';

interface ReasonOptions extends AnswerOptions {
  readonly reason: string;
}

const MAX_PRIORITY = 10;

/** Reads `--priority`. */
export function parsePriority(text: string): number {
  const priority = Number(text);
  if (!/^[+-]?[0-9]{1,2}$/.test(text) || Math.abs(priority) > MAX_PRIORITY) {
    throw new InvalidArgumentError(
      `It has to be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}.`,
    );
  }
  return priority;
}

/** `build pause`, `resume`, `priority`, `why`. */
export function buildSteeringCommands(context: CommandContext): readonly Command[] {
  return [
    pauseCommand(context),
    resumeCommand(context),
    priorityCommand(context),
    whyCommand(context),
  ];
}

function pauseCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('pause')
      .description('hand out no more jobs of a request; what is being built goes on')
      .argument('<request>'),
  )
    .requiredOption('--reason <text>', 'why, for those who wait for it')
    .action(async (id: string, options: ReasonOptions) => {
      const request = await (await connect(options, context)).pauseRequest(id, options.reason);
      tell(context, options, request, `${request.id} is paused.`);
    });
  return addExample(command, 'rookery build pause req-0123456789abcdef --reason "disk is full"');
}

function resumeCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('resume')
      .description('hand out the jobs of a paused request again')
      .argument('<request>'),
  ).action(async (id: string, options: AnswerOptions) => {
    const request = await (await connect(options, context)).resumeRequest(id);
    tell(context, options, request, `${request.id} goes on.`);
  });
  return addExample(command, 'rookery build resume req-0123456789abcdef');
}

function priorityCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('priority')
      .description('move a request in the queue: each step counts as a day of waiting')
      .argument('<request>')
      .argument('<priority>', 'from -10 to 10; before one below zero write --', parsePriority),
  ).action(async (id: string, priority: number, options: AnswerOptions) => {
    const request = await (await connect(options, context)).prioritizeRequest(id, priority);
    tell(context, options, request, `${request.id} has the priority ${request.priority}.`);
  });
  return addExample(command, 'rookery build priority req-0123456789abcdef 3');
}

function tell(
  context: CommandContext,
  options: AnswerOptions,
  request: RequestView,
  line: string,
): void {
  if (options.json) {
    context.output.json(request);
  } else {
    context.output.line(line);
  }
}

function whyCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('why')
      .description('say why a job stands where it stands')
      .argument('<job>', 'its number, as "build show" prints it'),
  ).action(async (id: string, options: AnswerOptions) => {
    const job = await (await connect(options, context)).job(id);
    if (options.json) {
      context.output.json(job.why);
    } else {
      context.output.line(whyLine(job));
    }
  });
  return addExample(command, 'rookery build why job-0123456789abcdef');
}

/** `dev-libs/openssl-3.5.1 builds on pre3 since 4 min, about 2 min left` */
function whyLine(job: JobView): string {
  return `${job.kind === 'plan' ? 'The plan' : job.name} ${job.whySentence}`;
}
