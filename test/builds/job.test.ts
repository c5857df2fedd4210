import { describe, expect, it } from '@jest/globals';
import {
  type AttemptEnd,
  faultOfEnd,
  type JudgedJob,
  judgeAttempt,
  outcomeOf,
  type Tries,
} from '../../src/builds/job.ts';
import { concludeRequest } from '../../src/builds/request.ts';

const TRIES: Tries = { lost: 0, all: 1, maxLost: 3, failures: [] };
const FRESH: JudgedJob = {
  kind: 'package',
  agent: 'pre3',
  cancelledBy: null,
  tries: TRIES,
  hasOtherAgent: true,
};
const CANCELLED = { ...FRESH, cancelledBy: 'token:admin' };
const ONCE = [{ agent: 'pre3', attempt: 1 }];
const TWICE = [
  { agent: 'pre2', attempt: 1 },
  { agent: 'pre3', attempt: 3 },
];

function reported(
  outcome: 'succeeded' | 'failed' | 'cancelled',
  code = 'build-failed',
): AttemptEnd {
  return { kind: 'reported', said: outcome, outcome, reason: 'Because.', code };
}

function after(tries: Partial<Tries>, more: Partial<JudgedJob> = {}): JudgedJob {
  return { ...FRESH, ...more, tries: { ...TRIES, ...tries } };
}

describe('judgeAttempt', () => {
  it.each<[string, AttemptEnd, JudgedJob, object]>([
    ['success', reported('succeeded'), FRESH, { state: 'succeeded' }],
    ['success though cancelled', reported('succeeded'), CANCELLED, { state: 'succeeded' }],
    [
      'the first failure, with another agent at hand',
      reported('failed'),
      after({ failures: ONCE }),
      { state: 'ready', isAfterFault: true },
    ],
    [
      'the first failure, with no other agent',
      reported('failed'),
      after({ failures: ONCE }, { hasOtherAgent: false }),
      { state: 'failed', reason: 'Because.', isBlocked: true },
    ],
    [
      'the failure on a second agent',
      reported('failed'),
      after({ failures: TWICE, all: 3 }),
      {
        state: 'failed',
        reason: 'Because. It failed on pre2 (attempt 1) as well.',
        isBlocked: true,
      },
    ],
    [
      'a plan that fails',
      reported('failed'),
      after({ failures: ONCE }, { kind: 'plan' }),
      { state: 'failed', reason: 'Because.', isBlocked: false },
    ],
    [
      'a full disk',
      reported('failed', 'disk-full'),
      after({ lost: 1 }),
      { state: 'ready', isAfterFault: true },
    ],
    [
      'a full disk once too often',
      reported('failed', 'disk-full'),
      after({ lost: 3, all: 3 }),
      {
        state: 'failed',
        isBlocked: false,
        reason: expect.stringContaining('3 attempts were lost'),
      },
    ],
    ['failure of what was cancelled', reported('failed'), CANCELLED, { state: 'cancelled' }],
    ['cancelled as told', reported('cancelled'), CANCELLED, { state: 'cancelled' }],
    ['given back', reported('cancelled'), FRESH, { state: 'ready', isAfterFault: false }],
    ['vanished', { kind: 'vanished' }, FRESH, { state: 'ready', isAfterFault: true }],
    ['vanished when cancelled', { kind: 'vanished' }, CANCELLED, { state: 'cancelled' }],
    ['undelivered', { kind: 'undelivered' }, FRESH, { state: 'ready', isAfterFault: false }],
    [
      'over a limit on the only agent',
      { kind: 'overdue', reason: 'Too long.', code: 'limit-exceeded' },
      after({ failures: ONCE }, { hasOtherAgent: false }),
      { state: 'failed', reason: 'Too long.', isBlocked: true },
    ],
    [
      'lost once too often',
      { kind: 'vanished' },
      after({ lost: 3, all: 3 }),
      { state: 'failed', reason: expect.stringContaining('the agent pre3 vanished') },
    ],
    [
      'given back for ever',
      reported('cancelled'),
      after({ all: 30 }),
      { state: 'failed', reason: expect.stringContaining('Attempt 30 was the last') },
    ],
  ])('%s', (_what, end, job, verdict) => {
    expect(judgeAttempt(end, faultOfEnd(end, true), job)).toMatchObject(verdict);
  });

  it('remembers what the agent said, even if it came to something else', () => {
    expect(outcomeOf({ kind: 'reported', said: 'succeeded', outcome: 'failed', reason: '' })).toBe(
      'succeeded',
    );
    expect(outcomeOf({ kind: 'vanished' })).toBe('vanished');
  });
});

