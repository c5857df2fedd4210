import { Argument, Command } from 'commander';
import { planProblemsSchema, type RolloutRequestBody } from '../../protocol/rollouts.ts';
import { isAppError } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  collect,
  connect,
} from '../command-context.ts';
import { harmless } from '../output.ts';
import { readPolicy } from '../rollout-policy.ts';
import { shortId, showRollout } from '../rollout-report.ts';
import { watchPlanning } from '../watch-planning.ts';

interface PlanOptions extends AnswerOptions {
  readonly site: readonly string[];
  readonly farm: readonly string[];
  readonly node: readonly string[];
  readonly set: readonly string[];
  readonly policy?: string;
  readonly reason: string;
  readonly dryRun?: boolean;
}

type Kind = RolloutRequestBody['kind'];

/** `rookery rollout plan`. */
export function rolloutPlanCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('plan')
      .description('work out what would be done, in which order, and why; begins nothing')
      .addArgument(
        new Argument('<kind>', 'what is upgraded').choices([
          'os',
          'os-online',
          'os-disruptive',
          'php',
          'app',
        ]),
      )
      .argument(
        '<target...>',
        'os: PROFILE/CHANNEL[@SERIAL]; php: a tree or a version; app: a release',
      ),
  )
    .option('--site <name>', 'only this site; can be given again', collect, [])
    .option('--farm <name>', 'only this farm; can be given again', collect, [])
    .option('--node <name>', 'only this node; can be given again', collect, [])
    .option('--policy <file>', 'TOML with what is different from the usual policy')
    .option(
      '--set <key=value>',
      'one key of the policy, over the file; can be given again',
      collect,
      [],
    )
    .option('--dry-run', 'keep no draft')
    .requiredOption('--reason <text>', 'why; it stands in the plan and in the journal')
    .action(async (kind: Kind, targets: string[], options: PlanOptions) => {
      await plan(context, { kind, targets }, options);
    });
  return addExample(
    command,
    'rookery rollout plan os zen3/stable --reason "openssl 3.5"',
    'rookery rollout plan php 8.4.2 --site berlin --set php-drain=false --reason "8.4.2 fixes a leak"',
    'rookery rollout plan app release-42 --policy careful.toml --dry-run --reason "new checkout"',
  );
}

async function plan(
  context: CommandContext,
  wanted: { readonly kind: Kind; readonly targets: string[] },
  options: PlanOptions,
): Promise<void> {
  const { output, clock } = context;
  const { site, farm, node, reason, dryRun = false } = options;
  const policy = await readPolicy(options.policy, options.set, context.cwd);
  const client = await connect(options, context);
  const scope = { sites: [...site], farms: [...farm], nodes: [...node] };
  try {
    const rollout = await watchPlanning(
      client.planRollout({ ...wanted, scope, policy, reason, dryRun }),
      wanted,
      { client, output, clock },
    );
    if (options.json) {
      output.json(rollout);
      return;
    }
    showRollout(rollout, { output, now: clock.now() });
    if (dryRun) {
      output.note('Nothing was kept: this was a dry run.');
    } else {
      output.note(
        `This is a draft. Look at it again with: rookery rollout show ${shortId(rollout.id)}`,
      );
    }
  } catch (error) {
    tellProblems(error, context);
    throw error;
  }
}

/** Of a plan that cannot be made, all that is in its way. */
function tellProblems(error: unknown, { output }: CommandContext): void {
  if (!isAppError(error, 'rollout-refused')) {
    return;
  }
  const found = planProblemsSchema.safeParse(error.details);
  for (const { code, subject, sentence } of found.success ? found.data.problems : []) {
    output.note(harmless(`- ${subject}: ${sentence} [${code}]`, 'drop-colors'));
  }
}
