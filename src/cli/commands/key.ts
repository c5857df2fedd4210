import { Command, InvalidArgumentError, Option } from 'commander';
import type { KeyList, KeyMessage, ResignView } from '../../protocol/keys.ts';
import { AppError } from '../../support/errors.ts';
import { fetchPublicKey } from '../check-as-client.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  parseCount,
  type ServerOptions,
  serverUrl,
} from '../command-context.ts';
import { followResign } from '../follow-resign.ts';
import { counted, formatTime } from '../format.ts';
import type { ServerClient } from '../server-client.ts';
import { StageBars } from '../stage-bars.ts';
import { backupCommand, restoreCommand } from './key-backup.ts';

interface DeedOptions extends AnswerOptions {
  readonly reason?: string;
}

interface RotateOptions extends DeedOptions {
  readonly primary?: boolean;
  readonly gpgKey?: string;
  readonly overlap?: number;
  readonly now?: boolean;
  readonly resign?: boolean;
  readonly background?: boolean;
}

const HOURS_A_DAY = 24;

export function keyCommand(context: CommandContext): Command {
  const command = new Command('key').description(
    'the keys that packages are signed with: rotate, extend, revoke, back up',
  );
  for (const make of [showCommand, rotateCommand, extendCommand, revokeCommand, resignCommand]) {
    command.addCommand(make(context));
  }
  command.addCommand(exportCommand(context));
  command.addCommand(backupCommand(context));
  command.addCommand(restoreCommand(context));
  return addExample(command, 'rookery key show', 'rookery key rotate --overlap 14d --resign');
}

function showCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('show').description('list the keys, what each is for and when it ends'),
  ).action(async (options: AnswerOptions) => {
    report(await (await connect(options, context)).keys(), options, context);
  });
  return addExample(command, 'rookery key show');
}

function rotateCommand(context: CommandContext): Command {
  const command = deedCommand(
    'rotate',
    'make and publish a new key, which signs when nodes have had time to fetch it',
  )
    .option('--primary', 'a primary key of its own, instead of a signing subkey of the present one')
    .option('--gpg-key <fingerprint>', 'a key that gpg keeps, in [signing] gpg-home of the server')
    .option('--overlap <time>', 'from publication to first signature: 14d, 36h', parseOverlap)
    .option('--now', 'let it sign at once, or the one that waits already')
    .option('--resign', 'once it signs, sign again what others have signed')
    .option('--background', 'do not wait for the signing again')
    .action(async (options: RotateOptions) => {
      const client = await connect(options, context);
      const list = await client.rotateKey({
        kind: options.primary === true ? 'primary' : 'subkey',
        ...(options.gpgKey === undefined ? {} : { gpgKey: options.gpgKey }),
        ...(options.overlap === undefined ? {} : { overlapDays: options.overlap }),
        now: options.now ?? false,
        resign: options.resign ?? false,
        reason: options.reason ?? '',
      });
      report(list, options, context);
      if (options.now && options.resign && !options.background) {
        await follow(client, options, context);
      }
    });
  return addExample(
    command,
    'rookery key rotate --overlap 14d --resign',
    'rookery key rotate --now --reason "the old one may be stolen"',
  );
}

function extendCommand(context: CommandContext): Command {
  const command = deedCommand('extend', 'move the end of the keys, and publish them')
    .addOption(
      new Option('--days <n>', 'how long they live from now on; never shorter than before')
        .argParser(parseCount)
        .makeOptionMandatory(true),
    )
    .action(async (options: DeedOptions & { readonly days: number }) => {
      const client = await connect(options, context);
      const { days, reason = '' } = options;
      report(await client.extendKeys({ days, reason }), options, context);
    });
  return addExample(command, 'rookery key extend --days 730');
}

function revokeCommand(context: CommandContext): Command {
  const command = deedCommand(
    'revoke',
    'let nodes refuse everything that a key has signed, old packages included',
  )
    .argument('<fingerprint>', 'of a key, or of a primary key for all its keys')
    .addOption(
      new Option('--cause <cause>', 'what gpg will say of it')
        .choices(['compromised', 'superseded', 'retired'])
        .makeOptionMandatory(true),
    )
    .action(
      async (
        fingerprint: string,
        options: DeedOptions & { readonly cause: 'compromised' | 'superseded' | 'retired' },
      ) => {
        const client = await connect(options, context);
        const { cause, reason = '' } = options;
        const list = await client.revokeKey(fingerprint.replaceAll(' ', ''), { cause, reason });
        report(list, options, context);
      },
    );
  return addExample(
    command,
    'rookery key revoke 0123456789ABCDEF0123456789ABCDEF01234567 --cause compromised --reason "laptop lost"',
  );
}

