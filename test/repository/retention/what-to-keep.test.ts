import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DEFAULT_RETENTION, type RetentionPolicy } from '../../../src/gentoo/retention-policy.ts';
import { publicationBefore } from '../../../src/repository/publication-history.ts';
import { type Publication, whatToKeep } from '../../../src/repository/retention/what-to-keep.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 25, 12);
const NO_USES = { pins: [], reports: [] };
const NOTHING: RetentionPolicy = {
  keepLast: 1,
  daily: 0,
  weekly: 0,
  monthly: 0,
  reportedWithinMs: 0,
  graceMs: 0,
  packagesMs: 0,
};

function at(serial: number, daysAgo: number, changes: Partial<Publication> = {}): Publication {
  return {
    channel: 'testing',
    serial,
    snapshotId: `snap-${serial}`,
    kind: 'publish',
    createdAt: NOW - daysAgo * DAY,
    ...changes,
  };
}

function holders(policy: Partial<RetentionPolicy>, publications: Publication[], uses = NO_USES) {
  const verdicts = whatToKeep({ ...NOTHING, ...policy }, publications, NOW, uses);
  return Object.fromEntries(verdicts.map((one) => [one.publication.serial, one.holders]));
}

const SIX = [at(1, 60), at(2, 40), at(3, 20), at(4, 9), at(5, 2.1), at(6, 2)];

describe('what is kept', () => {
  it.each([
    ['nothing more than is needed to go back', {}, [5, 6]],
    ['the last', { keepLast: 3 }, [4, 5, 6]],
    ['the last of each day', { daily: 3 }, [3, 4, 5, 6]],
    ['the last of each week', { weekly: 2 }, [4, 5, 6]],
    ['the last of each month', { monthly: 3 }, [1, 2, 5, 6]],
    ['what was shown within the grace time', { graceMs: 10 * DAY }, [3, 4, 5, 6]],
  ])('%s', (_, policy, wanted) => {
    const found = holders(policy, SIX);
    const serials = Object.keys(found)
      .map(Number)
      .filter((serial) => (found[serial] ?? []).length > 0);
    expect(serials).toEqual(wanted);
  });

  it('says in words what holds a publication', () => {
    const uses = {
      pins: [{ channel: 'testing', serial: 1, author: 'token:ops', reason: 'audit' }],
      reports: [
        { channel: 'testing', serial: 3, node: 'pre1', reportedAt: NOW - 2 * DAY },
        { channel: 'testing', serial: 2, node: 'gone', reportedAt: NOW - 31 * DAY },
      ],
    };
    const verdicts = whatToKeep({ ...NOTHING, reportedWithinMs: 30 * DAY }, SIX, NOW, uses);
    expect(verdicts.map((one) => one.holders)).toEqual([
      ['pinned by token:ops: audit'],
      [],
      ['reported by pre1 2 days ago'],
      [],
      ['what a rollback of testing goes back to'],
      ['shown by testing', 'last 1 of testing'],
    ]);
    const grace = holders({ graceMs: 3 * DAY, daily: 1, weekly: 1, monthly: 1 }, SIX);
    expect(grace[5]).toContain('within the grace time until 2026-11-26T12:00Z');
    expect(grace[6]?.slice(-3)).toEqual(['daily 2026-11-23', 'weekly 2026-W48', 'monthly 2026-11']);
  });

  it.each([
    [Date.UTC(2026, 11, 31), '2026-W53'],
    [Date.UTC(2027, 0, 3), '2026-W53'],
    [Date.UTC(2027, 0, 4), '2027-W01'],
    [Date.UTC(2024, 11, 30), '2025-W01'],
  ])('numbers weeks as ISO 8601 does: %d is in %s', (createdAt, week) => {
    expect(holders({ weekly: 1 }, [at(1, 0, { createdAt })])[1]).toContain(`weekly ${week}`);
  });
});

const publications = fc
  .array(
    fc.record({
      channel: fc.constantFrom('testing', 'stable'),
      snapshotId: fc.constantFrom('a', 'b', 'c', 'd'),
      kind: fc.constantFrom('publish' as const, 'promote' as const, 'rollback' as const),
      hours: fc.integer({ min: 0, max: 2000 }),
    }),
    { maxLength: 30 },
  )
  .map((made) => {
    const ages = made.map(({ hours }) => hours).toSorted((a, b) => b - a);
    return made.map(
      ({ channel, snapshotId, kind }, index): Publication => ({
        channel,
        snapshotId,
        kind,
        serial: made.slice(0, index + 1).filter(({ channel: other }) => other === channel).length,
        createdAt: NOW - (ages[index] ?? 0) * 3_600_000,
      }),
    );
  });
const policies = fc.record({
  keepLast: fc.integer({ min: 1, max: 6 }),
  daily: fc.nat({ max: 5 }),
  weekly: fc.nat({ max: 5 }),
  monthly: fc.nat({ max: 5 }),
  reportedWithinMs: fc.nat({ max: 50 * DAY }),
  graceMs: fc.nat({ max: 50 * DAY }),
  packagesMs: fc.constant(0),
});

function kept(policy: RetentionPolicy, made: readonly Publication[]): Publication[] {
  const reports = made.map(({ channel, serial, createdAt: reportedAt }) => ({
    channel,
    serial,
    node: 'n',
    reportedAt,
  }));
  const histories = ['testing', 'stable'].map((channel) =>
    made.filter((one) => one.channel === channel),
  );
  return histories
    .flatMap((history) => whatToKeep(policy, history, NOW, { pins: [], reports }))
    .filter(({ keep }) => keep)
    .map(({ publication }) => publication);
}

describe('whatever was published', () => {
  it('keeps what a channel shows, and what a rollback goes back to is the same afterwards', () => {
    fc.assert(
      fc.property(publications, policies, (made, policy) => {
        const staying = kept({ ...policy, reportedWithinMs: 0 }, made);
        for (const channel of ['testing', 'stable']) {
          const before = made.filter((one) => one.channel === channel);
          const after = staying.filter((one) => one.channel === channel);
          expect(after.at(-1)).toEqual(before.at(-1));
          expect(publicationBefore(after)?.snapshotId).toBe(publicationBefore(before)?.snapshotId);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps no less under a larger policy', () => {
    fc.assert(
      fc.property(publications, policies, policies, (made, policy, more) => {
        const larger = {
          keepLast: policy.keepLast + more.keepLast,
          daily: policy.daily + more.daily,
          weekly: policy.weekly + more.weekly,
          monthly: policy.monthly + more.monthly,
          reportedWithinMs: policy.reportedWithinMs + more.reportedWithinMs,
          graceMs: policy.graceMs + more.graceMs,
          packagesMs: 0,
        };
        expect(kept(larger, made)).toEqual(expect.arrayContaining(kept(policy, made)));
      }),
    );
  });

  it('keeps all that was shown within the grace time, and finds nothing more in a second run', () => {
    fc.assert(
      fc.property(publications, policies, (made, policy) => {
        const staying = kept(policy, made);
        for (const [index, one] of made.entries()) {
          const next = made.slice(index + 1).find(({ channel }) => channel === one.channel);
          if (next === undefined || NOW - next.createdAt < policy.graceMs) {
            expect(staying).toContainEqual(one);
          }
        }
        expect(kept(DEFAULT_RETENTION, kept(DEFAULT_RETENTION, made))).toEqual(
          kept(DEFAULT_RETENTION, made),
        );
      }),
    );
  });
});
