import type { PackageRecord } from '../../../repository/package-record.ts';
import { type Html, html } from '../html.ts';
import { packageHref } from '../links.ts';
import { signature, table } from '../parts.ts';
import { bytes, count, timeAgo } from '../units.ts';

export const PAGE_SIZE = 50;

/** What of a list is asked for by a page's query. */
export interface ListQuery {
  readonly search: string;
  readonly offset: number;
}

export function listQuery(query: Readonly<Record<string, unknown>>): ListQuery {
  const { search, offset } = query;
  const from = typeof offset === 'string' && /^\d{1,9}$/.test(offset) ? Number(offset) : 0;
  return { search: typeof search === 'string' ? search.trim().slice(0, 200) : '', offset: from };
}

/** A search box, the packages found, and the way to the next ones. */
export function packageSection(
  found: { readonly packages: readonly PackageRecord[]; readonly total: number },
  options: { readonly query: ListQuery; readonly href: string; readonly now: number },
): Html {
  const { query, href, now } = options;
  return html`<section aria-labelledby="packages">
<div class="heading"><h2 id="packages">Packages</h2>
${searchForm(href, query.search)}</div>
<div data-live-region="packages" aria-live="polite">
<p class="muted">${summary(found, query)}</p>
${table({
  caption: 'Packages',
  columns: [
    'Package',
    'Version',
    'Slot',
    { name: 'Build', kind: 'number' },
    { name: 'Size', kind: 'number' },
    'Built',
    'Signature',
  ],
  rows: found.packages.map((record) => packageRow(record, now)),
  empty: query.search === '' ? 'There are no packages here yet.' : 'Nothing matches.',
})}
${pager(found.total, query, href)}
</div>
</section>`;
}

/** A search box whose results come while somebody types. */
export function searchForm(href: string, search: string): Html {
  return html`<form role="search" method="get" action="${href}" data-search="packages">${searchField(search)}</form>`;
}

export function searchField(search: string): Html {
  return html`<label class="hidden" for="search">Search packages by name or description</label>
<input id="search" type="search" name="search" value="${search}" placeholder="Name or description" autocomplete="off" maxlength="200">
<button>Search</button>`;
}

function packageRow(record: PackageRecord, now: number): Html {
  return html`<tr>${packageName(record)}${packageCells(record, now)}</tr>`;
}

export function packageName(record: PackageRecord): Html {
  const description = record.metadata['DESCRIPTION'] ?? '';
  return html`<th scope="row"><a href="${packageHref(record.id)}"><span class="muted">${record.category}/</span>${record.pn}</a>${
    description !== '' && html`<span class="sub">${description}</span>`
  }</th>`;
}

export function packageCells(record: PackageRecord, now: number): Html {
  return html`<td>${versionOf(record)}</td>
<td>${record.slot}</td>
<td class="number">${record.buildId}</td>
<td class="number">${bytes(record.size)}</td>
<td>${timeAgo(record.buildTimeSeconds * 1000, now)}</td>
<td>${signature(record.keyFingerprint)}</td>`;
}

/** What stands after `category/pn-` in the CPV. */
export function versionOf(record: PackageRecord): string {
  return record.cpv.slice(record.category.length + record.pn.length + 2);
}

export function summary(found: { readonly total: number }, { search }: ListQuery): string {
  const number = count(found.total, 'package');
  return search === '' ? `${number}.` : `${number} for “${search}”.`;
}

export function pager(total: number, query: ListQuery, href: string): Html | false {
  if (total <= PAGE_SIZE && query.offset === 0) {
    return false;
  }
  const first = Math.min(query.offset + 1, total);
  const last = Math.min(query.offset + PAGE_SIZE, total);
  const link = (offset: number, text: string, rel: string): Html =>
    html`<a rel="${rel}" href="${pageHref(href, { ...query, offset })}">${text}</a>`;
  return html`<nav class="pager" aria-label="Pages">
${query.offset > 0 && link(Math.max(0, query.offset - PAGE_SIZE), 'Previous', 'prev')}
<span>${first} to ${last} of ${total}</span>
${last < total && link(last, 'Next', 'next')}
</nav>`;
}

function pageHref(href: string, { search, offset }: ListQuery): string {
  const parameters = new URLSearchParams({
    ...(search === '' ? {} : { search }),
    ...(offset === 0 ? {} : { offset: String(offset) }),
  });
  const text = parameters.toString();
  return text === '' ? href : `${href}?${text}`;
}
