import { FINAL_JOB_STATES, FINAL_REQUEST_STATES } from '../../../builds/request.ts';
import type { JobView, RequestDetail } from '../../../protocol/builds.ts';
import { requestDetail } from '../../api/request-detail.ts';
import type { HttpContext } from '../../context.ts';
import { gantt } from '../gantt.ts';
import { type Html, type HtmlPart, html } from '../html.ts';
import { jobGraph } from '../job-graph.ts';
import type { Page } from '../layout.ts';
import { channelHref, jobHref, packageHref, profileHref, timelineHref } from '../links.ts';
import { copyBox, crumbs, factList, person, stateBadge, table } from '../parts.ts';
import { progressLine, timeLeft } from '../progress-line.ts';
import { duration, timeAgo, utc } from '../units.ts';
import { problemsSection } from './problems-section.ts';
import { atomsText } from './request-table.ts';

/** With more attempts, the picture is a page of its own. */
const MOST_BARS = 80;

/** One request: how far it is, what waits for what and why, and what came of it. */
export async function requestPage(context: HttpContext, id: string): Promise<Page> {
  const request = await requestDetail(context, id);
  const now = context.clock.now();
  const isOver = FINAL_REQUEST_STATES.includes(request.state);
  const title = atomsText(request.atoms);
  const events = `/api/requests/${encodeURIComponent(id)}/events`;
  const content = html`<h1>${title} ${stateBadge(request.state)}</h1>
${request.reason !== null && html`<p class="lead">${request.reason}</p>`}
${request.paused !== null && html`<p class="lead">Paused by ${person(request.paused.by)} ${timeAgo(request.paused.pausedAt, now)}: ${request.paused.reason}</p>`}
${problemsSection(request)}
${progress(request, now)}
${facts(request, now)}
${jobGraph(request.jobs)}
${await timelineSection(context, request, now)}
${jobsSection(request.jobs, now)}
${packagesSection(request)}`;
  const main = html`${crumbs([['Builds', '/requests']], title)}
${
  isOver
    ? html`<div>${content}</div>`
    : html`<div data-live-region="request" data-events="${events}">${content}</div>`
}
<section aria-labelledby="commands"><h2 id="commands">On the command line</h2>
${copyBox('follow-command', `rookery build show ${id}`, 'Command that shows this request')}
${isOver && publishBox(request)}
${!isOver && steeringBox(id, request.paused !== null)}
${!isOver && copyBox('cancel-command', `rookery build cancel ${id}`, 'Command that cancels this request')}
</section>`;
  return {
    title: `${title} (${request.state})`,
    section: 'requests',
    main,
    ...(isOver ? {} : { refreshSeconds: 5 }),
  };
}

/** For what has built something that is not published. */
function publishBox({ id, state, packages }: RequestDetail): Html | false {
  return (
    (state === 'failed' || state === 'cancelled') &&
    packages.length > 0 &&
    copyBox(
      'publish-command',
      `rookery build publish ${id} --partial`,
      'Command that publishes what breaks nothing',
    )
  );
}

function steeringBox(id: string, isPaused: boolean): Html {
  return isPaused
    ? copyBox('resume-command', `rookery build resume ${id}`, 'Command that resumes this request')
    : copyBox(
        'pause-command',
        `rookery build pause ${id} --reason TEXT`,
        'Command that pauses this request',
      );
}

function progress({ jobs, expectedAt }: RequestDetail, now: number): Html | false {
  const packages = jobs.filter(({ kind }) => kind === 'package');
  const ended = packages.filter(({ state }) => FINAL_JOB_STATES.includes(state)).length;
  return (
    packages.length > 0 &&
    html`<p class="progress"><progress max="${packages.length}" value="${ended}" aria-label="Packages that are done"></progress>
<span>${ended} of ${packages.length} packages done${
      expectedAt !== null &&
      html`, <span title="${utc(expectedAt)}">${timeLeft(expectedAt, now)}</span>`
    }</span></p>`
  );
}

