import { Command } from 'commander';
import type { ChannelView, PublicationView } from '../../protocol/channels.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { counted, formatAge, formatTime } from '../format.ts';
import { refusalIn, showFindings } from '../gate-report.ts';
import type { ServerClient } from '../server-client.ts';
import { channelCheckCommand } from './channel-check.ts';
import { channelDiffCommand } from './channel-diff.ts';
import { pinCommand, unpinCommand } from './channel-pin.ts';
import { proofCommand } from './channel-proof.ts';

interface ChannelOptions extends AnswerOptions {
  readonly reason?: string;
  readonly from?: string;
  readonly serial?: number;
  readonly expected?: number;
  readonly force?: boolean;
  readonly allow?: readonly string[];
  readonly package?: readonly string[];
}

const ALLOW = 'let these findings of the gate pass; needs --reason';
const FORCE = 'also without the proof that the profile asks for; needs --reason';
const EXPECTED = [
  '--expected <n>',
  'only if the channel shows this publication now, 0 for none (default: whatever it shows)',
] as const;

type Deed = (
  client: ServerClient,
  profile: string,
  channel: string,
  options: ChannelOptions,
) => Promise<PublicationView>;

type Explanation = (
  client: ServerClient,
  publication: PublicationView,
  options: ChannelOptions,
) => Promise<string>;

export function channelCommand(context: CommandContext): Command {
  const command = new Command('channel').description('see and change what nodes get');
  command.addCommand(showCommand(context));
  command.addCommand(publishCommand(context));
  command.addCommand(promoteCommand(context));
  command.addCommand(rollbackCommand(context));
  command.addCommand(pinCommand(context));
  command.addCommand(unpinCommand(context));
  command.addCommand(proofCommand(context));
  command.addCommand(channelDiffCommand(context));
  command.addCommand(channelCheckCommand(context));
  return addExample(command, 'rookery channel show web-v3 stable');
}

function showCommand(context: CommandContext): Command {
  const command = channelBase('show', 'show the current publication and those before it').action(
    async (profile: string, channel: string, options: ChannelOptions) => {
      const view = await (await connect(options, context)).channel(profile, channel);
      if (options.json) {
        context.output.json(view);
      } else {
        showChannel(view, context);
      }
    },
  );
  return addExample(command, 'rookery channel show web-v3 testing');
}

function publishCommand(context: CommandContext): Command {
  const command = channelBase(
    'publish',
    'publish the newest packages of the profile, or those that are named',
  )
    .option('--package <id...>', 'only these packages, over what the channel has')
    .option('--allow <id...>', ALLOW)
    .option('--force', FORCE)
    .option('--reason <text>', 'why; it stands in the journal')
    .option(...EXPECTED, parseSerial)
    .action(
      deed(
        context,
        async (client, profile, channel, options) =>
          client.publish(profile, channel, {
            ...whyAndWhen(options),
            ...(options.package === undefined ? {} : { packageIds: options.package }),
            ...(options.force === true ? { force: true } : {}),
            ...(options.allow === undefined ? {} : { allow: options.allow }),
          }),
        sayForced,
      ),
    );
  return addExample(command, 'rookery channel publish web-v3 testing --reason "weekly update"');
}

function promoteCommand(context: CommandContext): Command {
  const command = channelBase('promote', 'publish on a channel what an earlier one shows')
    .option('--from <channel>', 'the channel to take from (default: the one before)')
    .option('--serial <n>', 'its publication number (default: the current one)', parseCount)
    .option('--allow <id...>', ALLOW)
    .option('--force', FORCE)
    .option('--reason <text>', 'why; it stands in the journal')
    .option(...EXPECTED, parseSerial)
    .action(
      deed(
        context,
        async (client, profile, channel, options) =>
          client.promote(profile, channel, {
            ...whyAndWhen(options),
            ...(options.from === undefined ? {} : { from: options.from }),
            ...(options.serial === undefined ? {} : { serial: options.serial }),
            ...(options.force === true ? { force: true } : {}),
            ...(options.allow === undefined ? {} : { allow: options.allow }),
          }),
        sayForced,
      ),
    );
  return addExample(
    command,
    'rookery channel promote web-v3 stable --expected 11 --reason "ran a week"',
    'rookery channel promote web-v3 stable --force --reason "security fix, see advisory"',
  );
}

function rollbackCommand(context: CommandContext): Command {
  const command = channelBase('rollback', 'publish again what a channel showed before')
    .option(
      '--serial <n>',
      'publication to go back to (default: the one before what is shown now)',
      parseCount,
    )
    .option('--reason <text>', 'why; it stands in the journal')
    .option(...EXPECTED, parseSerial)
    .action(
      deed(
        context,
        async (client, profile, channel, options) =>
          client.rollback(profile, channel, {
            ...whyAndWhen(options),
            ...(options.serial === undefined ? {} : { serial: options.serial }),
          }),
        whatItShows,
      ),
    );
  return addExample(command, 'rookery channel rollback web-v3 stable --serial 12 --reason "502s"');
}

