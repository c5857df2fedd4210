import type { RetentionPolicy } from '../../gentoo/retention-policy.ts';
import type { PublicationRecord } from '../publication.ts';
import { readSteps } from '../publication-history.ts';

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

/** A verdict on each publication of a profile, in the order they came. */
export function whatToKeep<P extends Publication>(
  policy: RetentionPolicy,
  publications: readonly P[],
  now: number,
  uses: Uses,
): Verdict<P>[] {
  const holders = new Map<P, string[]>(publications.map((one) => [one, []]));
  const hold = (publication: P, why: string): void => {
    holders.get(publication)?.push(why);
  };
  const histories = [...new Set(publications.map((one) => one.channel))].map((channel) =>
    publications.filter((one) => one.channel === channel).toSorted((a, b) => a.serial - b.serial),
  );
  for (const history of histories) {
    holdForRollback(history[0]?.channel ?? '', history, hold);
    holdByPolicy(policy, history, hold);
    holdForGrace(policy, history, { now, hold });
  }
  for (const publication of publications) {
    for (const why of usesOf(policy, publication, { now, uses })) {
      hold(publication, why);
    }
  }
  for (const history of histories) {
    holdForHistory(history[0]?.channel ?? '', history, { holders, hold });
  }
  return publications.map((publication) => {
    const reasons = holders.get(publication) ?? [];
    return { publication, keep: reasons.length > 0, holders: reasons };
  });
}

type Hold<P> = (publication: P, why: string) => void;

/** What is shown, and what a rollback goes back to. */
function holdForRollback<P extends Publication>(
  channel: string,
  history: readonly P[],
  hold: Hold<P>,
): void {
  const shown = history.at(-1);
  if (shown !== undefined) {
    hold(shown, `shown by ${channel}`);
  }
  const before = readSteps(history).steps.at(-2);
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
  history: readonly P[],
  {
    holders,
    hold,
  }: { readonly holders: ReadonlyMap<P, readonly string[]>; readonly hold: Hold<P> },
): void {
  const { stepOf, leftBy } = readSteps(history);
  const bySerial = new Map(history.map((one) => [one.serial, one]));
  const open = history.filter((one) => (holders.get(one) ?? []).length > 0);
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const step = stepOf.get(one.serial) ?? one.serial;
    const needed = [leftBy.get(step), one.kind === 'rollback' ? step : undefined];
    for (const serial of needed) {
      const other = serial === undefined ? undefined : bySerial.get(serial);
      if (other !== undefined && holders.get(other)?.length === 0) {
        hold(other, `tells what a rollback of ${channel} goes back to`);
        open.push(other);
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

function usesOf(
  policy: RetentionPolicy,
  { channel, serial }: Publication,
  { now, uses }: { readonly now: number; readonly uses: Uses },
): string[] {
  const isThis = (one: { readonly channel: string; readonly serial: number }): boolean =>
    one.channel === channel && one.serial === serial;
  return [
    ...uses.pins.filter(isThis).map(({ author, reason }) => `pinned by ${author}: ${reason}`),
    ...uses.reports
      .filter((one) => isThis(one) && now <= one.reportedAt + policy.reportedWithinMs)
      .map(({ node, reportedAt }) => `reported by ${node} ${daysAgo(now - reportedAt)}`),
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
