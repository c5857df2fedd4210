import type { RolloutRecord } from '../../../fleet/rollout/rollout.ts';
import { RolloutCells } from '../../../protocol/rollout-cells.ts';
import type { PlanOutline } from '../../../protocol/rollout-plans.ts';
import type { RolloutSummary } from '../../../protocol/rollouts.ts';
import { isFinalRollout } from '../../api/rollout-events.ts';
import { memberIndexes, planOutline, rolloutSummary } from '../../api/rollout-views.ts';
import type { HttpContext } from '../../context.ts';
import { farmGrid, type GridCell } from '../farm-grid.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { rolloutHref } from '../links.ts';
import { crumbs, factList, person } from '../parts.ts';
import { rolloutOrder } from '../rollout-order.ts';
import { rolloutBadge, shortId } from '../rollout-words.ts';
import { count, timeAgo } from '../units.ts';
import { planSections } from './plan-sections.ts';
import { rolloutNow } from './rollout-now.ts';

const SHOWN_EVENTS = 25;
/** What a member can become while the page is open. */
const STATES = [
  'waiting',
  'draining',
  'out',
  'upgrading',
  'checking',
  'undoing',
  'done',
  'skipped',
  'held',
] as const;

/**
 * One rollout: the farms with what happens to their members, the plan drawn and explained, and what there is to do.
 * With `isNow` only the part that changes. Throws `rollout-unknown`.
 */
export async function rolloutPage(context: HttpContext, id: string, isNow: boolean): Promise<Page> {
  const { rollouts, journal, clock } = context;
  const record = await rollouts.get(id);
  const summary = rolloutSummary(record);
  const state = {
    record,
    why: await rollouts.why(record.id),
    monitor: await rollouts.monitor(record.id),
    events: await journal.find({ subject: `rollout:${record.id}`, limit: SHOWN_EVENTS }),
    now: clock.now(),
  };
  const title = `${summary.kind} ${summary.targets.join(', ')}`;
  const region = html`<div data-live-region="rollout-now"><h1>${title} ${rolloutBadge(record.state)}</h1>
${rolloutNow(state)}</div>`;
  if (isNow) {
    return { title, section: 'rollouts', main: region };
  }
  const outline = planOutline(record.plan, await memberIndexes(context.inventories));
  const isOver = isFinalRollout(record);
  const events = `/api/rollouts/${record.id}/events`;
  const main = html`${crumbs([['Rollouts', '/rollouts']], shortId(record.id))}
${isOver ? farmsSection(record, outline, null) : farmsSection(record, outline, events)}
${region}
${facts(summary, clock.now())}
<section aria-labelledby="order"><h2 id="order">The order</h2>
<p>In each cell the number of the stage in which the member is upgraded; farms are rows, members columns.</p>
${rolloutOrder(outline)}</section>
${planSections(outline)}`;
  return {
    title: `${title} (${record.state})`,
    section: 'rollouts',
    main,
    ...(isOver ? {} : { refreshSeconds: 5 }),
  };
}

/** Every member that the plan touches, in the letter and colour of what happens to it. */
function farmsSection(record: RolloutRecord, outline: PlanOutline, events: string | null): Html {
  const cells = new RolloutCells(outline);
  cells.update(record.units);
  const standing = new Map<string, GridCell>(
    [...cells.all()].map(([node, { state, note }]) => [node, { state, note }]),
  );
  const live = events !== null && html` data-rollout="${events}"`;
  return html`<section aria-labelledby="farms"${live}><h2 id="farms">Farms</h2>
${farmGrid('Farms', outline.farms, standing, events === null ? [] : STATES)}</section>`;
}

function facts(summary: RolloutSummary, now: number): Html {
  return factList([
    ['Why', summary.reason],
    ['Brings', summary.targets.join(', ')],
    [
      'To',
      `${count(summary.nodes, 'node')} of ${count(summary.farms, 'farm')}, in ${count(summary.stages, 'stage')}`,
    ],
    [
      'Takes back',
      summary.reverses !== null &&
        html`<a href="${rolloutHref(summary.reverses)}">${shortId(summary.reverses)}</a>`,
    ],
    ['Planned', html`${timeAgo(summary.createdAt, now)} by ${person(summary.createdBy)}`],
    ['Plan', html`<code>${summary.id}</code>`],
  ]);
}
