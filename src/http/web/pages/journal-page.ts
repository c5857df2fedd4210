import type { Event } from '../../../journal/event.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, type HtmlPart, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, jobHref, nodeHref, packageHref, requestHref } from '../links.ts';
import { crumbs, person, table } from '../parts.ts';
import { timeAgo } from '../units.ts';

const PAGE_SIZE = 100;
const FILTERS = ['subject', 'kind', 'actor'] as const;
type Filter = Partial<Record<(typeof FILTERS)[number], string>>;

/** What happened, newest first: who did what, and why. */
export async function journalPage(
  context: HttpContext,
  query: Readonly<Record<string, unknown>>,
): Promise<Page> {
  const filter = filterOf(query);
  const text = typeof query['before'] === 'string' ? query['before'] : '';
  const before = /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  const found = await context.journal.find({ ...filter, before, limit: PAGE_SIZE + 1 });
  const events = found.slice(0, PAGE_SIZE);
  const now = context.clock.now();
  const last = events.at(-1);
  const main = html`${crumbs([['Overview', '/']], 'Journal')}
<h1>Journal</h1>
${filterForm(filter)}
${table({
  caption: 'Events',
  columns: [{ name: 'Number', kind: 'number' }, 'When', 'Who', 'What', 'To what', 'Details'],
  rows: events.map((event) => row(event, now)),
  empty: 'Nothing has happened that matches.',
})}
${
  found.length > PAGE_SIZE &&
  last !== undefined &&
  html`<nav class="pager" aria-label="Pages"><a rel="next" href="${hrefOf({ ...filter, before: String(last.seq) })}">Older</a></nav>`
}`;
  return { title: 'Journal', section: 'journal', main, refreshSeconds: 60 };
}

function filterOf(query: Readonly<Record<string, unknown>>): Filter {
  const filter: Filter = {};
  for (const key of FILTERS) {
    const value = query[key];
    if (typeof value === 'string' && value.trim() !== '') {
      filter[key] = value.trim().slice(0, 500);
    }
  }
  return filter;
}

function hrefOf(query: Readonly<Record<string, string>>): string {
  return `/journal?${new URLSearchParams(query).toString()}`;
}

function filterForm(filter: Filter): Html {
  const fields = FILTERS.map(
    (key) =>
      html`<label>${key} <input name="${key}" value="${filter[key] ?? ''}" maxlength="500"></label> `,
  );
  return html`<form method="get" action="/journal" class="inline">${fields}<button>Show</button></form>`;
}

function row({ seq, at, actor, kind, subject, data }: Event, now: number): Html {
  return html`<tr><td class="number">${seq}</td>
<td>${timeAgo(at, now)}</td>
<td>${person(actor)}</td>
<td><a href="${hrefOf({ kind })}">${kind.replaceAll('-', ' ')}</a></td>
<td>${subjectLink(subject)}</td>
<td>${details(data)}</td></tr>`;
}

function subjectLink(subject: string): HtmlPart {
  const colon = subject.indexOf(':');
  const [what, name] = [subject.slice(0, colon), subject.slice(colon + 1)];
  const [profile = '', channel = ''] = name.split('/');
  const hrefs: Readonly<Record<string, string>> = {
    channel: channelHref(profile, channel),
    package: packageHref(name),
    request: requestHref(name),
    job: jobHref(name),
    node: nodeHref(name),
  };
  const href = hrefs[what];
  return href === undefined ? subject : html`<a href="${href}">${subject}</a>`;
}

/** The reason first, then what is known besides, one below the other. */
function details(data: Event['data']): Html {
  const { reason, ...rest } = data;
  const known = Object.entries(rest).filter(([, value]) => value !== null && value !== '');
  return html`${typeof reason === 'string' && reason !== '' && html`<p>${reason}</p>`}${
    known.length > 0 &&
    html`<details><summary>${known.map(([key]) => key).join(', ')}</summary><pre tabindex="0">${known
      .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join('\n')}</pre></details>`
  }`;
}
