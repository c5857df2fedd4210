import { createHash } from 'node:crypto';
import type { SchedulePolicy } from '../../gentoo/schedule-policy.ts';
import { lastCronTimes, nextCronTime } from '../../support/cron.ts';

/** More planned times than these, one after the other, are passed over without a row for each. */
export const MOST_TIMES = 100;
const DRAWN_FROM = 2 ** 32;

export interface ScheduleKey {
  readonly profile: string;
  readonly name: string;
}

/**
 * How much later than planned a run begins, in milliseconds: from 0 to the policy's jitter, the same for the same run
 * whoever asks and however often.
 */
export function jitterOf(
  { profile, name }: ScheduleKey,
  policy: SchedulePolicy,
  plannedAt: number,
): number {
  const digest = createHash('sha256').update(`${profile}\0${name}\0${plannedAt}`).digest();
  return Math.floor((digest.readUInt32BE(0) / DRAWN_FROM) * (policy.jitterMs + 1));
}

/** When the run that is planned for a time begins. */
export function beginOf(key: ScheduleKey, policy: SchedulePolicy, plannedAt: number): number {
  return plannedAt + jitterOf(key, policy, plannedAt);
}

/** The next planned time after one, if there is any. */
export function nextPlanned(policy: SchedulePolicy, after: number): number | undefined {
  return nextCronTime(policy.cron, policy.timeZone, after);
}

/**
 * The planned times after `doneUntil` whose runs should have begun by now, the first one first; of very many, the
 * last `MOST_TIMES`. One run never begins before the one that is planned before it.
 */
export function dueTimes(
  key: ScheduleKey,
  policy: SchedulePolicy,
  { doneUntil, now }: { readonly doneUntil: number; readonly now: number },
): number[] {
  const due: number[] = [];
  for (
    let time = nextPlanned(policy, doneUntil);
    time !== undefined && time <= now;
    time = nextPlanned(policy, time)
  ) {
    if (due.length === MOST_TIMES) {
      const last = lastCronTimes(policy.cron, policy.timeZone, { before: now, most: MOST_TIMES });
      const notYet = last.findIndex((one) => beginOf(key, policy, one) > now);
      return notYet === -1 ? last : last.slice(0, notYet);
    }
    if (beginOf(key, policy, time) > now) {
      return due;
    }
    due.push(time);
  }
  return due;
}
