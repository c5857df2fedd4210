import type { Attempt } from '../../../builds/builds.ts';
import { sentenceOf } from '../../../builds/reason-sentence.ts';
import { FINAL_JOB_STATES, type Job } from '../../../builds/request.ts';
import type { JobView } from '../../../protocol/builds.ts';
import { AppError } from '../../../support/errors.ts';
import { oneJob } from '../../api/job-views.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { attemptHref, packageHref, requestHref } from '../links.ts';
import { crumbs, factList, stateBadge } from '../parts.ts';
import { progressLine } from '../progress-line.ts';
import { count, duration, timeAgo } from '../units.ts';
import { failureSection } from './failure-section.ts';
import { logSection, readShownLog } from './log-section.ts';

const SHOWN_ATTEMPTS = 20;

/** One job with the end of the log of an attempt: the last one unless another is asked for. Throws `unknown-attempt`. */
export async function jobPage(context: HttpContext, id: string, wanted?: unknown): Promise<Page> {
  const { job, view, attempts } = await oneJob(context, id);
  const attempt = wanted === undefined ? job.attempt : attemptOf(job, wanted);
  const isOver = attempt < job.attempt || FINAL_JOB_STATES.includes(job.state);
  const [log, excerpt] = await Promise.all([
    readShownLog(context, job.id, { attempt, isOver }),
    context.records.excerpt({ jobId: job.id, attempt }),
  ]);
  const now = context.clock.now();
  const name = job.kind === 'plan' ? 'Plan' : job.name;
  const head = html`<h1>${name} ${stateBadge(job.state)}</h1>
<p class="lead">${upperFirst(sentenceOf(job.why))}</p>
${facts(view, now)}
${failureSection(excerpt)}
${attemptList(job.id, attempts)}`;
  const main = html`${crumbs(
    [
      ['Builds', '/requests'],
      [job.requestId, requestHref(job.requestId)],
    ],
    name,
  )}
${isOver ? html`<div data-live-region="job">${head}</div>` : html`<div data-live-region="job" data-refresh="3">${head}</div>`}
${logSection(job, log)}`;
  return {
    title: `${name} (${job.state})`,
    section: 'requests',
    main,
    ...(isOver ? {} : { refreshSeconds: 5 }),
  };
}

/** What follows the name of a job in a sentence, without the name. */
function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function attemptOf(job: Job, wanted: unknown): number {
  const number = typeof wanted === 'string' && /^[1-9]\d{0,8}$/.test(wanted) ? Number(wanted) : 0;
  if (number < 1 || number > job.attempt) {
    throw new AppError(
      'unknown-attempt',
      `The job ${job.id} has had ${count(job.attempt, 'attempt')}; there is no attempt ${String(wanted).slice(0, 20)}.`,
      { details: { attempts: job.attempt } },
    );
  }
  return number;
}

function facts(job: JobView, now: number): Html {
  return factList([
    ['Request', html`<a href="${requestHref(job.requestId)}">${job.requestId}</a>`],
    ['Doing', progressLine(job, now)],
    ['Agent', job.agent],
    ['Executor', job.executor],
    ['Try', job.attempt > 0 && job.attempt],
    ['Begun', job.startedAt !== null && timeAgo(job.startedAt, now)],
    ['Took', job.startedAt !== null && duration((job.finishedAt ?? now) - job.startedAt)],
    [
      'Package',
      job.packageId !== null && html`<a href="${packageHref(job.packageId)}">${job.packageId}</a>`,
    ],
  ]);
}

/** What came of the attempts that gave nothing, each with its log. */
function attemptList(jobId: string, attempts: readonly Attempt[]): Html | false {
  const lost = attempts.filter(({ outcome }) => outcome !== null && outcome !== 'succeeded');
  const item = ({ attempt, agent, outcome, reason }: Attempt): Html =>
    html`<li><a href="${attemptHref(jobId, attempt)}">Try ${attempt}</a> on ${agent}: ${reason ?? outcome}</li>`;
  return lost.length > 0 && html`<ul>${lost.slice(-SHOWN_ATTEMPTS).map(item)}</ul>`;
}
