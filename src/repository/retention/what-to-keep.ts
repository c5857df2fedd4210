import type { RetentionPolicy } from '../../gentoo/retention-policy.ts';
import type { PublicationRecord } from '../publication.ts';
import { readSteps, type Steps } from '../publication-history.ts';

export type Publication = Pick<
  PublicationRecord,
  'channel' | 'serial' | 'snapshotId' | 'kind' | 'createdAt'
>;

/** What keeps a publication apart from the policy. */
export interface Uses {
  readonly pins: readonly {
    readonly channel: string;
    readonly serial: number;
    readonly author: string;
    readonly reason: string;
  }[];
  readonly reports: readonly {
    readonly channel: string;
    readonly serial: number;
    readonly node: string;
    readonly reportedAt: number;
  }[];
}

/** Whether a publication stays, and the sentences why; it goes when there is none. */
export interface Verdict<P extends Publication> {
  readonly publication: P;
  readonly keep: boolean;
  readonly holders: readonly string[];
}

const DAY_MS = 86_400_000;

/** A verdict on each publication of a channel, given all of them, oldest first. */
export function whatToKeep<P extends Publication>(
  policy: RetentionPolicy,
  history: readonly P[],
  now: number,
  uses: Uses,
): Verdict<P>[] {
  /** By serial; those that nothing holds are left out. */
  const holders = new Map<number, string[]>();
  const hold: Hold<P> = ({ serial }, why) => {
    const known = holders.get(serial);
    if (known === undefined) {
      holders.set(serial, [why]);
    } else {
      known.push(why);
    }
  };
  const channel = history[0]?.channel ?? '';
  const steps = readSteps(history);
  const bySerial = new Map(history.map((one) => [one.serial, one]));
  holdForRollback(channel, [history.at(-1), steps.steps.at(-2)], hold);
  holdByPolicy(policy, history, hold);
  holdForGrace(policy, history, { now, hold });
  for (const [serial, why] of usesOf(policy, channel, { now, uses })) {
    const used = bySerial.get(serial);
    if (used !== undefined) {
      hold(used, why);
    }
  }
  holdForHistory(channel, { ...steps, bySerial, holders, hold });
  return history.map((publication) => {
    const reasons = holders.get(publication.serial) ?? [];
    return { publication, keep: reasons.length > 0, holders: reasons };
  });
}

type Hold<P> = (publication: P, why: string) => void;

/** What is shown, and what a rollback goes back to. */
function holdForRollback<P extends Publication>(
  channel: string,
  [shown, before]: readonly (P | undefined)[],
  hold: Hold<P>,
): void {
  if (shown !== undefined) {
    hold(shown, `shown by ${channel}`);
  }
  if (before !== undefined) {
    hold(before, `what a rollback of ${channel} goes back to`);
  }
}

/**
 * With a publication that a rollback went away from stays that rollback, and with a rollback what it went back to:
 * otherwise the next rollback would take the one for a step forward, and show it again.
 */
function holdForHistory<P extends Publication>(
  channel: string,
  {
    stepOf,
    leftBy,
    bySerial,
    holders,
    hold,
  }: Pick<Steps<P>, 'stepOf' | 'leftBy'> & {
    readonly bySerial: ReadonlyMap<number, P>;
    readonly holders: ReadonlyMap<number, readonly string[]>;
    readonly hold: Hold<P>;
  },
): void {
  const open = [...holders.keys()];
  for (let serial = open.pop(); serial !== undefined; serial = open.pop()) {
    const step = stepOf.get(serial) ?? serial;
    const isRollback = bySerial.get(serial)?.kind === 'rollback';
    for (const needed of [leftBy.get(step), isRollback ? step : undefined]) {
      const other = needed === undefined ? undefined : bySerial.get(needed);
      if (other !== undefined && !holders.has(other.serial)) {
        hold(other, `tells what a rollback of ${channel} goes back to`);
        open.push(other.serial);
      }
    }
  }
}

function holdByPolicy<P extends Publication>(
  policy: RetentionPolicy,
  history: readonly P[],
  hold: Hold<P>,
): void {
  const newestFirst = history.toReversed();
  for (const publication of newestFirst.slice(0, policy.keepLast)) {
    hold(publication, `last ${policy.keepLast} of ${publication.channel}`);
  }
  for (const [word, most, nameOf] of [
    ['daily', policy.daily, dayOf],
    ['weekly', policy.weekly, weekOf],
    ['monthly', policy.monthly, monthOf],
  ] as const) {
    const seen = new Set<string>();
    for (const publication of newestFirst) {
      if (seen.size >= most) {
        break;
      }
      const period = nameOf(publication.createdAt);
      if (!seen.has(period)) {
        seen.add(period);
        hold(publication, `${word} ${period}`);
      }
    }
  }
}

/** Clients that cached the index while it was shown may go on asking for its packages. */
function holdForGrace<P extends Publication>(
  { graceMs }: RetentionPolicy,
  history: readonly P[],
  { now, hold }: { readonly now: number; readonly hold: Hold<P> },
): void {
  for (const [at, publication] of history.entries()) {
    const next = history[at + 1];
    if (next !== undefined && now < next.createdAt + graceMs) {
      hold(publication, `within the grace time until ${minuteOf(next.createdAt + graceMs)}`);
    }
  }
}

/** Serials, and what uses them. */
function usesOf(
  policy: RetentionPolicy,
  channel: string,
  { now, uses }: { readonly now: number; readonly uses: Uses },
): (readonly [number, string])[] {
  const pins = uses.pins.filter((one) => one.channel === channel);
  const reports = uses.reports.filter(
    (one) => one.channel === channel && now <= one.reportedAt + policy.reportedWithinMs,
  );
  return [
    ...pins.map(
      ({ serial, author, reason }) => [serial, `pinned by ${author}: ${reason}`] as const,
    ),
    ...reports.map(
      ({ serial, node, reportedAt }) =>
        [serial, `reported by ${node} ${daysAgo(now - reportedAt)}`] as const,
    ),
  ];
}

function daysAgo(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  return days < 1 ? 'today' : days === 1 ? '1 day ago' : `${days} days ago`;
}

function minuteOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** Weeks as ISO 8601 numbers them: they begin on Monday, and belong to the year of their Thursday. */
function weekOf(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  const thursday = day - ((day + 3) % 7) + 3;
  const year = new Date(thursday * DAY_MS).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0, 1) / DAY_MS) / 7) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
}
