import type { Attempt } from '../../../builds/builds.ts';
import { sentenceOf } from '../../../builds/reason-sentence.ts';
import { FINAL_JOB_STATES, type Job } from '../../../builds/request.ts';
import { AppError } from '../../../support/errors.ts';
import { requireJob } from '../../api/lookups.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { attemptHref, packageHref, requestHref } from '../links.ts';
import { crumbs, factList, stateBadge } from '../parts.ts';
import { bytes, count, duration, timeAgo } from '../units.ts';

const READ_BYTES = 1024 * 1024;
/** So much of the end of a log is shown; the rest is a link away. */
const SHOWN_BYTES = 256 * 1024;
const SHOWN_ATTEMPTS = 20;
const NEWLINE = 0x0a;
/** Colours and cursor movements of terminals (ECMA-48 control sequences), and carriage returns. */
// oxlint-disable-next-line no-control-regex
const TERMINAL_CODES = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007]*\u0007|\r(?=\n)/g;

interface LogTail {
  readonly bytes: Buffer;
  /** Where the log ends now. */
  readonly size: number;
}

/** What of a job's log is shown. */
interface ShownLog {
  readonly tail: LogTail;
  /** 0 before the first attempt. */
  readonly attempt: number;
  /** Nothing will be added. */
  readonly isOver: boolean;
}

/** One job with the end of the log of an attempt: the last one unless another is asked for. Throws `unknown-attempt`. */
export async function jobPage(context: HttpContext, id: string, wanted?: unknown): Promise<Page> {
  const job = await requireJob(context, id);
  const attempt = wanted === undefined ? job.attempt : attemptOf(job, wanted);
  const isOver = attempt < job.attempt || FINAL_JOB_STATES.includes(job.state);
  const tail = await readTail(context, job.id, attempt);
  const attempts = await context.builds.attemptsOf(job.id);
  const now = context.clock.now();
  const name = job.kind === 'plan' ? 'Plan' : job.name;
  const head = html`<h1>${name} ${stateBadge(job.state)}</h1>
<p class="lead">${upperFirst(sentenceOf(job.why))}</p>
${facts(job, now)}
${attemptList(job.id, attempts)}`;
  const main = html`${crumbs(
    [
      ['Builds', '/requests'],
      [job.requestId, requestHref(job.requestId)],
    ],
    name,
  )}
<div data-live-region="job">${head}</div>
${logSection(job, { tail, attempt, isOver })}`;
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

function facts(job: Job, now: number): Html {
  return factList([
    ['Request', html`<a href="${requestHref(job.requestId)}">${job.requestId}</a>`],
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

function logSection(job: Job, { tail, attempt, isOver }: ShownLog): Html {
  const path = `/api/jobs/${encodeURIComponent(job.id)}/log`;
  const ofAttempt = attempt > 0 ? `attempt=${attempt}` : '';
  const whole = ofAttempt === '' ? path : `${path}?${ofAttempt}`;
  const hidden = tail.size - tail.bytes.length;
  const follow = `${path}?follow=1&offset=${tail.size}${ofAttempt && `&${ofAttempt}`}`;
  const option = attempt < job.attempt ? ` --attempt ${attempt}` : !isOver && ' --follow';
  return html`<section aria-labelledby="log-title">
<div class="heading"><h2 id="log-title">Log</h2><a href="${whole}">Whole log${tail.size > 0 && html`, ${bytes(tail.size)}`}</a></div>
${attemptTabs(job, attempt)}
${hidden > 0 && html`<p class="muted">The first ${bytes(hidden)} are left out.</p>`}
${
  isOver
    ? html`<pre class="log" id="log" tabindex="0" aria-label="Build log">${logText(tail.bytes)}</pre>`
    : html`<pre class="log" id="log" tabindex="0" role="log" aria-label="Build log" data-follow="${follow}">${logText(tail.bytes)}</pre>`
}
${tail.size === 0 && isOver && html`<p class="empty">There is no log.</p>`}
<p class="muted">On the command line: <code>rookery build log ${job.id}${option}</code>, <code>rookery build why ${job.id}</code></p>
</section>`;
}

function attemptTabs(job: Job, shown: number): Html | false {
  const link = (attempt: number): Html =>
    attempt === shown
      ? html`<a href="${attemptHref(job.id, attempt)}" aria-current="page">Try ${attempt}</a>`
      : html`<a href="${attemptHref(job.id, attempt)}">Try ${attempt}</a>`;
  const attempts = Array.from({ length: job.attempt }, (_, index) => index + 1);
  return (
    job.attempt > 1 &&
    html`<nav class="tabs" aria-label="Tries">${attempts.slice(-SHOWN_ATTEMPTS).map(link)}</nav>`
  );
}

function logText(log: Buffer): string {
  return log.toString('utf8').replaceAll(TERMINAL_CODES, '');
}

async function readTail(context: HttpContext, jobId: string, attempt: number): Promise<LogTail> {
  let kept: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { bytes: piece } = await context.builds.readLog(jobId, {
      offset: size,
      maxBytes: READ_BYTES,
      ...(attempt > 0 ? { attempt } : {}),
    });
    if (piece.length === 0) {
      break;
    }
    size += piece.length;
    kept = [...kept.slice(-1), piece];
  }
  const all = Buffer.concat(kept);
  return { bytes: size <= SHOWN_BYTES ? all : wholeLines(all.subarray(-SHOWN_BYTES)), size };
}

function wholeLines(log: Buffer): Buffer {
  return log.subarray(log.indexOf(NEWLINE) + 1);
}
