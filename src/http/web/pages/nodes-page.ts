import type { CheckResult, NodeRecord } from '../../../repository/proof/node-report.ts';
import { requireNode } from '../../api/lookups.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, nodeHref } from '../links.ts';
import { crumbs, factList, table } from '../parts.ts';
import { timeAgo, utc } from '../units.ts';

/** The nodes that reported: what they have, and how their checks went. */
export async function nodesPage(context: HttpContext): Promise<Page> {
  const nodes = await context.proofs.nodes();
  const now = context.clock.now();
  const row = (node: NodeRecord): Html => html`<tr>
<th scope="row"><a href="${nodeHref(node.node)}">${node.node}</a></th>
<td><a href="${channelHref(node.profile, node.channel)}">${node.profile} ${node.channel}</a></td>
<td class="number">${publicationOf(node)}</td>
<td class="number">${node.differs}</td>
<td>${node.checks.map(checkPill)}</td>
<td>${timeAgo(node.reportedAt, now)}</td>
</tr>`;
  const main = html`<h1>Nodes</h1>
<p class="lead">What nodes said with <code>rookery-node report</code>, which the setup script installs. Their reports are
what a promotion needs.</p>
<div data-live-region="nodes" data-refresh="30">
${table({
  caption: 'Nodes',
  columns: [
    'Node',
    'Channel',
    { name: 'Publication', kind: 'number' },
    { name: 'Differs', kind: 'number' },
    'Checks',
    'Reported',
  ],
  rows: nodes.map(row),
  empty: 'No node has reported yet.',
})}
</div>`;
  return { title: 'Nodes', section: 'nodes', main, refreshSeconds: 60 };
}

/** One node, with what each check said. Throws `unknown-node`. */
export async function nodePage(context: HttpContext, name: string): Promise<Page> {
  const reports = await requireNode(context, name);
  const now = context.clock.now();
  const main = html`${crumbs([['Nodes', '/nodes']], name)}
<h1>${name}</h1>
${reports.map((report) => reportSection(report, now))}`;
  return { title: name, section: 'nodes', main };
}

function reportSection(report: NodeRecord, now: number): Html {
  const { profile, channel, timestampSeconds, differs, differences, checks } = report;
  const id = `report-${profile}`;
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${profile}</h2>
${factList([
  ['Channel', html`<a href="${channelHref(profile, channel)}">${channel}</a>`],
  ['Publication', publicationOf(report)],
  ['Index of', timestampSeconds !== null && utc(timestampSeconds * 1000)],
  ['Reported', timeAgo(report.reportedAt, now)],
  ['Installed', `${report.installedCount} packages`],
  ['Not as published', `${differs}`],
])}
${differences.length > 0 && html`<ul>${differences.map((one) => html`<li>${one}</li>`)}</ul>`}
${table({
  caption: 'Checks',
  columns: ['Check', 'Result', 'What it said'],
  rows: checks.map(checkRow),
  empty: 'No checks were run.',
})}
</section>`;
}

function checkRow(check: CheckResult): Html {
  return html`<tr><th scope="row">${check.name}</th>
<td><span class="pill ${check.passed ? 'good' : 'bad'}">${check.passed ? 'passed' : 'failed'}</span></td>
<td>${check.output !== '' && html`<pre>${check.output}</pre>`}</td></tr>`;
}

function checkPill({ name, passed }: CheckResult): Html {
  return passed
    ? html`<span class="pill good">${name}</span> `
    : html`<span class="pill bad">${name} failed</span> `;
}

function publicationOf({ serial, timestampSeconds }: NodeRecord): string {
  if (serial !== null) {
    return `#${serial}`;
  }
  return timestampSeconds === null ? 'no index' : 'unknown';
}
