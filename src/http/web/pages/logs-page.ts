import type { Response } from 'express';
import type { LogMatch, SearchStep } from '../../../builds/search-logs.ts';
import { checkedSearch, formatPlace, logSearchQuerySchema } from '../../api/log-search.ts';
import type { HttpContext } from '../../context.ts';
import { lifetimeOf } from '../../lifetime.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { attemptHref, requestHref } from '../links.ts';
import { table } from '../parts.ts';
import { count } from '../units.ts';

const MOST_MATCHES = 100;
/** A page is waited for; what is left is a link away. */
const MOST_MS = 3_000;

type SearchEnd = Extract<SearchStep, { kind: 'end' }>;

/** Searches in the logs of a request or of all, and leads on where it had to stop. */
export async function logsPage(
  context: HttpContext,
  given: Readonly<Record<string, unknown>>,
  response: Response,
): Promise<Page> {
  const wanted = Object.fromEntries(
    Object.entries(given).filter(([, value]) => typeof value === 'string' && value !== ''),
  );
  const query = logSearchQuerySchema.safeParse({ ...wanted, limit: MOST_MATCHES }).data;
  const found = query && (await search(context, query, response));
  const main = html`<h1>Search in logs</h1>
<form class="inline" action="/logs" method="get" role="search">
<label>Text <input type="search" name="q" value="${text(wanted['q'])}" minlength="2" maxlength="200" required></label>
<label>Request <input name="request" value="${text(wanted['request'])}" size="24" placeholder="all"></label>
<button type="submit">Search</button>
</form>
${
  found === undefined
    ? html`<p class="muted">Looks for a text of two letters or more, as it is, in the logs of a request or of all that are kept.</p>`
    : results(found, wanted)
}`;
  return { title: 'Search in logs', section: 'history', main };
}

async function search(
  context: HttpContext,
  query: Parameters<typeof checkedSearch>[1],
  response: Response,
): Promise<{ readonly matches: readonly LogMatch[]; readonly end: SearchEnd | undefined }> {
  const checked = await checkedSearch(context, query, MOST_MS);
  const life = lifetimeOf(response, context.stopping);
  const matches: LogMatch[] = [];
  let end: SearchEnd | undefined;
  try {
    for await (const step of context.records.searchLogs(checked, life.signal)) {
      if (step.kind === 'match') {
        matches.push(step.match);
      } else if (step.kind === 'end') {
        end = step;
      }
    }
  } finally {
    life.end();
  }
  return { matches, end };
}

function results(
  { matches, end }: { readonly matches: readonly LogMatch[]; readonly end: SearchEnd | undefined },
  wanted: Readonly<Record<string, unknown>>,
): Html {
  const next = end?.next ?? null;
  return html`<p class="muted">${count(matches.length, 'line')} in the newest ${count(end?.logs ?? 0, 'log')} looked at${
    next !== null && html`; it stopped there`
  }.</p>
${table({
  caption: 'Lines found',
  columns: ['Job', 'Profile', 'Request', { name: 'Line', kind: 'number' }, 'Text'],
  rows: matches.map(row),
  empty: 'Nothing was found.',
})}
${next !== null && html`<p><a href="${hrefAfter(wanted, formatPlace(next))}">Search on in older logs</a></p>`}`;
}

function row(match: LogMatch): Html {
  const name = match.name.slice(match.name.indexOf('/') + 1);
  return html`<tr>
<th scope="row"><a href="${attemptHref(match.jobId, match.attempt)}">${name}</a> <span class="muted">try ${match.attempt}</span></th>
<td class="name">${match.profile}</td>
<td class="name"><a href="${requestHref(match.requestId)}">${match.requestId}</a></td>
<td class="number">${match.line}</td>
<td class="wide"><code>${match.text}</code></td>
</tr>`;
}

function hrefAfter(wanted: Readonly<Record<string, unknown>>, after: string): string {
  const parameters = new URLSearchParams({ q: text(wanted['q']), after });
  if (wanted['request'] !== undefined) {
    parameters.set('request', text(wanted['request']));
  }
  return `/logs?${parameters.toString()}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
