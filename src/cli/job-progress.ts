import type { JobView } from '../protocol/builds.ts';
import { formatDuration } from './format.ts';

/** `compile, 12 of 345, about 3 min left`: what is known of a running job; empty when nothing is. */
export function progressText(job: Pick<JobView, 'progress' | 'expectedAt'>, now: number): string {
  const { phase, done, total } = job.progress ?? { phase: null, done: null, total: null };
  const parts: string[] = [];
  if (phase !== null) {
    parts.push(phase);
  }
  if (done !== null && total !== null) {
    parts.push(total === 100 ? `${done} %` : `${done} of ${total}`);
  }
  if (job.expectedAt !== null) {
    parts.push(timeLeft(job.expectedAt, now));
  }
  return parts.join(', ');
}

/** `about 3 min left`; nobody can count on seconds. */
export function timeLeft(expectedAt: number, now: number): string {
  const left = expectedAt - now;
  if (left < 10_000) {
    return 'nearly done';
  }
  const step = left < 120_000 ? 10_000 : 60_000;
  return `about ${formatDuration(Math.round(left / step) * step).replace(' 00 s', '')} left`;
}

/** `compile phase, line 12: main.c:3: error: ...`. */
export function failureText(failure: NonNullable<JobView['failure']>): string {
  const phase = failure.phase === null ? '' : `${failure.phase} phase, `;
  return `${phase}line ${failure.line}: ${failure.text}`;
}
