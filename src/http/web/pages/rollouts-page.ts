import type { HeldNode, PlanUnderWay, RolloutService } from '../../../fleet/rollout/rollout.ts';
import type { RolloutSummary } from '../../../protocol/rollouts.ts';
import { rolloutSummary } from '../../api/rollout-views.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { nodeHref, rolloutHref } from '../links.ts';
import { copyBox, person, table } from '../parts.ts';
import { rolloutBadge, shortId, unitWords } from '../rollout-words.ts';
import { count, timeAgo } from '../units.ts';

const SHOWN = 100;
/** Plans that are made faster are not worth a word. */
const SLOW_MS = 1000;

/** The upgrades of the fleet, newest first, and the nodes that somebody has to look at. */
export async function rolloutsPage({
  rollouts,
  clock,
}: Pick<HttpContext, 'clock'> & {
  readonly rollouts: Pick<RolloutService, 'list' | 'held' | 'planning'>;
}): Promise<Page> {
  const records = await rollouts.list();
  const held = await rollouts.held();
  const newest = records
    .toSorted((one, other) => other.createdAt - one.createdAt)
    .slice(0, SHOWN)
    .map(rolloutSummary);
  const now = clock.now();
  const main = html`<h1>Rollouts</h1>
<p class="lead">Upgrades of the fleet, newest first. Each is a plan that never changes; what is to be different is another plan.</p>
<div data-live-region="rollouts" data-refresh="10">
${heldNotice(held, now)}
${planningNotice(rollouts.planning(), now)}
${table({
  caption: 'Rollouts',
  columns: ['Rollout', 'State', 'Brings', 'Units', 'Why', 'By', 'Planned'],
  rows: newest.map((rollout) => rolloutRow(rollout, now)),
  empty: 'Nothing was planned yet.',
})}
</div>
<section aria-labelledby="plan"><h2 id="plan">Plan a rollout</h2>
<p>A plan begins nothing: it says what would be done, in which order, and why.</p>
${copyBox('plan-command', 'rookery rollout plan os PROFILE/CHANNEL --reason TEXT', 'Command that plans an upgrade of packages')}
${copyBox('plan-php-command', 'rookery rollout plan php VERSION --reason TEXT', 'Command that plans a switch of PHP')}
${copyBox('plan-app-command', 'rookery rollout plan app RELEASE --reason TEXT', 'Command that plans an upgrade of the web application')}
</section>`;
  return { title: 'Rollouts', section: 'rollouts', main, refreshSeconds: 20 };
}

const DOING: Readonly<Record<PlanUnderWay['doing'], string>> = {
  reading: 'reads what is known of the nodes',
  planning: 'makes the plan',
  writing: 'writes it down',
};

/** Plans that take longer than a second to make. */
function planningNotice(planning: readonly PlanUnderWay[], now: number): Html | false {
  const slow = planning.filter(({ since }) => now - since >= SLOW_MS);
  return (
    slow.length > 0 &&
    html`<section aria-labelledby="planning"><h2 id="planning">Being planned</h2>
<ul>${slow.map(({ kind, targets, by, since, nodes, doing }) => html`<li>${kind} ${targets.join(', ')}, for ${person(by)}, ${timeAgo(since, now)}: ${DOING[doing]}${nodes > 0 && ` for ${count(nodes, 'node')}`}</li>`)}</ul></section>`
  );
}

function rolloutRow(rollout: RolloutSummary, now: number): Html {
  const { id, kind, targets, units, reason, createdBy, createdAt, because } = rollout;
  return html`<tr><th scope="row"><a href="${rolloutHref(id)}">${kind} <code>${shortId(id)}</code></a></th>
<td>${rolloutBadge(rollout.state)}${because !== null && html` <span class="muted">${because}</span>`}</td>
<td>${targets.join(', ')}</td>
<td>${unitWords(units)}</td>
<td>${reason}</td>
<td>${person(createdBy)}</td>
<td>${timeAgo(createdAt, now)}</td></tr>`;
}

/** Nodes that no rollout touches; nothing when there is none. */
export function heldNotice(held: readonly HeldNode[], now: number): Html | false {
  return (
    held.length > 0 &&
    html`<section class="notice" aria-labelledby="held"><h2 id="held">${count(held.length, 'node')} held</h2>
<p>No rollout touches them until somebody has looked at them: <code>rookery fleet release NODE --reason TEXT</code></p>
<ul>${held.slice(0, SHOWN).map((one) => heldItem(one, now))}</ul></section>`
  );
}

function heldItem({ node, rollout, because, since }: HeldNode, now: number): Html {
  return html`<li><a href="${nodeHref(node)}">${node}</a>, ${timeAgo(since, now)}, by <a href="${rolloutHref(rollout)}">${shortId(rollout)}</a>: ${because}</li>`;
}

/** The rollouts that are under way, for the first page; nothing when there is none. */
export function runningNotice(running: readonly RolloutSummary[]): Html | false {
  return (
    running.length > 0 &&
    html`<section aria-labelledby="rollouts"><div class="heading"><h2 id="rollouts">Rollouts under way</h2><a href="/rollouts">All rollouts</a></div>
<div class="cards small">${running.map(runningCard)}</div></section>`
  );
}

function runningCard({ id, kind, state, because, targets, units, stage }: RolloutSummary): Html {
  const total = Object.values(units).reduce((sum, one) => sum + one, 0);
  const ended = total - units.waiting - units.running - units.undoing;
  return html`<article class="card slim"><h3><a href="${rolloutHref(id)}">${kind} ${targets.join(', ')}</a> ${rolloutBadge(state)}</h3>
${because !== null && html`<p>${because}</p>`}
<p class="progress"><progress max="${total}" value="${ended}" aria-label="Units that have ended"></progress>
<span>${stage !== null && `${stage}: `}${unitWords(units)}</span></p></article>`;
}
