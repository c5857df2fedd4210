import type { HardwareProfile } from '../../../gentoo/profile.ts';
import type { PackageRecord } from '../../../repository/package-record.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, type HtmlPart, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, profileHref } from '../links.ts';
import { crumbs, table } from '../parts.ts';
import {
  type ListQuery,
  PAGE_SIZE,
  packageCells,
  packageName,
  pager,
  searchForm,
  summary,
} from './package-table.ts';

/** So far into the packages of a profile it is told which channels show them; further on it takes too long. */
const CHANNELS_TOLD = 500;

interface Hit {
  readonly record: PackageRecord;
  /** Undefined when nobody looked. */
  readonly channels: readonly string[] | undefined;
}

interface Hits {
  readonly hits: readonly Hit[];
  readonly total: number;
}

/** Packages of every profile. */
export async function searchPage(context: HttpContext, query: ListQuery): Promise<Page> {
  const found = await searchAll(context, query);
  const now = context.clock.now();
  const main = html`${crumbs([['Profiles', '/']], 'Packages')}
<div class="heading"><h1>Packages</h1>${searchForm('/packages', query.search)}</div>
<div data-live-region="packages" aria-live="polite">
<p class="muted">${summary(found, query)}</p>
${table({
  caption: 'Packages of every profile',
  columns: [
    'Package',
    'Profile',
    'Channels',
    'Version',
    'Slot',
    { name: 'Build', kind: 'number' },
    { name: 'Size', kind: 'number' },
    'Built',
    'Signature',
  ],
  rows: found.hits.map((hit) => row(hit, now)),
  empty: query.search === '' ? 'There are no packages yet.' : 'Nothing matches.',
})}
${pager(found.total, query, '/packages')}
</div>`;
  return { title: 'Packages', section: 'overview', main };
}

function row({ record, channels }: Hit, now: number): Html {
  const { profile } = record;
  return html`<tr>${packageName(record)}
<td><a href="${profileHref(profile)}">${profile}</a></td>
<td>${channelList(profile, channels)}</td>
${packageCells(record, now)}</tr>`;
}

function channelList(profile: string, channels: readonly string[] | undefined): HtmlPart {
  if (channels === undefined || channels.length === 0) {
    return html`<span class="muted">${channels === undefined ? '–' : 'none'}</span>`;
  }
  return channels.map(
    (name, index) => html`${index > 0 && ', '}<a href="${channelHref(profile, name)}">${name}</a>`,
  );
}

/** One page of what the profiles have, profile after profile. */
async function searchAll(context: HttpContext, query: ListQuery): Promise<Hits> {
  const hits: Hit[] = [];
  let total = 0;
  for (const profile of context.profiles.list()) {
    const offset = Math.max(0, query.offset - total);
    const limit = PAGE_SIZE - hits.length;
    const found = await context.repository.searchPackages({
      ...searched(profile, query),
      limit: Math.max(1, limit),
      offset,
    });
    total += found.total;
    const records = found.packages.slice(0, limit);
    if (records.length > 0) {
      const showing = await channelsShowing(context, profile, { query, first: offset + limit });
      hits.push(...records.map((record) => ({ record, channels: showing?.(record.id) })));
    }
  }
  return { hits, total };
}

function searched(
  profile: HardwareProfile,
  { search }: ListQuery,
): { readonly profile: string; readonly search?: string } {
  return { profile: profile.name, ...(search === '' ? {} : { search }) };
}

/**
 * Which channels show the `first` packages of a profile that match. What a channel shows is a part of them in the
 * same order, so that no more of it has to be looked at.
 */
async function channelsShowing(
  context: HttpContext,
  profile: HardwareProfile,
  { query, first }: { readonly query: ListQuery; readonly first: number },
): Promise<((id: string) => readonly string[]) | undefined> {
  if (first > CHANNELS_TOLD) {
    return undefined;
  }
  const shown = await Promise.all(
    profile.channels.map(async (channel) => {
      const part = { ...searched(profile, query), channel, limit: first, offset: 0 };
      const { packages } = await context.repository.searchPackages(part);
      return { channel, ids: new Set(packages.map(({ id }) => id)) };
    }),
  );
  return (id) => shown.filter(({ ids }) => ids.has(id)).map(({ channel }) => channel);
}
