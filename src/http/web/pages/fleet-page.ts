import { farmsOf } from '../../../fleet/inventory/inventory.ts';
import type { NodeFlag } from '../../../fleet/status/node-flags.ts';
import type { SiteStanding } from '../../../fleet/status/site-standings.ts';
import type { HttpContext } from '../../context.ts';
import { farmGrid } from '../farm-grid.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { nodeHref, rolloutHref } from '../links.ts';
import { person, table } from '../parts.ts';
import { timeAgo } from '../units.ts';

/** All farms with how each member stands, and what is not as it should be. */
export async function fleetPage({ standings }: HttpContext): Promise<Page> {
  const { revision, inventory, members, flags, sites, at } = await standings.read();
  const farms = farmsOf(inventory);
  const main = html`<h1>Fleet</h1>
<p class="lead">What production consists of, and what its nodes said last. ${
    revision === null
      ? html`There is no inventory yet: <code>rookery fleet import FILE --reason TEXT</code>.`
      : html`Inventory ${revision.revision} by ${person(revision.author)}, ${timeAgo(revision.createdAt, at)}.`
  }</p>
<div data-live-region="fleet" data-refresh="30">
${farms.length > 0 && farmGrid('Farms and their members', farms, members)}
${flagTable(flags)}
${sites.some(({ rollout }) => rollout !== null) && siteTable(sites)}
</div>`;
  return { title: 'Fleet', section: 'fleet', main, refreshSeconds: 60 };
}

/** Which backend of a site serves matters to whoever writes the configuration of its balancers. */
function siteTable(sites: readonly SiteStanding[]): Html {
  return html`<section aria-labelledby="sites"><h2 id="sites">Balancers</h2>
${table({
  caption: 'The backend of each site that serves',
  columns: ['Site', 'Serves', 'Since the rollout', 'To look at'],
  rows: sites.map(
    ({ site, live, rollout, findings }) =>
      html`<tr><th scope="row">${site}</th><td>${live}</td><td>${
        rollout === null ? '' : html`<a href="${rolloutHref(rollout)}">${rollout.slice(0, 12)}</a>`
      }</td><td>${findings.join(' ')}</td></tr>`,
  ),
  empty: '',
})}</section>`;
}

function flagTable(flags: readonly NodeFlag[]): Html {
  return html`<section aria-labelledby="flags"><h2 id="flags">To look at</h2>
${table({
  caption: 'What is not as it should be',
  columns: ['Node', 'What'],
  rows: flags.map(
    ({ node, kind, sentence }) =>
      html`<tr><th scope="row">${kind === 'unreported' ? node : html`<a href="${nodeHref(node)}">${node}</a>`}</th><td>${sentence}</td></tr>`,
  ),
  empty: 'All nodes are as they should be.',
})}</section>`;
}