describe('faultOfEnd', () => {
  it('blames the package for what it did, and the machine for what it lacked', () => {
    expect(faultOfEnd(reported('failed'), true)).toBe('package');
    expect(faultOfEnd(reported('failed', 'limit-exceeded'), true)).toBe('package');
    for (const code of ['disk-full', 'out-of-memory', 'fetch-failed', 'build-root-not-locked']) {
      expect(faultOfEnd(reported('failed', code), true)).toBe('machine');
    }
    expect(faultOfEnd({ kind: 'vanished' }, true)).toBe('machine');
  });

  it('blames nobody for what nobody began, and for what was given back', () => {
    expect(faultOfEnd({ kind: 'vanished' }, false)).toBeNull();
    expect(faultOfEnd({ kind: 'undelivered' }, false)).toBeNull();
    expect(faultOfEnd(reported('cancelled'), true)).toBeNull();
  });
});

describe('concludeRequest', () => {
  const request = { publish: 'testing', partial: false, cancelledBy: null };
  const jobs = { counts: { succeeded: 2 }, built: 2, total: 2, firstFailure: undefined };

  it('waits while a job is not final', () => {
    for (const state of ['waiting', 'ready', 'leased'] as const) {
      const open = { ...jobs, counts: { failed: 1, [state]: 1 } };
      expect(concludeRequest(request, open)).toEqual({ state: 'open' });
    }
  });

  it('publishes when that is asked for and all is well', () => {
    expect(concludeRequest(request, jobs)).toEqual({ state: 'publishing' });
    expect(concludeRequest({ ...request, publish: null }, jobs)).toEqual({ state: 'done' });
  });

  it('publishes what there is of a request that is to be published in part', () => {
    const firstFailure = { kind: 'package', name: 'a/b-1', reason: 'No.' } as const;
    const failed = { ...jobs, built: 1, firstFailure };
    const reason = '1 of 2 packages were built. First failure: a/b-1. No.';
    const partial = { ...request, partial: true };
    expect(concludeRequest(partial, failed)).toEqual({ state: 'publishing', reason });
    expect(concludeRequest({ ...partial, publish: null }, failed)).toEqual({
      state: 'failed',
      reason,
    });
    expect(concludeRequest({ ...partial, cancelledBy: 'me' }, failed).state).toBe('cancelled');
    const noPlan = { ...firstFailure, kind: 'plan' } as const;
    expect(
      concludeRequest(partial, { counts: {}, built: 0, total: 0, firstFailure: noPlan }).state,
    ).toBe('failed');
  });

  it('says what was built and what failed first', () => {
    const firstFailure = { kind: 'package', name: 'a/b-1', reason: 'No.' } as const;
    expect(concludeRequest(request, { ...jobs, built: 1, firstFailure })).toEqual({
      state: 'failed',
      reason: '1 of 2 packages were built. First failure: a/b-1. No.',
    });
    expect(
      concludeRequest(request, {
        ...jobs,
        built: 0,
        total: 1,
        firstFailure: { ...firstFailure, reason: null },
      }),
    ).toEqual({ state: 'failed', reason: '0 of 1 package was built. First failure: a/b-1.' });
  });
});
