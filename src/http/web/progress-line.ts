import type { JobView } from '../../protocol/builds.ts';
import { type Html, html } from './html.ts';
import { duration } from './units.ts';

/** How far a running job is: its phase, what that counts, and how long it will still take. */
export function progressLine(
  job: Pick<JobView, 'state' | 'progress' | 'expectedAt'>,
  now: number,
): Html | false {
  if (job.state !== 'leased') {
    return false;
  }
  const { phase, done, total } = job.progress ?? { phase: null, done: null, total: null };
  const counted = done !== null && total !== null;
  return html`<span class="steps">${phase !== null && html`<span>${phase}</span>`}${
    counted &&
    html`<progress max="${total}" value="${done}" aria-label="Steps of this phase"></progress><span class="number">${
      total === 100 ? `${done} %` : `${done} of ${total}`
    }</span>`
  }${job.expectedAt !== null && html`<span class="muted">${timeLeft(job.expectedAt, now)}</span>`}</span>`;
}

/** `about 3 min left`; nobody can count on seconds. */
export function timeLeft(expectedAt: number, now: number): string {
  const left = expectedAt - now;
  if (left < 10_000) {
    return 'nearly done';
  }
  const step = left < 120_000 ? 5_000 : 60_000;
  return `about ${duration(Math.round(left / step) * step)} left`;
}
