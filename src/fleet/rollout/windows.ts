import type { Site, Window } from '../inventory/inventory.ts';

const DAY_MINUTES = 24 * 60;
const MINUTE_MS = 60_000;
/** How far to look ahead for the next window: every one comes once a week. */
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** Whether one of the site's windows is open. A site without windows is always open. */
export function isOpen(site: Pick<Site, 'windows'>, at: number): boolean {
  return site.windows.length === 0 || site.windows.some((window) => isInside(window, at));
}

/** When the next window opens, epoch milliseconds to the minute; null when none does within a week. */
export function opensAt(site: Pick<Site, 'windows'>, at: number): number | null {
  const first = Math.floor(at / MINUTE_MS) + 1;
  const opens = new Set(site.windows.map(({ from }) => minutesOf(from)));
  for (let minute = first; minute <= first + WEEK_MINUTES; minute += 1) {
    const ms = minute * MINUTE_MS;
    // Zones differ from UTC by quarters of an hour: other minutes of the hour cannot begin a window.
    const isCandidate = [...opens].some((open) => (open - minute) % 15 === 0);
    if (isCandidate && isOpen(site, ms)) {
      return ms;
    }
  }
  return null;
}

interface Opening {
  readonly isOpen: boolean;
  readonly opensAt: number | null;
}

/** The windows of sites, as they were found to be for as long as that holds: the calendar costs more than all else of a look. */
export class SiteWindows {
  readonly #found = new Map<string, Opening & { readonly site: Site; readonly until: number }>();

  of(site: Site, now: number): Opening {
    const known = this.#found.get(site.name);
    if (known?.site === site && now < known.until) {
      return known;
    }
    const isNow = isOpen(site, now);
    const next = isNow ? null : opensAt(site, now);
    const minute = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
    const found = { site, isOpen: isNow, opensAt: next, until: next ?? minute };
    this.#found.set(site.name, found);
    return found;
  }
}

function isInside(window: Window, at: number): boolean {
  const { day, minutes } = localTime(window.timeZone, at);
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  if (from < to) {
    return window.days.includes(day) && minutes >= from && minutes < to;
  }
  const yesterday = day === 1 ? 7 : day - 1;
  return (
    (window.days.includes(day) && minutes >= from) ||
    (window.days.includes(yesterday) && minutes < to)
  );
}

function minutesOf(clock: string): number {
  const [hours = '0', minutes = '0'] = clock.split(':');
  return Number(hours) * 60 + Number(minutes);
}

const formats = new Map<string, Intl.DateTimeFormat>();
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

function localTime(
  timeZone: string,
  at: number,
): { readonly day: number; readonly minutes: number } {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(timeZone, format);
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return {
    day: DAYS.indexOf(parts.get('weekday') ?? '') + 1,
    minutes: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
  };
}
