import { HISTORY_GROUPINGS, type HistoryGrouping } from '../../../builds/history.ts';
import type { AttemptView, HistoryGroupView } from '../../../protocol/build-records.ts';
import { attemptView } from '../../api/attempt-view.ts';
import { historyFilter, historyQuerySchema } from '../../api/record-routes.ts';
import type { HttpContext } from '../../context.ts';
import { durationChart, shareBar, sizeChart, tone } from '../history-charts.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { attemptHref, profileHref } from '../links.ts';
import { table } from '../parts.ts';
import { bytes, duration, timeAgo } from '../units.ts';

const SHOWN_GROUPS = 50;
const SHOWN_ATTEMPTS = 100;
const FILTERS = ['package', 'profile', 'agent'] as const;

type Query = ReturnType<typeof parseQuery>;

/** How builds went: how long, how large, how often well; of a package, a profile or an agent. */
export async function historyPage(
  context: HttpContext,
  given: Readonly<Record<string, unknown>>,
): Promise<Page> {
  const query = parseQuery(given);
  const now = context.clock.now();
  const filter = historyFilter({ ...query.filter, limit: SHOWN_ATTEMPTS }, now);
  const [groups, records] = await Promise.all([
    context.records.historyBy(query.by, { ...filter, limit: SHOWN_GROUPS }),
    context.records.history({ ...filter, limit: SHOWN_ATTEMPTS }),
  ]);
  const attempts = records.map(attemptView);
  const main = html`<h1>History</h1>
<p class="lead">What came of builds, also of requests that are gone. <a href="/logs">Search in logs</a></p>
${filterForm(query)}
<div class="charts">${durationChart(attempts)}${sizeChart(query.filter.package === undefined ? [] : attempts)}</div>
${tabs(query)}
${groupTable(query, groups, now)}
<section aria-labelledby="attempts"><h2 id="attempts">Newest attempts</h2>
${attemptTable(attempts, now)}</section>`;
  return { title: 'History', section: 'history', main };
}

function parseQuery(given: Readonly<Record<string, unknown>>) {
  const wanted = HISTORY_GROUPINGS.find((name) => name === given['by']);
  const filled = Object.fromEntries(
    Object.entries(given).filter(([, value]) => typeof value === 'string' && value !== ''),
  );
  const filter = historyQuerySchema.safeParse(filled).data ?? historyQuerySchema.parse({});
  return { by: wanted ?? ('package' satisfies HistoryGrouping), filter };
}

function filterForm({ by, filter }: Query): Html {
  const field = (name: (typeof FILTERS)[number], hint: string): Html =>
    html`<label>${hint} <input name="${name}" value="${filter[name] ?? ''}" size="18"></label>`;
  const days = (value: string, text: string): Html =>
    String(filter.days ?? '') === value
      ? html`<option value="${value}" selected>${text}</option>`
      : html`<option value="${value}">${text}</option>`;
  return html`<form class="inline" action="/history" method="get" role="search">
<input type="hidden" name="by" value="${by}">
${field('package', 'Package')}${field('profile', 'Profile')}${field('agent', 'Agent')}
<label>Since <select name="days">${days('', 'ever')}${days('7', '7 days')}${days('30', '30 days')}${days('365', '1 year')}</select></label>
<button type="submit">Show</button>
</form>`;
}

function hrefOf({ by, filter }: Query, change: Readonly<Record<string, string>>): string {
  const words = { by, ...filter, ...change };
  const parameters = new URLSearchParams();
  for (const name of ['by', ...FILTERS, 'days'] as const) {
    const value = words[name];
    if (value !== undefined && value !== '') {
      parameters.set(name, String(value));
    }
  }
  return `/history?${parameters.toString()}`;
}

function tabs(query: Query): Html {
  const link = (by: HistoryGrouping): Html =>
    by === query.by
      ? html`<a href="${hrefOf(query, { by })}" aria-current="page">By ${by}</a>`
      : html`<a href="${hrefOf(query, { by })}">By ${by}</a>`;
  return html`<nav class="tabs" aria-label="Grouping">${HISTORY_GROUPINGS.map(link)}</nav>`;
}

function groupTable(query: Query, groups: readonly HistoryGroupView[], now: number): Html {
  const row = (group: HistoryGroupView): Html => html`<tr>
<th scope="row"><a href="${hrefOf(query, { [query.by]: group.name })}">${group.name}</a></th>
<td class="number">${group.attempts}</td>
<td class="name">${shareBar(group)}</td>
<td class="number">${group.averageMs === null ? '–' : duration(group.averageMs)}</td>
<td class="number">${group.longestMs === null ? '–' : duration(group.longestMs)}</td>
<td class="number">${group.averageBytes === null ? '–' : bytes(group.averageBytes)}</td>
<td class="number">${duration(group.spentMs)}</td>
<td>${timeAgo(group.lastAt, now)}</td>
</tr>`;
  return table({
    caption: `Builds by ${query.by}`,
    columns: [
      query.by === 'package' ? 'Package' : query.by === 'profile' ? 'Profile' : 'Agent',
      { name: 'Attempts', kind: 'number' },
      'Succeeded',
      { name: 'Usually', kind: 'number' },
      { name: 'Longest', kind: 'number' },
      { name: 'Size', kind: 'number' },
      { name: 'In all', kind: 'number' },
      'Last',
    ],
    rows: groups.map(row),
    empty: 'Nothing was built that fits.',
  });
}

function attemptTable(attempts: readonly AttemptView[], now: number): Html {
  const row = (attempt: AttemptView): Html => html`<tr>
<td><span class="pill ${tone(attempt.outcome)}">${attempt.outcome}</span></td>
<th scope="row" class="name"><a href="${attemptHref(attempt.jobId, attempt.attempt)}">${attempt.name}</a></th>
<td class="name"><a href="${profileHref(attempt.profile)}">${attempt.profile}</a></td>
<td class="name">${attempt.agent}</td>
<td class="number">${duration(attempt.finishedAt - attempt.startedAt)}</td>
<td class="number">${attempt.packageBytes === null ? '–' : bytes(attempt.packageBytes)}</td>
<td>${timeAgo(attempt.finishedAt, now)}</td>
<td class="wide">${attempt.failure?.text}</td>
</tr>`;
  return table({
    caption: 'Newest attempts',
    columns: [
      'Outcome',
      'Package',
      'Profile',
      'Agent',
      { name: 'Took', kind: 'number' },
      { name: 'Size', kind: 'number' },
      'When',
      'First error',
    ],
    rows: attempts.map(row),
    empty: 'Nothing was built that fits.',
  });
}