function whyAndWhen({ reason = '', expected }: ChannelOptions): {
  readonly reason: string;
  readonly expectedSerial?: number;
} {
  return { reason, ...(expected === undefined ? {} : { expectedSerial: expected }) };
}

/** As `parseCount`, and 0 for a channel on which nothing was published. */
function parseSerial(text: string): number {
  return text === '0' ? 0 : parseCount(text);
}

function channelBase(name: string, description: string): Command {
  return addAnswerOptions(
    new Command(name).description(description).argument('<profile>').argument('<channel>'),
  );
}

function deed(
  context: CommandContext,
  act: Deed,
  explain: Explanation = async () => '',
): (profile: string, channel: string, options: ChannelOptions) => Promise<void> {
  return async (profile, channel, options) => {
    const client = await connect(options, context);
    const publication = await act(client, profile, channel, options).catch((error: unknown) => {
      const refusal = refusalIn(error);
      if (refusal !== undefined && !options.json) {
        showFindings(refusal, context.output.note, context.output.paint);
      }
      throw error;
    });
    if (options.json) {
      context.output.json(publication);
    } else {
      const more = await explain(client, publication, options);
      context.output.line(`${publicationLine(publication)}${more}`);
    }
  };
}

/** ` It now shows what 2 showed.`: the number that was asked for, or the last one that was no rollback itself. */
async function whatItShows(
  client: ServerClient,
  { profile, channel, serial, snapshotId }: PublicationView,
  options: ChannelOptions,
): Promise<string> {
  if (options.serial !== undefined) {
    return ` It now shows what ${options.serial} showed.`;
  }
  const { publications } = await client.channel(profile, channel);
  const alike = publications.filter((one) => one.serial < serial && one.snapshotId === snapshotId);
  const shown = alike.find(({ kind }) => kind !== 'rollback') ?? alike.at(-1);
  return shown === undefined ? '' : ` It now shows what ${shown.serial} showed.`;
}

/** What was missing when it was promoted by force. */
async function sayForced(_: ServerClient, { forced }: PublicationView): Promise<string> {
  return forced === null ? '' : ` Forced: ${forced.missing.join(' ')}`;
}

/** `web-v3/stable is now publication 4: 12 packages.` */
function publicationLine({ profile, channel, serial, packageCount }: PublicationView): string {
  return `${profile}/${channel} is now publication ${serial}: ${counted(packageCount, 'package')}.`;
}

function showAllowed({ allowed }: ChannelView, { output }: CommandContext): void {
  for (const { message, author, reason } of allowed) {
    output.line(`let pass by ${author} (${reason}): ${message}`);
  }
}

/** What was refused since the last publication. */
function showRefused({ profile, channel, refused }: ChannelView, context: CommandContext): void {
  if (refused === null) {
    return;
  }
  const { output, clock } = context;
  const { act, actor, at, seq, message, rebuild } = refused;
  const when = formatAge(at, clock.now());
  output.line(`refused to ${act} for ${actor}, ${when} (journal ${seq}): ${message}`);
  if (rebuild.length > 0) {
    output.line(
      `to be rebuilt: ${rebuild.join(' ')} (rookery build request ${profile} --rebuild-for ${channel})`,
    );
  }
}

function showChannel(view: ChannelView, context: CommandContext): void {
  const { output, clock } = context;
  output.line(`${output.paint('bold', `${view.profile}/${view.channel}`)}  ${view.uri}`);
  if (view.current === null) {
    output.line('Nothing has been published on it yet.');
    showRefused(view, context);
    return;
  }
  const { serial, packageCount, createdAt, timestamp } = view.current;
  output.line(
    `publication ${serial}, ${counted(packageCount, 'package')}, ${formatAge(createdAt, clock.now())}, TIMESTAMP ${timestamp}`,
  );
  showAllowed(view, context);
  showRefused(view, context);
  output.line();
  output.table(
    [
      { title: 'SERIAL', align: 'right' },
      { title: 'KIND' },
      { title: 'PACKAGES', align: 'right' },
      { title: 'WHEN' },
      { title: 'BY' },
      { title: 'SNAPSHOT' },
      { title: 'REASON' },
    ],
    view.publications.map((publication) => [
      String(publication.serial),
      [publication.kind, ...marksOf(view, publication)].join(' '),
      String(publication.packageCount),
      formatTime(publication.createdAt),
      publication.author,
      publication.snapshotId,
      publication.reason,
    ]),
  );
}

function marksOf({ pins }: ChannelView, { serial, forced }: PublicationView): string[] {
  return [
    ...(forced === null ? [] : ['(forced)']),
    ...(pins.some((pin) => pin.serial === serial) ? ['(pinned)'] : []),
  ];
}
