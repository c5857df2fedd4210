import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { formatAge } from '../format.ts';
import {
  shortId,
  showRollout,
  showUnits,
  stateWords,
  unitWords,
  waitLine,
} from '../rollout-report.ts';
import { rolloutDeedCommands } from './rollout-deeds.ts';
import { rolloutExportCommand } from './rollout-export.ts';
import { rolloutPlanCommand } from './rollout-plan.ts';
import { rolloutWatchCommand } from './rollout-watch.ts';

/** `rookery rollout plan|list|show|approve|start|pause|resume|abort|rollback|why|watch|export`. */
export function rolloutCommand(context: CommandContext): Command {
  const command = new Command('rollout').description(
    'upgrade the fleet: plan, approve, follow, steer',
  );
  command.addCommand(rolloutPlanCommand(context));
  command.addCommand(listCommand(context));
  command.addCommand(showCommand(context));
  for (const deed of rolloutDeedCommands(context)) {
    command.addCommand(deed);
  }
  command.addCommand(whyCommand(context));
  command.addCommand(rolloutWatchCommand(context));
  command.addCommand(rolloutExportCommand(context));
  return addExample(
    command,
    'rookery rollout plan os zen3/stable --reason "openssl 3.5"',
    'rookery rollout watch 8f3a12cd45ab',
  );
}

interface ListOptions extends AnswerOptions {
  readonly state?: string;
  readonly limit: number;
}

function listCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('list').description('list the rollouts, newest first'),
  )
    .option('--state <state>', 'only those in this state, such as "running"')
    .option('--limit <n>', 'at most so many', parseCount, 20)
    .action(async ({ state, limit, ...options }: ListOptions) => {
      const { output, clock } = context;
      const query = { limit, ...(state === undefined ? {} : { state }) };
      const rollouts = await (await connect(options, context)).rollouts(query);
      if (options.json) {
        output.json(rollouts);
      } else if (rollouts.length === 0) {
        output.line('There is no rollout.');
      } else {
        output.table(
          ['ROLLOUT', 'KIND', 'STATE', 'UNITS', 'BRINGS', 'PLANNED', 'WHY'].map((title) => ({
            title,
          })),
          rollouts.map((rollout) => [
            shortId(rollout.id),
            rollout.kind,
            rollout.state,
            unitWords(rollout.units),
            rollout.targets.join(' '),
            formatAge(rollout.createdAt, clock.now()),
            rollout.reason,
          ]),
        );
      }
    });
  return addExample(command, 'rookery rollout list --state running');
}

interface ShowOptions extends AnswerOptions {
  readonly units?: boolean;
}

function showCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('show')
      .description('explain a plan, and say how far it is')
      .argument('<id>', 'of the rollout; its beginning is enough'),
  )
    .option('--units', 'also each unit: its state, step and nodes')
    .action(async (id: string, options: ShowOptions) => {
      const { output, clock } = context;
      const client = await connect(options, context);
      const rollout = await client.rollout(id);
      if (options.json) {
        output.json(rollout);
        return;
      }
      showRollout(rollout, { output, now: clock.now() });
      if (options.units === true) {
        showUnits(rollout, output);
      }
    });
  return addExample(command, 'rookery rollout show 8f3a12cd45ab --units');
}

function whyCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('why')
      .description('say what a rollout waits for')
      .argument('<id>', 'of the rollout; its beginning is enough'),
  ).action(async (id: string, options: AnswerOptions) => {
    const { output } = context;
    const client = await connect(options, context);
    const reasons = await client.whyRollout(id);
    if (options.json) {
      output.json(reasons);
      return;
    }
    for (const reason of reasons) {
      output.line(waitLine(reason));
    }
    if (reasons.length === 0) {
      output.line(`It waits for nothing: ${stateWords(await client.rollout(id), output)}`);
    }
  });
  return addExample(command, 'rookery rollout why 8f3a12cd45ab');
}
