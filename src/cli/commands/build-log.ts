import { Command } from 'commander';
import type { JobView } from '../../protocol/builds.ts';
import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { plainText } from '../../support/terminal-text.ts';
import {
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  parseCount,
  type ServerOptions,
} from '../command-context.ts';
import { followLog, isFinalJob } from '../follow.ts';
import { harmless } from '../output.ts';
import { searchLogs } from '../search-logs.ts';
import type { ServerClient } from '../server-client.ts';

interface LogOptions extends ServerOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
  readonly grep?: string;
  readonly limit: number;
}

export function buildLogCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('log')
      .description('print the build log of a job, or of every job of a request, or search in logs')
      .argument('[id]', 'a job or a request; all logs with --grep'),
  )
    .option('-f, --follow', 'go on until the end, through restarts of the server')
    .option('--attempt <n>', 'the log of an earlier attempt', parseCount)
    .option(
      '--grep <text>',
      'only the lines of all attempts that hold this text, whatever the case',
    )
    .option('--limit <n>', 'at most so many lines found', parseCount, 1000)
    .action(async (id: string | undefined, options: LogOptions) => {
      const client = await connect(options, context);
      if (options.grep !== undefined) {
        await searchIn(client, id, { text: options.grep, limit: options.limit }, context);
        return;
      }
      if (id === undefined) {
        throw new AppError(
          'nothing-named',
          'Name a job or a request, or what to look for: --grep TEXT.',
        );
      }
      const jobs = await jobsOf(client, id);
      for (const job of withAttempt(jobs, id, options.attempt)) {
        await printLog(client, job, options, context);
      }
    });
  return addExample(
    command,
    'rookery build log job-0123456789abcdef -f',
    "rookery build log --grep 'undefined reference'",
  );
}

/** Throws `text-not-found`. */
async function searchIn(
  client: ServerClient,
  id: string | undefined,
  search: { readonly text: string; readonly limit: number },
  { output }: CommandContext,
): Promise<void> {
  const jobs = id === undefined ? [] : await jobsOf(client, id);
  const [only] = jobs;
  const where =
    id === undefined ? {} : only !== undefined && only.id === id ? { job: id } : { request: id };
  if ((await searchLogs(client, { ...search, ...where }, output)) === 0) {
    const place = id === undefined ? 'any log that is kept' : `the logs of ${id}`;
    throw new AppError('text-not-found', `"${search.text}" is in no line of ${place}.`);
  }
}

async function jobsOf(client: ServerClient, id: string): Promise<readonly JobView[]> {
  try {
    return [await client.job(id)];
  } catch (error) {
    if (!isAppError(error, 'unknown-job')) {
      throw error;
    }
  }
  try {
    return (await client.request(id)).jobs;
  } catch (error) {
    if (isAppError(error, 'unknown-request')) {
      throw new AppError('unknown-job', `There is no job and no request named ${id}.`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** The jobs that have had this attempt. Throws `unknown-attempt` when none has. */
function withAttempt(
  jobs: readonly JobView[],
  id: string,
  attempt: number | undefined,
): readonly JobView[] {
  const having = jobs.filter((job) => attempt === undefined || job.attempt >= attempt);
  if (having.length === 0 && attempt !== undefined) {
    const most = Math.max(0, ...jobs.map((job) => job.attempt));
    throw new AppError(
      'unknown-attempt',
      `There is no attempt ${attempt} at ${id}: the last one is ${most}.`,
    );
  }
  return having;
}

async function printLog(
  client: ServerClient,
  job: JobView,
  { follow = false, attempt }: LogOptions,
  context: CommandContext,
): Promise<void> {
  const { output, clock } = context;
  const printer = linePrinter(context);
  output.note(output.paint('bold', `--- ${job.name} (${job.id})`));
  const signal = new AbortController().signal;
  if (follow && !isFinalJob(job) && (attempt === undefined || attempt === job.attempt)) {
    const ended = await followLog(client, job.id, {
      clock,
      signal,
      onBytes: printer.bytes,
      onAttempt: (next) => {
        printer.end();
        output.note(output.paint('dim', `--- attempt ${next}`));
      },
      onLost: (error) => {
        output.note(`--- ${messageOf(error)} Trying again.`);
      },
    });
    printer.end();
    output.note(output.paint('dim', `--- ${ended.state}${reasonOf(ended)}`));
    return;
  }
  const path = `/api/jobs/${encodeURIComponent(job.id)}/log`;
  for await (const chunk of await client.stream(path, { attempt, offset: 0 }, signal)) {
    printer.bytes(chunk);
  }
  printer.end();
}

function reasonOf(job: JobView): string {
  return job.reason === null ? '' : `: ${job.reason}`;
}

/** Prints whole lines, so that no escape sequence is torn apart before it is looked at. */
function linePrinter({ output }: CommandContext): {
  readonly bytes: (chunk: Uint8Array) => void;
  readonly end: () => void;
} {
  const clean = (text: string): string =>
    output.paint('dim', '') === '' ? plainText(text) : harmless(text, 'keep-colors');
  let decoder = new TextDecoder();
  let rest = '';
  return {
    bytes: (chunk) => {
      rest += decoder.decode(chunk, { stream: true });
      const end = rest.lastIndexOf('\n') + 1;
      output.raw(clean(rest.slice(0, end)));
      rest = rest.slice(end);
    },
    end: () => {
      rest += decoder.decode();
      if (rest !== '') {
        output.raw(`${clean(rest)}\n`);
      }
      decoder = new TextDecoder();
      rest = '';
    },
  };
}
