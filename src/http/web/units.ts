import { type Html, html } from './html.ts';

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30 * DAY;
const YEAR = 365 * DAY;

/** `1.4 MiB`; three digits at most. */
export function bytes(size: number): string {
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** `850 ms`, `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 1000) {
    return `${Math.max(0, Math.round(ms))} ms`;
  }
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) {
    return `${seconds} s`;
  }
  if (seconds < 3600) {
    return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  }
  const minutes = Math.round(seconds / 60);
  return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
}

/** `just now`, `5 minutes ago`, `3 days ago`; a time that lies ahead is `soon`. */
export function age(at: number, now: number): string {
  const ms = now - at;
  if (ms < -MINUTE) {
    return 'soon';
  }
  if (ms < MINUTE) {
    return 'just now';
  }
  const steps: readonly (readonly [number, number, string])[] = [
    [HOUR, MINUTE, 'minute'],
    [2 * DAY, HOUR, 'hour'],
    [2 * MONTH, DAY, 'day'],
    [2 * YEAR, MONTH, 'month'],
  ];
  const step = steps.find(([limit]) => ms < limit);
  const [, unit, name] = step ?? [0, YEAR, 'year'];
  return `${count(Math.floor(ms / unit), name)} ago`;
}

/** An age, with the exact time for whoever wants it. */
export function timeAgo(at: number, now: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${utc(at)}">${age(at, now)}</time>`;
}

/** `2026-11-22 21:47 UTC`. */
export function utc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** `1 package`, `2 packages`; thousands are set apart. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en-US')} ${noun}${number === 1 ? '' : 's'}`;
}

function pair(first: number, firstUnit: string, second: number, secondUnit: string): string {
  return second === 0 ? `${first} ${firstUnit}` : `${first} ${firstUnit} ${second} ${secondUnit}`;
}
