import { describe, expect, it } from '@jest/globals';
import { type AttemptEnd, judgeAttempt, outcomeOf } from '../../src/builds/job.ts';
import { concludeRequest } from '../../src/builds/request.ts';

const FRESH = { agent: 'pre3', cancelledBy: null, tries: { lost: 0, all: 1, maxLost: 3 } };
const CANCELLED = { ...FRESH, cancelledBy: 'token:admin' };

function reported(outcome: 'succeeded' | 'failed' | 'cancelled', reason = 'Because.'): AttemptEnd {
  return { kind: 'reported', said: outcome, outcome, reason };
}

describe('judgeAttempt', () => {
  it.each<[string, AttemptEnd, Parameters<typeof judgeAttempt>[1], object]>([
    ['success', reported('succeeded'), FRESH, { state: 'succeeded' }],
    ['success though cancelled', reported('succeeded'), CANCELLED, { state: 'succeeded' }],
    ['failure', reported('failed'), FRESH, { state: 'failed', reason: 'Because.' }],
    ['failure of what was cancelled', reported('failed'), CANCELLED, { state: 'cancelled' }],
    ['cancelled as told', reported('cancelled'), CANCELLED, { state: 'cancelled' }],
    ['given back', reported('cancelled'), FRESH, { state: 'ready' }],
    ['vanished', { kind: 'vanished' }, FRESH, { state: 'ready' }],
    ['vanished when cancelled', { kind: 'vanished' }, CANCELLED, { state: 'cancelled' }],
    ['undelivered', { kind: 'undelivered' }, FRESH, { state: 'ready' }],
    [
      'lost once too often',
      { kind: 'vanished' },
      { ...FRESH, tries: { lost: 3, all: 3, maxLost: 3 } },
      { state: 'failed', reason: expect.stringContaining('the agent pre3 vanished') },
    ],
    [
      'given back for ever',
      reported('cancelled'),
      { ...FRESH, tries: { lost: 0, all: 30, maxLost: 3 } },
      { state: 'failed', reason: expect.stringContaining('Attempt 30 was the last') },
    ],
  ])('%s', (_what, end, job, verdict) => {
    expect(judgeAttempt(end, job)).toMatchObject(verdict);
  });

  it('remembers what the agent said, even if it came to something else', () => {
    expect(outcomeOf({ kind: 'reported', said: 'succeeded', outcome: 'failed', reason: '' })).toBe(
      'succeeded',
    );
    expect(outcomeOf({ kind: 'vanished' })).toBe('vanished');
  });
});

describe('concludeRequest', () => {
  const request = { publish: 'testing', cancelledBy: null };
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