function resignCommand(context: CommandContext): Command {
  const command = deedCommand(
    'resign',
    'sign again, with the current key, what others have signed and a channel shows',
  )
    .option('--background', 'begin it and do not wait')
    .action(async (options: RotateOptions) => {
      const client = await connect(options, context);
      const { resign } = await client.beginResign(options.reason ?? '');
      if (options.background) {
        say(resign, options, context);
        return;
      }
      await follow(client, options, context);
    });
  return addExample(command, 'rookery key resign --reason "the old key is to be revoked"');
}

function exportCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('export').description('print the public keys that nodes should have, armored'),
  ).action(async (options: ServerOptions) => {
    context.output.raw(await fetchPublicKey(serverUrl(options, context)));
  });
  return addExample(command, 'rookery key export > rookery.asc');
}

function deedCommand(name: string, description: string): Command {
  return addAnswerOptions(new Command(name).description(description)).option(
    '--reason <text>',
    'why; it stands in the journal',
  );
}

function parseOverlap(text: string): number {
  const [, count, unit] = /^([0-9]{1,5})([dh])$/.exec(text) ?? [];
  if (count === undefined) {
    throw new InvalidArgumentError('It has to be days or hours, such as 14d or 36h.');
  }
  return unit === 'h' ? Number(count) / HOURS_A_DAY : Number(count);
}

function report(list: KeyList, options: AnswerOptions, { output }: CommandContext): void {
  if (options.json) {
    output.json(list);
    return;
  }
  output.table(
    [{ title: 'KEY' }, { title: 'STATE' }, { title: 'KEPT BY' }, { title: 'ENDS' }, { title: '' }],
    list.keys.map((key) => [
      key.fingerprint,
      key.state,
      key.source === 'file' ? 'rookery' : 'gpg',
      key.expiresAt === null ? 'never' : formatTime(key.expiresAt),
      noteOf(key),
    ]),
  );
  for (const warning of list.warnings) {
    output.line(output.paint('yellow', warning));
  }
}

function noteOf(key: KeyMessage): string {
  if (key.takesOverAt !== null) {
    return `signs from ${formatTime(key.takesOverAt)} on`;
  }
  return key.publishedAt === null ? 'not published yet' : '';
}

async function follow(
  client: ServerClient,
  options: AnswerOptions,
  context: CommandContext,
): Promise<void> {
  const { output, clock } = context;
  const bars = new StageBars(output, { sign: { label: 'signing again', unit: 'packages' } });
  let ended: ResignView;
  try {
    ended = await followResign(client, {
      clock,
      signal: new AbortController().signal,
      onLost: () => {
        output.note('The connection is lost; trying again.');
      },
      onChange: ({ done, total, remainingMs }) => {
        bars.show({ stage: 'sign', done, total, remainingMs });
      },
    });
  } finally {
    bars.stop();
  }
  say(ended, options, context);
  if (ended.state === 'failed') {
    throw new AppError('resign-failed', `${ended.error ?? ''} It is tried again by the server.`);
  }
  if (ended.refused.length > 0 || ended.skipped.length > 0) {
    throw new AppError(
      'resign-incomplete',
      'Channels still show packages that another key has signed. When what is named above is in order, run rookery key resign.',
    );
  }
}

function say(resign: ResignView | null, options: AnswerOptions, { output }: CommandContext): void {
  if (options.json) {
    output.json({ resign });
  } else if (resign?.state === 'done') {
    output.line(`Signed ${counted(resign.done - resign.skipped.length, 'package')} again.`);
    for (const { id, reason } of resign.skipped) {
      output.line(`  ${id} stays as it is: ${reason}`);
    }
    for (const refusal of resign.refused) {
      output.line(`  ${refusal}`);
    }
  } else if (resign?.state === 'running') {
    output.line('The signing again has begun.');
  }
}
