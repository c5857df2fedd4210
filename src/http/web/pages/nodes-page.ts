import type {
  CheckResult,
  NodeRecord,
  ReportedService,
  ReportedTree,
} from '../../../repository/proof/node-report.ts';
import { requireNode } from '../../api/lookups.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, nodeHref } from '../links.ts';
import { crumbs, factList, table } from '../parts.ts';
import { count, timeAgo, utc } from '../units.ts';

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
<td>${phpWords(node)}</td>
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
    'PHP',
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
  const services = await context.proofs.services(name);
  const now = context.clock.now();
  const main = html`${crumbs([['Nodes', '/nodes']], name)}
<h1>${name}</h1>
${reports.map((report) => reportSection(report, services.get(report.profile), now))}`;
  return { title: name, section: 'nodes', main };
}

function reportSection(
  report: NodeRecord,
  services: readonly ReportedService[] | undefined,
  now: number,
): Html {
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
  ...systemFacts(report),
])}
${differences.length > 0 && html`<ul>${differences.map((one) => html`<li>${one}</li>`)}</ul>`}
${table({
  caption: 'Checks',
  columns: ['Check', 'Result', 'What it said'],
  rows: checks.map(checkRow),
  empty: 'No checks were run.',
})}
${
  report.php !== null &&
  table({
    caption: 'PHP trees',
    columns: ['Tree', 'State', 'Verified'],
    rows: report.php.map((tree) => treeRow(tree, now)),
    empty: 'There is none on it.',
  })
}
${
  services !== undefined &&
  table({
    caption: 'Services',
    columns: ['Program', 'Files that it executes'],
    rows: services.map(serviceRow),
    empty: 'It runs none.',
  })
}
</section>`;
}

/** The files are folded: php-fpm alone has some thirty. */
function serviceRow({ name, tree, files }: ReportedService): Html {
  const gone = files.filter(({ isDeleted }) => isDeleted).length;
  return html`<tr><th scope="row">${name}${tree !== null && html` <span class="muted">of ${tree}</span>`}</th>
<td><details><summary>${count(files.length, 'file')}${gone > 0 && html` <span class="pill warn">${gone} replaced since</span>`}</summary>
<ul>${files.map(fileItem)}</ul></details></td></tr>`;
}

function fileItem({ path, cpv, isDeleted }: ReportedService['files'][number]): Html {
  return html`<li><code>${path}</code> ${cpv ?? html`<span class="muted">of no package</span>`}${isDeleted && html` <span class="pill warn">replaced</span>`}</li>`;
}

/** Nothing of a node that has not said it. */
function systemFacts({ system }: NodeRecord): readonly (readonly [string, Html | string])[] {
  if (system === null) {
    return [];
  }
  const { kernel, release, releases } = system;
  const others = releases.filter((one) => one.release !== release).map((one) => one.release);
  return [
    ['Kernel', kernel.running],
    ['Kernels installed', kernel.installed.join(', ') || 'none'],
    ['Release', release ?? 'none'],
    ...(others.length === 0 ? [] : [['Other releases on it', others.join(', ')] as const]),
  ];
}

function treeRow({ id, state, verifiedAt }: ReportedTree, now: number): Html {
  const verified =
    verifiedAt === null
      ? html`<span class="pill bad">not as its MANIFEST says</span>`
      : timeAgo(verifiedAt * 1000, now);
  return html`<tr><th scope="row">${id}</th><td>${state}</td><td>${verified}</td></tr>`;
}

/** Which tree answers on it, how many others it has, and whether one is not what it should be. */
function phpWords({ php }: NodeRecord): Html {
  const trees = php ?? [];
  const active = trees.filter(({ state }) => state === 'active').map(({ id }) => id);
  const spoilt = trees.filter(({ verifiedAt }) => verifiedAt === null).map(({ id }) => id);
  const others = trees.length - active.length;
  const words = [...active, ...(others > 0 ? [`${others} more`] : [])].join(', ');
  return html`${words}${spoilt.map((id) => html` <span class="pill bad">${id} is spoilt</span>`)}`;
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
