import {
  type LogMatchView,
  logMatchSchema,
  type SearchEnd,
  searchEndSchema,
  searchProgressSchema,
} from '../protocol/build-records.ts';
import { AppError } from '../support/errors.ts';
import { parseServerEvents } from './event-stream.ts';
import { counted } from './format.ts';
import { harmless, type Output } from './output.ts';
import { type Bar, showBar } from './progress.ts';
import { parseJson, type ServerClient } from './server-client.ts';

const PATH = '/api/logs/search';

export interface LogSearch {
  readonly text: string;
  readonly request?: string;
  readonly job?: string;
  /** At most so many lines. */
  readonly limit: number;
}

/**
 * Prints the lines that hold a text, as they are found, in the logs of a job, of a request or of all. It goes on where
 * the server has stopped for its time. Returns how many lines there were.
 */
export async function searchLogs(
  client: ServerClient,
  search: LogSearch,
  output: Output,
): Promise<number> {
  let found = 0;
  let after: string | undefined;
  const bar = new SearchBar(output);
  try {
    while (found < search.limit) {
      const { matches, next, total } = await searchOnce(
        client,
        { ...search, after, found },
        (match) => {
          bar.print(lineOf(match, output));
        },
        (logs, all) => {
          bar.show(logs, all);
        },
      );
      found += matches;
      bar.passed(total);
      if (next === null) {
        return found;
      }
      after = next;
    }
  } finally {
    bar.stop();
  }
  output.note(`There may be more than these ${counted(found, 'line')}: see --limit.`);
  return found;
}

async function searchOnce(
  client: ServerClient,
  search: LogSearch & { readonly after: string | undefined; readonly found: number },
  onMatch: (match: LogMatchView) => void,
  onProgress: (logs: number, total: number) => void,
): Promise<SearchEnd> {
  const { text, request, job, after, limit, found } = search;
  const query = { q: text, request, job, after, limit: Math.min(1000, limit - found) };
  const bytes = await client.stream(PATH, query, new AbortController().signal);
  for await (const { event, data } of parseServerEvents(bytes)) {
    if (event === 'match') {
      onMatch(parseJson(data, logMatchSchema, PATH));
    } else if (event === 'progress') {
      const { logs, total } = parseJson(data, searchProgressSchema, PATH);
      onProgress(logs, total);
    } else if (event === 'end') {
      return parseJson(data, searchEndSchema, PATH);
    }
  }
  throw new AppError('connection-lost', 'The search ended before the server was done with it.');
}

function lineOf(match: LogMatchView, { paint }: Output): string {
  const where = `${match.name} (${match.jobId}) try ${match.attempt}:${match.line}:`;
  return `${paint('cyan', where)} ${harmless(match.text, 'drop-colors')}`;
}

/** The bar of a search over several answers, on stderr; the lines go to stdout above it. */
class SearchBar {
  readonly #output: Output;
  #bar: Bar | undefined;
  #before = 0;
  #now = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(logs: number, total: number): void {
    this.#now = logs;
    this.#bar ??= showBar(this.#output, { label: 'Searching in logs', total, unit: 'logs' });
    this.#bar.advance(this.#before + logs);
  }

  /** The answer has come to its end. */
  passed(total: number): void {
    this.#before = Math.min(total, this.#before + this.#now);
    this.#now = 0;
  }

  print(line: string): void {
    this.stop();
    this.#output.line(line);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
