import { Command } from 'commander';
import type { DifferenceView, PackageChangeView } from '../../protocol/difference.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted, formatSize } from '../format.ts';
import type { Color, Output } from '../output.ts';
import type { ServerClient } from '../server-client.ts';

const COLORS: Readonly<Record<PackageChangeView['kind'], Color>> = {
  added: 'green',
  removed: 'red',
  up: 'green',
  down: 'yellow',
  rebuilt: 'cyan',
};

/** `rookery channel diff`. */
export function channelDiffCommand(context: CommandContext): Command {
  const command = new Command('diff')
    .description('compare two publications package by package')
    .argument('<profile>')
    .argument('<from>', 'a channel, as it is now, or a publication of it such as "stable@12"')
    .argument('[to]', 'likewise (default: the channel before it: what promoting would change)')
    .action(
      async (profile: string, from: string, to: string | undefined, options: AnswerOptions) => {
        const client = await connect(options, context);
        const other = to ?? (await channelBefore(client, profile, from));
        const difference = await client.difference(profile, { from, to: other });
        if (options.json) {
          context.output.json(difference);
        } else {
          show(difference, { from, to: other }, context.output);
        }
      },
    );
  return addExample(addAnswerOptions(command), 'rookery channel diff web-v3 stable testing@12');
}

/** The channel that promotion takes from; for the first one, itself. */
async function channelBefore(client: ServerClient, profile: string, from: string): Promise<string> {
  const [channel = ''] = from.split('@');
  const { profiles } = await client.profiles();
  const channels = profiles.find(({ name }) => name === profile)?.channels ?? [];
  return channels[channels.indexOf(channel) - 1] ?? channel;
}

function show(
  { from, to, counts, sizeChange, changes }: DifferenceView,
  asked: { readonly from: string; readonly to: string },
  output: Output,
): void {
  const [before, after] = [nameOf(from, asked.from), nameOf(to, asked.to)];
  output.line(output.paint('bold', `${before} -> ${after}`));
  const parts = Object.entries(counts).filter(([, number]) => number > 0);
  if (parts.length === 0) {
    output.line('The same packages.');
    return;
  }
  const kinds = parts.map(([kind, number]) => `${number} ${kind}`).join(', ');
  output.line(`${counted(changes.length, 'package')}: ${kinds}; ${signedSize(sizeChange)}`);
  output.line();
  output.table(
    [
      { title: 'CHANGE' },
      { title: 'PACKAGE' },
      { title: 'BEFORE' },
      { title: 'AFTER' },
      { title: 'SIZE', align: 'right' },
      { title: 'USE, SONAMES' },
    ],
    changes.map((change) => [
      output.paint(COLORS[change.kind], change.kind),
      change.slot === '0' ? change.name : `${change.name}:${change.slot}`,
      versionOf(change, 'before'),
      versionOf(change, 'after'),
      signedSize(change.sizeChange),
      [...words(change.use), ...words(change.sonames)].join(' '),
    ]),
  );
}

/** `web-v3/stable@3`, or what was asked for when there is nothing. */
function nameOf(made: DifferenceView['from'], asked: string): string {
  return made === null ? `${asked} (nothing yet)` : `${made.channel}@${made.serial}`;
}

/** Version and BUILD_ID. */
function versionOf(change: PackageChangeView, side: 'before' | 'after'): string {
  const one = change[side];
  return one === null ? '-' : `${one.cpv.slice(change.name.length + 1)} (${one.buildId})`;
}

function words({ added, removed }: PackageChangeView['use']): string[] {
  return [...added.map((word) => `+${word}`), ...removed.map((word) => `-${word}`)];
}

function signedSize(bytes: number): string {
  return bytes < 0 ? `-${formatSize(-bytes)}` : `+${formatSize(bytes)}`;
}
