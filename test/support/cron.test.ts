import { describe, expect, it } from '@jest/globals';
import { cronFault, isTimeZone, lastCronTimes, nextCronTime } from '../../src/support/cron.ts';

const BERLIN = 'Europe/Berlin';

function times(expression: string, from: string, count: number): string[] {
  const found: string[] = [];
  let time: number | undefined = Date.parse(from);
  for (let index = 0; index < count; index += 1) {
    time = nextCronTime(expression, BERLIN, time);
    if (time === undefined) {
      break;
    }
    found.push(new Date(time).toISOString().replace(':00.000Z', ''));
  }
  return found;
}

describe('nextCronTime', () => {
  it('is at the same time of the clock on the wall in winter and in summer', () => {
    expect(times('30 4 * * *', '2026-03-27T12:00Z', 3)).toEqual([
      '2026-03-28T03:30',
      '2026-03-29T02:30',
      '2026-03-30T02:30',
    ]);
  });

  it('does what is planned for an hour that is left out once, when the clock goes forward', () => {
    expect(times('30 2 * * *', '2026-03-28T00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
  });

  it('does what is planned for an hour that comes twice once, at the first of the two', () => {
    expect(times('30 2 * * *', '2026-10-24T00:00Z', 3)).toEqual([
      '2026-10-24T00:30',
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
  });

  it('counts every hour that passes where the hour is not given', () => {
    expect(times('0 * * * *', '2026-03-29T00:30Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2026-03-29T02:00',
    ]);
    expect(times('0 * * * *', '2026-10-24T23:30Z', 3)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
    ]);
  });

  it('takes a day that matches either of both as crontab does', () => {
    expect(times('0 0 13 * 5', '2026-11-10T00:00Z', 2)).toEqual([
      '2026-11-12T23:00',
      '2026-11-19T23:00',
    ]);
  });
});

it.each([
  ['30 2 * * *', '2026-03-27T00:00Z', '2026-04-01T00:00Z'],
  ['30 2 * * *', '2026-10-23T00:00Z', '2026-10-28T00:00Z'],
  ['*/20 * * * *', '2026-10-24T22:00Z', '2026-10-25T03:00Z'],
  ['0 0 1 * *', '2025-10-24T22:00Z', '2026-10-25T03:00Z'],
])('lastCronTimes of %s finds what nextCronTime finds', (expression, from, to) => {
  const forward: number[] = [];
  let time = nextCronTime(expression, BERLIN, Date.parse(from));
  while (time !== undefined && time <= Date.parse(to)) {
    forward.push(time);
    time = nextCronTime(expression, BERLIN, time);
  }
  const options = { before: Date.parse(to), most: forward.length };
  expect(lastCronTimes(expression, BERLIN, options)).toEqual(forward);
  const last = forward.at(-1) ?? 0;
  expect(lastCronTimes(expression, BERLIN, { before: last, most: 1 })).toEqual([last]);
});

it.each([
  ['* * * *', 'has 4 fields'],
  ['* * * * * * *', 'has 7 fields'],
  ['@daily', 'has 1 field,'],
  ['61 * * * *', 'is not understood'],
  ['x * * * *', 'is not understood'],
  ['2026-01-01T00:00:00', 'has 1 field,'],
  ['0 0 31 2 *', 'never comes'],
])('%s is no cron expression', (expression, why) => {
  expect(cronFault(expression)).toContain(why);
});

it.each(['30 2 * * *', '0 30 2 * * 1', '*/5 8-18 * * MON-FRI', '0 0 29 2 *'])(
  '%s is a cron expression',
  (expression) => {
    expect(cronFault(expression)).toBeUndefined();
  },
);

it('knows time zones by their names', () => {
  expect(['Europe/Berlin', 'UTC', 'America/New_York'].filter(isTimeZone)).toHaveLength(3);
  expect(['Europe/Berlim', '', '+01:00', 'MEZ'].filter(isTimeZone)).toEqual([]);
});
