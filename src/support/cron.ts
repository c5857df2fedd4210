import { Cron } from 'croner';

/** As in crontab(5): a day has to match the day of the month or the day of the week where both are given. */
function read(expression: string, timeZone: string): Cron {
  return new Cron(expression, { timezone: timeZone, mode: '5-or-6-parts', paused: true });
}

/** Why a text is no cron expression of five fields (or six, with seconds) that ever comes true; undefined when it is. */
export function cronFault(expression: string): string | undefined {
  const fields = expression.trim().split(/\s+/).length;
  if (fields !== 5 && fields !== 6) {
    return `has ${fields === 1 ? '1 field' : `${fields} fields`}, not five, or six with seconds`;
  }
  try {
    const next = read(expression, 'UTC').nextRun(new Date(0));
    return next === null ? 'never comes' : undefined;
  } catch (error) {
    if (error instanceof Error || error instanceof TypeError || error instanceof RangeError) {
      return `is not understood (${error.message.replace(/^CronPattern: /, '').replace(/\.$/, '')})`;
    }
    throw error;
  }
}

/** Whether it is the name of a time zone, as in the IANA database: `Europe/Berlin`, `UTC`. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) {
    return false;
  }
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== '';
  } catch (error) {
    if (error instanceof RangeError) {
      return false;
    }
    throw error;
  }
}

/**
 * The first time after `after` (milliseconds since the epoch) that an expression names; undefined when there is none.
 * A wall-clock time that a day does not have, in spring, is the moment when the clock goes forward; one that it has
 * twice, in autumn, is the first of the two. Where the hour is `*`, every hour that passes counts.
 */
export function nextCronTime(
  expression: string,
  timeZone: string,
  after: number,
): number | undefined {
  return read(expression, timeZone).nextRun(new Date(after))?.getTime();
}

/** The last times up to `before` that an expression names, the first one first, as `nextCronTime` has them. */
export function lastCronTimes(
  expression: string,
  timeZone: string,
  { before, most }: { readonly before: number; readonly most: number },
): number[] {
  // croner looks for what comes before a time, and one millisecond later makes that "at or before".
  const found = read(expression, timeZone).previousRuns(most, new Date(before + 1));
  return found.map((time) => time.getTime()).toSorted((a, b) => a - b);
}