function facts(request: RequestDetail, now: number): Html {
  const { profile, publication, publish } = request;
  const target = publication?.channel ?? publish;
  return factList([
    [
      'Asked for',
      html`<code>${[...request.resolve.map((option) => `--${option}`), ...request.atoms].join(' ')}</code>`,
    ],
    ['Profile', html`<a href="${profileHref(profile)}">${profile}</a>`],
    [
      'Publishes on',
      target !== null &&
        html`<a href="${channelHref(profile, target)}">${target}</a>${publication !== null && html` as #${publication.serial}`}${request.partial && ' what breaks nothing, if not everything can be (--partial)'}`,
    ],
    ['By', person(request.author)],
    ['Asked', timeAgo(request.createdAt, now)],
    ['Priority', request.priority !== 0 && String(request.priority)],
    ['Took', request.finishedAt !== null && duration(request.finishedAt - request.createdAt)],
    ['Number', html`<code>${request.id}</code>`],
  ]);
}

function jobsSection(jobs: readonly JobView[], now: number): Html {
  return html`<section aria-labelledby="jobs"><h2 id="jobs">Jobs</h2>
${table({
  caption: 'Jobs',
  columns: ['State', 'Job', 'Reason', 'Agent', { name: 'Took', kind: 'number' }],
  rows: jobs.map((job) => jobRow(job, now)),
  empty: 'There are no jobs yet.',
})}
</section>`;
}

function jobRow(job: JobView, now: number): Html {
  const name = job.kind === 'plan' ? 'Plan' : job.name;
  const tries = job.attempt > 1 && html` <span class="muted">try ${job.attempt}</span>`;
  return html`<tr>
<td>${stateBadge(job.state)}</td>
<th scope="row"><a href="${jobHref(job.id)}">${name}</a>${tries}</th>
<td>${doing(job, now)}${job.because !== null && html` <span class="muted">${job.because}</span>`}</td>
<td class="name">${job.agent ?? ''}</td>
<td class="number">${job.startedAt === null ? '–' : duration((job.finishedAt ?? now) - job.startedAt)}</td>
</tr>`;
}

/** What it does or waits for, or why it has failed; of a failed one the first error. */
function doing(job: JobView, now: number): HtmlPart {
  const line = progressLine(job, now);
  if (line !== false) {
    return html`${line}${job.reason !== null && html` ${job.reason}`}`;
  }
  return job.failure === null || job.state !== 'failed'
    ? job.reason
    : html`${job.failure.phase !== null && html`<strong>${job.failure.phase}</strong>: `}<code>${job.failure.text}</code>`;
}

async function timelineSection(
  { records }: HttpContext,
  request: RequestDetail,
  now: number,
): Promise<Html | false> {
  const timeline = await records.timeline(request.id);
  if (timeline === undefined || timeline.attempts.length < 2) {
    return false;
  }
  const heading = html`<h2 id="timeline">Timeline</h2>`;
  return html`<section aria-labelledby="timeline">${
    timeline.attempts.length > MOST_BARS
      ? html`${heading}<p><a href="${timelineHref(request.id)}">Who built what when</a></p>`
      : html`<div class="heading">${heading}<a href="${timelineHref(request.id)}">On a page of its own</a></div>
${gantt(timeline, request.jobs, now)}`
  }</section>`;
}

function packagesSection(request: RequestDetail): Html | false {
  const hasLeftOut = request.packages.some(({ leftOut }) => leftOut !== null);
  const rows = request.packages.map(
    ({ id, cpv, buildId, how, leftOut }) =>
      html`<tr><th scope="row"><a href="${packageHref(id)}">${cpv}</a></th><td class="number">${buildId}</td><td>${how}</td>${hasLeftOut && html`<td>${leftOut}</td>`}</tr>`,
  );
  return (
    rows.length > 0 &&
    html`<section aria-labelledby="packages"><h2 id="packages">Packages</h2>
${table({
  caption: 'Packages of this request',
  columns: [
    'Package',
    { name: 'Build', kind: 'number' },
    'How',
    ...(hasLeftOut ? ['Left out because'] : []),
  ],
  rows,
  empty: '',
})}</section>`
  );
}
