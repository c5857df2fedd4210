import { grouped } from '../../../fleet/plan/findings.ts';
import {
  type MonitorReading,
  type RolloutRecord,
  UNIT_STATES,
  type UnitRecord,
  type WaitReason,
} from '../../../fleet/rollout/rollout.ts';
import type { Event } from '../../../journal/event.ts';
import { isFinalRollout } from '../../api/rollout-events.ts';
import { rolloutHead } from '../../api/rollout-views.ts';
import { type Html, html } from '../html.ts';
import { copyBox, person, table } from '../parts.ts';
import { shortId, unitWords } from '../rollout-words.ts';
import { count, duration, timeAgo, utc } from '../units.ts';

/** What there is to say of a rollout at this moment. */
export interface RolloutNow {
  readonly record: RolloutRecord;
  readonly why: readonly WaitReason[];
  readonly monitor: MonitorReading | null;
  /** Newest first. */
  readonly events: readonly Event[];
  readonly now: number;
}

const MOST_REASONS = 20;
const OVER: readonly UnitRecord['state'][] = ['done', 'undone', 'held', 'skipped'];

/** What changes while it goes on, but for the farms: state, stages, budget, invariants, why it waits, what to do, events. */
export function rolloutNow(all: RolloutNow): Html {
  const { record, why, monitor, events, now } = all;
  return html`${record.because !== null && html`<p class="lead">${record.because}</p>`}
${waitsSection(why, now)}
${troubleSection(record)}
${budgetLine(record)}
${monitorSection(monitor, now)}
${stagesSection(record)}
${stepsToTake(record)}
${eventsSection(events, now)}`;
}

function waitsSection(why: readonly WaitReason[], now: number): Html | false {
  return (
    why.length > 0 &&
    html`<section aria-labelledby="waits"><h2 id="waits">What it waits for</h2>
<ul>${why.slice(0, MOST_REASONS).map((reason) => waitItem(reason, now))}${why.length > MOST_REASONS && html`<li>and ${count(why.length - MOST_REASONS, 'thing')} more</li>`}</ul></section>`
  );
}

function waitItem({ unit, sentence, until }: WaitReason, now: number): Html {
  const left = until === null || until < now ? false : ` (${duration(until - now)} left)`;
  return html`<li>${unit !== null && html`<strong>${unit}</strong>: `}${sentence}${until !== null && html` <time datetime="${new Date(until).toISOString()}">until ${utc(until)}</time>`}${left}</li>`;
}

/** Units that failed, with the reason. */
function troubleSection({ units }: RolloutRecord): Html | false {
  const failed = units.filter(({ state }) => state === 'held' || state === 'undone');
  return (
    failed.length > 0 &&
    html`<section class="notice" aria-labelledby="trouble"><h2 id="trouble">${count(failed.length, 'unit')} failed</h2>
<ul>${failed.slice(0, MOST_REASONS).map(({ unit, state, because }) => html`<li><strong>${unit}</strong> is ${state === 'held' ? 'held' : 'as it was before'}: ${because}</li>`)}</ul></section>`
  );
}

function budgetLine(record: RolloutRecord): Html {
  const { units } = rolloutHead(record);
  const { budget } = record.plan.policy;
  const failed = units.undone + units.held;
  const total = record.units.length;
  const ended = total - units.waiting - units.running - units.undoing;
  return html`<p class="progress"><progress max="${total}" value="${ended}" aria-label="Units that have ended"></progress>
<span>${unitWords(units)}</span></p>
<p>Failure budget: ${failed} of ${budget.total} used (${budget.perFarm} of a farm, ${budget.perProfile} of a profile; canaries have none).</p>`;
}

function monitorSection(monitor: MonitorReading | null, now: number): Html | false {
  if (monitor === null) {
    return false;
  }
  const broken = monitor.invariants.filter(({ violations }) => violations.length > 0);
  const unseen = monitor.invariants.filter(
    (one) => one.violations.length === 0 && one.unseen !== null,
  );
  const hold = monitor.invariants.length - broken.length - unseen.length;
  const out = monitor.farms.filter((farm) => farm.out > 0);
  return html`<section aria-labelledby="monitor"><h2 id="monitor">Invariants</h2>
<p>${
    broken.length === 0
      ? html`<span class="pill good">${unseen.length === 0 && 'all '}${hold} hold</span>`
      : html`<span class="pill bad">${count(broken.length, 'invariant')} broken</span>`
  }${unseen.length > 0 && html` <span class="pill warn">${unseen.length} not observed</span>`} <span class="muted">looked at ${timeAgo(monitor.at, now)}</span></p>
${broken.length > 0 && html`<ul>${broken.map(({ name, sentence, violations }) => html`<li><strong>${name}</strong> ${sentence} ${violations.join(' ')}</li>`)}</ul>`}
${out.length > 0 && html`<p>${out.map(({ farm, out: gone, maxOut, serving }) => html`<span class="chip">${farm}: ${gone} out, ${maxOut} may be, ${serving} serve</span> `)}</p>`}
${unseen.length > 0 && html`<ul>${unseen.map((one) => html`<li><strong>${one.name}</strong> is not observed: ${one.unseen}</li>`)}</ul>`}
<details id="invariants"><summary>What is watched</summary><ul>${monitor.invariants.map(({ name, sentence }) => html`<li><strong>${name}</strong> ${sentence}</li>`)}</ul></details>
</section>`;
}

