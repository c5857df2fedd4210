import { Command } from 'commander';
import { RESOLVE_OPTIONS } from '../../gentoo/resolve-options.ts';
import { AppError } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { counted, formatAge } from '../format.ts';
import { showRequest, summaryLine } from '../show-request.ts';
import { requireDone, waitForRequest } from '../wait-for-request.ts';
import { blockedCommand, unblockCommand } from './build-blocked.ts';
import { buildHistoryCommand } from './build-history.ts';
import { buildLogCommand } from './build-log.ts';
import { buildPublishCommand } from './build-publish.ts';
import { buildSteeringCommands, parsePriority } from './build-steering.ts';

interface RequestOptions extends AnswerOptions {
  readonly wait?: boolean;
  readonly publish?: string;
  readonly partial?: boolean;
  readonly rebuild?: boolean;
  readonly rebuildFor?: string;
  readonly update?: boolean;
  readonly deep?: boolean;
  readonly newuse?: boolean;
  readonly priority?: number;
  readonly retry?: boolean;
  readonly force?: boolean;
  readonly reason?: string;
}

interface ListOptions extends AnswerOptions {
  readonly profile?: string;
  readonly limit: number;
}

export function buildCommand(context: CommandContext): Command {
  const command = new Command('build').description('request builds and follow them');
  command.addCommand(requestCommand(context));
  command.addCommand(listCommand(context));
  command.addCommand(showCommand(context));
  command.addCommand(buildLogCommand(context));
  command.addCommand(buildHistoryCommand(context));
  command.addCommand(cancelCommand(context));
  command.addCommand(buildPublishCommand(context));
  for (const steering of buildSteeringCommands(context)) {
    command.addCommand(steering);
  }
  command.addCommand(blockedCommand(context));
  command.addCommand(unblockCommand(context));
  return addExample(command, 'rookery build request web-v3 app-misc/rookery-web --wait');
}

function requestCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('request')
      .description('ask for packages to be built for a profile')
      .argument('<profile>')
      .argument('[atom...]', 'atoms, or @sets of the profile'),
  )
    .option('--wait', 'show the jobs until the end; exit code 1 when the request fails')
    .option('--publish <channel>', 'publish the results on this channel')
    .option('--partial', 'when not everything can be published, publish what breaks nothing')
    .option('--rebuild-for <channel>', 'what the gate of this channel wants rebuilt')
    .option('--priority <n>', 'from -10 to 10: each step counts as a day of waiting', parsePriority)
    .option('--update', 'newer versions of what is installed in the build root, as emerge has it')
    .option('--deep', 'also of what that needs, at any depth')
    .option('--newuse', 'also what is installed with other USE flags than it would have now')
    .option('--rebuild', 'build the named packages again even if the repository has them')
    .option('--retry', 'try packages again that are blocked because they failed')
    .option('--force', 'publish also without the proof that the profile asks for; needs --reason')
    .option('--reason <text>', 'why it is published; it stands in the journal')
    .action(async (profile: string, atoms: readonly string[], options: RequestOptions) => {
      await requestBuild(context, { profile, atoms }, options);
    });
  return addExample(
    command,
    'rookery build request web-v3 app-misc/rookery-web --wait --publish testing',
    'rookery build request web-v3 @web --rebuild',
    'rookery build request web-v3 @world --update --deep --newuse --publish testing',
    'rookery build request web-v3 @world --publish testing --partial --wait',
    'rookery build request web-v3 --rebuild-for testing --publish testing --wait',
  );
}

/** Throws `nothing-to-build`. */
function requireSomething(
  wanted: { readonly atoms: readonly string[] },
  options: RequestOptions,
): void {
  if (wanted.atoms.length === 0 && options.rebuildFor === undefined) {
    throw new AppError(
      'nothing-to-build',
      'Nothing is named that could be built: give atoms, or --rebuild-for.',
    );
  }
}

async function requestBuild(
  context: CommandContext,
  wanted: { readonly profile: string; readonly atoms: readonly string[] },
  options: RequestOptions,
): Promise<void> {
  requireSomething(wanted, options);
  const { output } = context;
  const client = await connect(options, context);
  const request = await client.createRequest({ ...wanted, ...bodyOf(options) });
  if (!options.wait) {
    if (options.json) {
      output.json(request);
    } else {
      output.line(`${request.id}: ${request.state}`);
      output.note(`Follow it with: rookery build show ${request.id}`);
    }
    return;
  }
  const { atoms } = wanted.atoms.length === 0 ? request : wanted;
  output.note(`${request.id}: ${atoms.join(' ')} for ${wanted.profile}`);
  const detail = await waitForRequest(client, request.id, context);
  if (options.json) {
    output.json(detail);
  } else {
    output.line(summaryLine(detail));
  }
  requireDone(detail);
}

function bodyOf(options: RequestOptions) {
  const { publish, partial, rebuild = false, force, reason, rebuildFor, retry, priority } = options;
  const resolve = RESOLVE_OPTIONS.filter((option) => options[option] === true);
  return {
    ...(resolve.length > 0 ? { resolve } : {}),
    ...(priority === undefined ? {} : { priority }),
    rebuild,
    ...(publish === undefined ? {} : { publish }),
    ...(partial === true ? { partial } : {}),
    ...(force === true ? { force } : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(retry === true ? { retry } : {}),
    ...(rebuildFor === undefined ? {} : { rebuildFor }),
  };
}

function listCommand(context: CommandContext): Command {
  const command = addAnswerOptions(new Command('list').description('list requests, newest first'))
    .option('--profile <name>', 'only those for this profile')
    .option('--limit <n>', 'at most so many', parseCount, 20)
    .action(async (options: ListOptions) => {
      const { output, clock } = context;
      const client = await connect(options, context);
      const requests = await client.requests({
        limit: options.limit,
        ...(options.profile === undefined ? {} : { profile: options.profile }),
      });
      if (options.json) {
        output.json(requests);
        return;
      }
      if (requests.length === 0) {
        output.line('Nothing has been requested yet.');
        return;
      }
      output.table(
        [
          { title: 'REQUEST' },
          { title: 'PROFILE' },
          { title: 'STATE' },
          { title: 'WHEN' },
          { title: 'BY' },
          { title: 'ATOMS' },
        ],
        requests.map((request) => [
          request.id,
          request.profile,
          request.state,
          formatAge(request.createdAt, clock.now()),
          request.author,
          request.atoms.join(' '),
        ]),
      );
    });
  return addExample(command, 'rookery build list --profile web-v3');
}

function showCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('show')
      .description('show a request: its jobs, and why each waits')
      .argument('<request>'),
  ).action(async (id: string, options: AnswerOptions) => {
    const request = await (await connect(options, context)).request(id);
    if (options.json) {
      context.output.json(request);
    } else {
      showRequest(request, context);
    }
  });
  return addExample(command, 'rookery build show req-0123456789abcdef');
}

function cancelCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('cancel')
      .description('cancel a request; what is being built is stopped')
      .argument('<request>'),
  ).action(async (id: string, options: AnswerOptions) => {
    const request = await (await connect(options, context)).cancelRequest(id);
    if (options.json) {
      context.output.json(request);
    } else {
      const atoms = counted(request.atoms.length, 'atom');
      context.output.line(`${request.id} (${atoms} for ${request.profile}) is ${request.state}.`);
    }
  });
  return addExample(command, 'rookery build cancel req-0123456789abcdef');
}
