import type { AttemptView } from '../../protocol/build-records.ts';
import { type Html, html } from './html.ts';
import { attemptHref } from './links.ts';
import { bytes, duration, utc } from './units.ts';

const WIDTH = 480;
const HEIGHT = 150;
const LEFT = 64;
const BOTTOM = 22;
const TOP = 10;
const RIGHT = 10;
const SHARE_WIDTH = 80;

interface Dot {
  readonly attempt: AttemptView;
  readonly value: number;
}

/** How long each attempt took, over time. */
export function durationChart(attempts: readonly AttemptView[]): Html | false {
  const dots = attempts.map((attempt) => ({
    attempt,
    value: attempt.finishedAt - attempt.startedAt,
  }));
  return chart('How long it took', dots, duration);
}

/** How large each package was that was built, over time. */
export function sizeChart(attempts: readonly AttemptView[]): Html | false {
  const dots = attempts.flatMap((attempt) =>
    attempt.packageBytes === null ? [] : [{ attempt, value: attempt.packageBytes }],
  );
  return chart('How large it was', dots, bytes);
}

function chart(
  title: string,
  dots: readonly Dot[],
  format: (value: number) => string,
): Html | false {
  if (dots.length < 2) {
    return false;
  }
  const times = dots.map(({ attempt }) => attempt.finishedAt);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const top = Math.max(1, ...dots.map(({ value }) => value));
  const x = (at: number): number =>
    round(LEFT + ((at - first) / Math.max(1, last - first)) * (WIDTH - LEFT - RIGHT));
  const y = (value: number): number => round(TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM));
  const lines = [0, top / 2, top].map(
    (value) => html`<line x1="${LEFT}" y1="${y(value)}" x2="${WIDTH}" y2="${y(value)}"></line>
<text x="${LEFT - 6}" y="${y(value)}" text-anchor="end" dominant-baseline="central">${format(value)}</text>`,
  );
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${title}, over time">
<g class="axis">${lines}
<text x="${LEFT}" y="${HEIGHT - 6}">${day(first)}</text>
${day(first) !== day(last) && html`<text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${day(last)}</text>`}</g>
${dots.map(({ attempt, value }) => dot(attempt, { x: x(attempt.finishedAt), y: y(value), text: format(value) }))}
</svg></figure>`;
}

function dot(
  attempt: AttemptView,
  place: { readonly x: number; readonly y: number; readonly text: string },
): Html {
  return html`<a href="${attemptHref(attempt.jobId, attempt.attempt)}"><circle class="${tone(attempt.outcome)}" cx="${place.x}" cy="${place.y}" r="4"><title>${attempt.name} on ${attempt.agent}, ${utc(attempt.finishedAt)}: ${attempt.outcome}, ${place.text}</title></circle></a>`;
}

export function tone(outcome: string): 'good' | 'bad' | 'idle' {
  if (outcome === 'succeeded') {
    return 'good';
  }
  return outcome === 'failed' ? 'bad' : 'idle';
}

/** The share of attempts that succeeded, failed, and came to nothing, as a bar. */
export function shareBar(group: {
  readonly attempts: number;
  readonly succeeded: number;
  readonly failed: number;
}): Html {
  const { attempts, succeeded, failed } = group;
  const width = (count: number): number => round((count / Math.max(1, attempts)) * SHARE_WIDTH);
  const percent = Math.floor((succeeded / Math.max(1, attempts)) * 100);
  return html`<svg class="share" viewBox="0 0 ${SHARE_WIDTH} 10" width="${SHARE_WIDTH}" height="10" role="img" aria-label="${percent} % succeeded">
<rect class="idle" width="${SHARE_WIDTH}" height="10" rx="3"></rect>
<rect class="bad" width="${width(succeeded + failed)}" height="10" rx="3"></rect>
<rect class="good" width="${width(succeeded)}" height="10" rx="3"></rect>
</svg> ${percent} %`;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
