import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { AppError } from '../../support/errors.ts';
import type { BinhostCheck } from '../check-binhost.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  parseCount,
  type ServerOptions,
} from '../command-context.ts';
import { counted } from '../format.ts';
import type { Output } from '../output.ts';

interface CheckOptions extends AnswerOptions {
  readonly key?: string;
  readonly parallel: number;
}

export function clientCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('client')
      .description('print the script that sets up a node for a channel')
      .argument('<profile>')
      .argument('<channel>'),
  ).action(async (profile: string, channel: string, options: ServerOptions) => {
    const client = await connect(options, context);
    context.output.raw(await client.clientScript(profile, channel));
  });
  command.addCommand(checkCommand(context));
  return addExample(
    command,
    'rookery client web-v3 stable > setup.sh   # then, on the node: sh setup.sh',
    'rookery client check web-v3 stable',
  );
}

function checkCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('check')
      .description('fetch and verify everything that a node would get')
      .argument('<uri|profile>', 'URI of a binhost, or a profile of the server')
      .argument('[channel]', 'channel of the profile'),
  )
    .option('--key <file>', 'armored key to trust (default: keys/rookery.asc of the same server)')
    .option('--parallel <n>', 'packages at the same time', parseCount, 4)
    .action(async (place: string, channel: string | undefined, options: CheckOptions) => {
      const { checkWithProgress, refuseFaults } = await import('../check-as-client.ts');
      const uri = await uriOf(place, channel, options, context);
      const publicKey = await publicKeyFor(uri, options, context);
      const result = await checkWithProgress(context.output, {
        label: 'checking',
        uri,
        publicKey,
        parallel: options.parallel,
      });
      if (options.json) {
        context.output.json(result);
      } else {
        report(result, context.output);
      }
      refuseFaults(result);
    });
  return addExample(
    command,
    'rookery client check web-v3 stable',
    'rookery client check http://farm/binhost/web-v3/stable --key rookery.asc',
  );
}

async function uriOf(
  place: string,
  channel: string | undefined,
  options: CheckOptions,
  context: CommandContext,
): Promise<string> {
  if (/^https?:\/\//.test(place)) {
    return place;
  }
  if (channel === undefined) {
    throw new AppError(
      'binhost-not-named',
      `"${place}" is not a http URI; for a profile, name its channel as well.`,
    );
  }
  return (await (await connect(options, context)).channel(place, channel)).uri;
}

async function publicKeyFor(
  uri: string,
  options: CheckOptions,
  { cwd }: CommandContext,
): Promise<string> {
  if (options.key !== undefined) {
    return await readFile(resolve(cwd, options.key), 'utf8');
  }
  const { fetchPublicKey } = await import('../check-as-client.ts');
  return await fetchPublicKey(uri);
}

function report(result: BinhostCheck, output: Output): void {
  output.line(
    `${result.uri}: ${counted(result.packages, 'package')}, ${counted(result.checks, 'check')}, TIMESTAMP ${result.timestamp}`,
  );
  for (const kind of result.ran) {
    output.line(`  ran      ${kind}`);
  }
  for (const kind of result.skipped) {
    output.line(`  ${output.paint('yellow', 'not run')}  ${kind}`);
  }
  for (const { subject, code, sentence } of result.faults) {
    output.line(`  ${output.paint('red', 'BAD')}      ${subject}: ${sentence} [${code}]`);
  }
  if (result.faults.length === 0) {
    output.line(output.paint('green', 'everything is as it should be'));
  }
}