function stagesSection({ plan, units, stage: under }: RolloutRecord): Html {
  const states = grouped(units, ({ stage }) => stage);
  const rows = plan.stages.map(({ id, title, type, soakSeconds, units: planned }, place) => {
    const records = states.get(id) ?? [];
    const ended = records.filter(({ state }) => OVER.includes(state)).length;
    const counts = UNIT_STATES.map((state) => [
      state,
      records.filter((one) => one.state === state).length,
    ]);
    const current = id === under && html` aria-current="step"`;
    return html`<tr${current}><td class="number">${place + 1}</td><th scope="row">${id}</th><td>${type}</td><td>${title}</td>
<td><span class="steps"><progress max="${Math.max(1, planned.length)}" value="${ended}" aria-label="Units of ${id} that have ended"></progress> ${wordsOf(counts)}</span></td>
<td class="number">${soakSeconds === 0 ? '–' : duration(soakSeconds * 1000)}</td></tr>`;
  });
  return html`<section aria-labelledby="stages"><h2 id="stages">Stages</h2>
${table({
  caption: 'Stages',
  columns: [
    { name: 'No.', kind: 'number' },
    'Stage',
    'Kind',
    'What',
    'Units',
    { name: 'Watched', kind: 'number' },
  ],
  rows,
  empty: 'There is nothing to do.',
})}</section>`;
}

function wordsOf(counts: readonly (readonly (string | number)[])[]): string {
  return counts
    .filter(([, number]) => number !== 0)
    .map(([state, number]) => `${number} ${state}`)
    .join(', ');
}

/** The commands that are of use now. */
function stepsToTake(record: RolloutRecord): Html | false {
  const { state } = record;
  const id = shortId(record.id);
  const missing = rolloutHead(record).missingApprovals;
  const [next] = missing;
  const boxes: (readonly [string, string, string])[] = [
    ...(next !== undefined && !isFinalRollout(record)
      ? [['approve', `rookery rollout approve ${id} ${next}`, 'says yes to it'] as const]
      : []),
    ...(state === 'draft'
      ? [['start', `rookery rollout start ${id} --follow`, 'begins'] as const]
      : []),
    ...(state === 'running'
      ? [['pause', `rookery rollout pause ${id} --reason TEXT`, 'pauses'] as const]
      : []),
    ...(state === 'paused' ? [['resume', `rookery rollout resume ${id}`, 'resumes'] as const] : []),
    ...(isFinalRollout(record) || state === 'aborting'
      ? []
      : [['abort', `rookery rollout abort ${id} --reason TEXT`, 'ends'] as const]),
    ...(isFinalRollout(record) && state !== 'discarded'
      ? [
          [
            'rollback',
            `rookery rollout rollback ${id} --reason TEXT`,
            'plans the way back from',
          ] as const,
        ]
      : []),
  ];
  return html`<section aria-labelledby="commands"><h2 id="commands">On the command line</h2>
${record.approvals.map(({ of, by, at }) => html`<p>${of} was approved by ${person(by)}, ${utc(at)}.</p>`)}
${missing.length > 0 && !isFinalRollout(record) && html`<p>A yes is missing to: ${missing.join(', ')}.</p>`}
${boxes.map(([name, command, does]) => copyBox(`${name}-command`, command, `Command that ${does} this rollout`))}
</section>`;
}

function eventsSection(events: readonly Event[], now: number): Html {
  return html`<section aria-labelledby="events"><h2 id="events">What happened</h2>
${table({
  caption: 'What happened',
  columns: ['When', 'What', 'By', 'Details'],
  rows: events.map(
    ({ at, kind, actor, data }) =>
      html`<tr><td>${timeAgo(at, now)}</td><th scope="row">${kind.replace(/^rollout-/, '')}</th><td>${person(actor)}</td><td>${factsOf(data)}</td></tr>`,
  ),
  empty: 'Nothing yet.',
})}</section>`;
}

function factsOf(data: Event['data']): string {
  return Object.entries(data)
    .filter(([key, value]) => key !== 'rollout' && value !== null && value !== '')
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('; ');
}
