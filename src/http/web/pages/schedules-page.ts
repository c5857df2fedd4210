import type { ScheduledRun, ScheduleRecord } from '../../../builds/schedule/schedules.ts';
import { formatPolicyDuration } from '../../../gentoo/promotion-policy.ts';
import { formatCron, formatWork } from '../../../gentoo/schedule-policy.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { profileHref, requestHref } from '../links.ts';
import { copyBox, factList, person, table } from '../parts.ts';
import { duration, timeAgo, utc } from '../units.ts';

const SHOWN_RUNS = 10;

/** What the profiles have done by themselves: when next, and what became of the last runs. */
export async function schedulesPage(context: HttpContext): Promise<Page> {
  const schedules = await context.schedules.list(SHOWN_RUNS);
  const now = context.clock.now();
  const main = html`<h1>Schedules</h1>
<p class="lead">What the profiles have done by themselves, in the tables <code>[schedule.NAME]</code> of their <code>profile.toml</code>.</p>
<div data-live-region="schedules" data-refresh="15">
${schedules.length === 0 && html`<p class="empty">No profile has a schedule.</p>`}
${schedules.map((schedule) => scheduleSection(schedule, now))}
</div>`;
  return { title: 'Schedules', section: 'requests', main, refreshSeconds: 60 };
}

function scheduleSection(schedule: ScheduleRecord, now: number): Html {
  const { profile, name, policy, next, pausedAt, pausedBy } = schedule;
  const id = `${profile}-${name}`;
  const verb = pausedAt === null ? 'pause' : 'resume';
  return html`<section aria-labelledby="${id}"><h2 id="${id}"><a href="${profileHref(profile)}">${profile}</a> ${name}</h2>
${pausedAt !== null && html`<p class="notice">Paused ${timeAgo(pausedAt, now)} by ${person(pausedBy ?? '')}.</p>`}
${factList([
  ['Does', formatWork(policy.work)],
  ['When', html`<code>${formatCron(policy)}</code>`],
  ['Jitter', policy.jitterMs > 0 && `up to ${formatPolicyDuration(policy.jitterMs)} later`],
  ['When missed', policy.missed === 'run-once' ? 'runs once' : 'waits for the next time'],
  ['Next', next.map((at) => utc(at)).join(', ')],
])}
${table({
  caption: `Last runs of ${name}`,
  columns: ['Planned', 'State', 'Took', 'By', 'What became of it'],
  rows: schedule.runs.map((run) => runRow(run, now)),
  empty: 'It has not run yet.',
})}
<details id="commands-${id}"><summary>Change it</summary>${copyBox(
    `change-${id}`,
    `rookery schedule run ${profile} ${name}\nrookery schedule ${verb} ${profile} ${name}`,
    `Commands for the schedule ${name}`,
  )}</details>
</section>`;
}

const TONES: Readonly<Record<ScheduledRun['state'], string>> = {
  starting: 'busy',
  running: 'busy',
  done: 'good',
  failed: 'bad',
  cancelled: 'idle',
  interrupted: 'warn',
  skipped: 'warn',
  missed: 'bad',
};

function runRow(run: ScheduledRun, now: number): Html {
  const { plannedAt, startedAt, finishedAt, state, reason, requestId, actor } = run;
  const took = startedAt === null ? '–' : duration((finishedAt ?? now) - startedAt);
  const request = requestId !== null && html`<a href="${requestHref(requestId)}">${requestId}</a> `;
  return html`<tr><th scope="row"><time datetime="${new Date(plannedAt).toISOString()}">${utc(plannedAt)}</time></th>
<td><span class="pill ${TONES[state]}">${state}</span></td><td>${took}</td><td>${person(actor)}</td><td>${request}${reason ?? ''}</td></tr>`;
}

/** Schedules whose last runs came to nothing; nothing when there is none. */
export async function scheduleNotice({ schedules }: HttpContext): Promise<Html | false> {
  const late = (await schedules.list(1)).flatMap(({ profile, name, runs }) =>
    runs
      .filter(({ state }) => state === 'missed' || state === 'failed' || state === 'interrupted')
      .map(({ state, plannedAt, reason }) => ({ profile, name, state, plannedAt, reason })),
  );
  return (
    late.length > 0 &&
    html`<section class="notice" aria-labelledby="late"><h2 id="late">Schedules</h2>
<ul>${late.map(({ profile, name, state, plannedAt, reason }) => html`<li><a href="/schedules#${profile}-${name}">${profile} ${name}</a>, planned for ${utc(plannedAt)}: ${state}. ${reason ?? ''}</li>`)}</ul></section>`
  );
}
