const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MOST_TICKS = 8;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((number) => number * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((number) => number * MINUTE),
  ...[1, 2, 3, 6, 12].map((number) => number * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((number) => number * DAY),
];

/** Round times from 0 on that part a span of so many milliseconds into at most 8. */
export function axisTicks(spanMs: number): number[] {
  const step =
    STEPS.find((candidate) => spanMs / candidate <= MOST_TICKS) ??
    Math.ceil(spanMs / MOST_TICKS / DAY) * DAY;
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, index) => index * step);
}
