import type { Job } from '../../../builds/request.ts';
import { plainText } from '../../../support/terminal-text.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import { attemptHref } from '../links.ts';
import { bytes } from '../units.ts';

/** So much of the end of a log is shown; the rest is a link away. */
const SHOWN_BYTES = 256 * 1024;
const SHOWN_ATTEMPTS = 20;
const NEWLINE = 0x0a;

/** What of a job's log is shown. */
export interface ShownLog {
  /** 0 before the first attempt. */
  readonly attempt: number;
  /** Nothing will be added. */
  readonly isOver: boolean;
  /** The end of the log, plain text. */
  readonly text: string;
  /** Where the text begins and ends, in bytes. */
  readonly begin: number;
  readonly end: number;
}

/** The end of the log of an attempt: whole lines, unless nothing will be added any more. */
export async function readShownLog(
  { builds }: Pick<HttpContext, 'builds'>,
  jobId: string,
  { attempt, isOver }: { readonly attempt: number; readonly isOver: boolean },
): Promise<ShownLog> {
  const name = attempt > 0 ? { attempt } : {};
  const { size } = await builds.readLog(jobId, { offset: 0, maxBytes: 0, ...name });
  const begin = Math.max(0, size - SHOWN_BYTES);
  let end = begin;
  const pieces: Buffer[] = [];
  while (end < size) {
    const piece = await builds.readLog(jobId, { offset: end, maxBytes: size - end, ...name });
    if (piece.bytes.length === 0) {
      break;
    }
    pieces.push(piece.bytes);
    end += piece.bytes.length;
  }
  const read = Buffer.concat(pieces);
  const first = begin === 0 ? 0 : read.indexOf(NEWLINE) + 1;
  const last = isOver ? read.length : Math.max(first, read.lastIndexOf(NEWLINE) + 1);
  return {
    attempt,
    isOver,
    text: plainText(read.subarray(first, last).toString('utf8')),
    begin: begin + first,
    end: begin + last,
  };
}

export function logSection(job: Job, log: ShownLog): Html {
  const { attempt, isOver, text, begin, end } = log;
  const path = `/api/jobs/${encodeURIComponent(job.id)}/log`;
  const ofAttempt = attempt > 0 ? `attempt=${attempt}` : '';
  const whole = ofAttempt === '' ? path : `${path}?${ofAttempt}`;
  const follow = `${path}/events?offset=${end}${ofAttempt && `&${ofAttempt}`}`;
  const option = attempt < job.attempt ? ` --attempt ${attempt}` : !isOver && ' --follow';
  return html`<section aria-labelledby="log-title">
<div class="heading"><h2 id="log-title">Log</h2><a href="${whole}">Whole log${end > 0 && html`, ${bytes(end)}`}</a></div>
${attemptTabs(job, attempt)}
${begin > 0 && html`<p class="muted">The first ${bytes(begin)} are left out.</p>`}
${
  isOver
    ? html`<pre class="log" id="log" tabindex="0" aria-label="Build log">${text}</pre>`
    : html`<pre class="log" id="log" tabindex="0" role="log" aria-label="Build log" data-log="${follow}">${text}</pre>`
}
${end === 0 && isOver && html`<p class="empty">There is no log.</p>`}
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
