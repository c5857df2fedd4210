import type { SchedulePolicy } from '../../gentoo/schedule-policy.ts';
import type { NewEvent } from '../../journal/event.ts';
import { beginOf, MOST_TIMES, type ScheduleKey } from './due-times.ts';
import type { RunRow } from './schedule-store.ts';

/** A planned time that nothing is done for. */
interface Over {
  readonly plannedAt: number;
  readonly state: 'missed' | 'skipped';
  readonly reason: string;
}

export interface Judgement {
  readonly over: readonly Over[];
  /** Whether the last of the planned times gets its run. */
  readonly starts: boolean;
  readonly events: readonly Pick<NewEvent, 'kind' | 'data'>[];
}

/**
 * What becomes of planned times that have come, of which there is at least one: at most the last of them gets a run, and
 * none while another is under way. Those that are later than the policy's grace have been missed.
 */
export function judgeDue(
  key: ScheduleKey,
  policy: SchedulePolicy,
  given: {
    readonly due: readonly number[];
    readonly now: number;
    readonly open: RunRow | undefined;
  },
): Judgement {
  const { due, now, open } = given;
  const isLate = (time: number): boolean => now - beginOf(key, policy, time) > policy.graceMs;
  const over = due.slice(0, -1).map((time) => passedOver(time, isLate(time)));
  const last = due.at(-1) ?? now;
  const isLost = isLate(last) && policy.missed === 'skip';
  if (isLost) {
    over.push(passedOver(last, true));
  } else if (open !== undefined) {
    over.push({ plannedAt: last, state: 'skipped', reason: stillRuns(open) });
  }
  const starts = !isLost && open === undefined;
  const late = due.filter(isLate);
  const skipped = over.filter(({ state }) => state === 'skipped');
  return {
    over,
    starts,
    events: [
      ...(late.length === 0 ? [] : [missedEvent(late, starts && isLate(last))]),
      ...skipped.map(({ plannedAt, reason }) => ({
        kind: 'schedule-skipped',
        data: { plannedAt, reason },
      })),
    ],
  };
}

function passedOver(plannedAt: number, isLate: boolean): Over {
  return isLate
    ? { plannedAt, state: 'missed', reason: 'The server was not there at that time.' }
    : { plannedAt, state: 'skipped', reason: 'The next one had come before it could begin.' };
}

function stillRuns({ planned_at, request_id }: RunRow): string {
  const what = request_id === null ? '' : ` (request ${request_id})`;
  return `The run planned for ${new Date(planned_at).toISOString()} was still under way${what}.`;
}

/** `atLeast` is set when there were more than are counted. */
function missedEvent(late: readonly number[], isMadeUpFor: boolean) {
  const data = {
    count: late.length,
    atLeast: late.length >= MOST_TIMES,
    first: late[0] ?? null,
    last: late.at(-1) ?? null,
    isMadeUpFor,
  };
  return { kind: 'schedule-missed', data };
}
