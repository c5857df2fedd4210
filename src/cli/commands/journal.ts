import { Command } from 'commander';
import type { EventView } from '../../protocol/journal.ts';
import { messageOf } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { followJournal } from '../follow.ts';
import { formatTime } from '../format.ts';

interface JournalOptions extends AnswerOptions {
  readonly subject?: string;
  readonly kind?: string;
  readonly actor?: string;
  readonly limit: number;
  readonly follow?: boolean;
}

/** `rookery journal`. */
export function journalCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('journal').description('show what happened: who did what, when and why'),
  )
    .option('--subject <subject>', 'only of this, such as "channel:web-v3/stable"')
    .option('--kind <kind>', 'only this kind, such as "promoted"')
    .option('--actor <actor>', 'only by this one, such as "token:ops"')
    .option('--limit <n>', 'so many, the newest', parseCount, 50)
    .option('-f, --follow', 'go on with what happens from now on; with --json, an object a line')
    .action(async (options: JournalOptions) => {
      const client = await connect(options, context);
      const { subject, kind, actor, limit } = options;
      const filter = {
        ...(subject === undefined ? {} : { subject }),
        ...(kind === undefined ? {} : { kind }),
        ...(actor === undefined ? {} : { actor }),
      };
      const events = (await client.journal({ ...filter, limit })).toReversed();
      const { output, clock } = context;
      const show = (event: EventView): void => {
        if (options.json) {
          output.line(JSON.stringify(event));
        } else {
          output.line(lineOf(event));
        }
      };
      if (options.follow !== true && options.json) {
        output.json(events);
        return;
      }
      events.forEach(show);
      if (options.follow === true) {
        await followJournal(client, {
          clock,
          signal: new AbortController().signal,
          filter,
          after: events.at(-1)?.seq ?? 0,
          onEvent: show,
          onLost: (error) => {
            output.note(`--- ${messageOf(error)} Trying again.`);
          },
        });
      }
    });
  return addExample(command, 'rookery journal --subject channel:web-v3/stable --follow');
}

/** `2026-11-22 21:40:03 UTC  token:ops  promoted  channel:web-v3/stable  ran a week (serial 4)`. */
function lineOf({ at, actor, kind, subject, data }: EventView): string {
  const { reason, ...rest } = data;
  const facts = Object.entries(rest)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const why = typeof reason === 'string' ? reason : '';
  return [
    formatTime(at),
    actor,
    kind,
    subject,
    ...(why === '' ? [] : [why]),
    ...(facts.length === 0 ? [] : [`(${facts.join(', ')})`]),
  ].join('  ');
}
