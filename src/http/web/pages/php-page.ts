import type { Deed } from '../../../php/ledger.ts';
import type { PhpTree } from '../../../php/read-trees.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { phpDifferenceHref, profileHref } from '../links.ts';
import { copyBox, crumbs, person, table } from '../parts.ts';
import { bytes, timeAgo } from '../units.ts';

const SHOWN_DEEDS = 50;

/** The PHP trees of a profile: versions, channels, sizes, and what nodes do with them. */
export async function phpPage(context: HttpContext, name: string): Promise<Page> {
  const profile = context.profiles.get(name);
  const { serial, channels, trees, deeds } = await context.php.overview(name);
  const nodes = await context.php.onNodes(name);
  const now = context.clock.now();
  const row = (tree: PhpTree, at: number): Html => {
    const { id, meta, listing } = tree;
    const having = nodes.filter((one) => one.tree === id);
    const active = having.filter(({ state }) => state === 'active');
    const showing = profile.channels.filter((channel) => channels[channel] === id);
    const before = trees[at - 1];
    return html`<tr><th scope="row">${id}</th>
<td>${showing.map((channel) => html`<span class="pill good">${channel}</span> `)}</td>
<td>${meta.sapis.join(' ')}</td>
<td class="number">${meta.extensions.length}</td>
<td class="number">${bytes(listing.bytes)}</td>
<td class="number">${active.length} of ${having.length}</td>
<td>${timeAgo(Date.parse(meta.build.when), now)}</td>
<td>${before && html`<a href="${phpDifferenceHref(name, before.id, id)}">changes</a>`}</td></tr>`;
  };
  const main = html`${crumbs(
    [
      ['Profiles', '/'],
      [name, profileHref(name)],
    ],
    'PHP',
  )}
<h1>${name} <span class="muted">PHP</span></h1>
<p class="muted">${serial === 0 ? 'Nothing was imported yet.' : `INDEX ${serial}`}</p>
${table({
  caption: 'PHP trees',
  columns: [
    'Tree',
    'Channels',
    'SAPIs',
    { name: 'Extensions', kind: 'number' },
    { name: 'Size', kind: 'number' },
    { name: 'Active on', kind: 'number' },
    'Made',
    'Against the one before',
  ],
  rows: trees.map(row),
  empty: 'There is no PHP tree.',
})}
<section aria-labelledby="deeds"><h2 id="deeds">What was done</h2>
${table({
  caption: 'Changes of the INDEX',
  columns: [{ name: 'Serial', kind: 'number' }, 'What', 'Channel', 'Tree', 'When', 'By', 'Reason'],
  rows: deeds.slice(0, SHOWN_DEEDS).map((deed) => deedRow(deed, now)),
  empty: 'Nothing yet.',
})}</section>
<section aria-labelledby="commands"><h2 id="commands">Commands</h2>
${copyBox('php-commands', commandsFor(name, profile.channels), 'Commands for PHP trees')}</section>`;
  return { title: `${name} PHP`, section: 'overview', main };
}

function deedRow(deed: Deed, now: number): Html {
  const forced =
    deed.forced.length > 0 &&
    html` <span class="pill warn" title="${deed.forced.join(' ')}">forced</span>`;
  return html`<tr><td class="number">${deed.serial}</td><td>${deed.kind}${forced}</td>
<td>${deed.channel}</td><td>${deed.tree}</td><td>${timeAgo(deed.at, now)}</td>
<td>${person(deed.actor)}</td><td>${deed.reason}</td></tr>`;
}

function commandsFor(name: string, channels: readonly string[]): string {
  const [first = 'testing'] = channels;
  const last = channels.at(-1) ?? first;
  return [
    `rookery php import ${name} php-8.3.1-1.gpkg.tar --publish ${first}`,
    `rookery php promote ${name} ${last}`,
    `rookery php rollback ${name} ${last} --reason "..."`,
  ].join('\n');
}
