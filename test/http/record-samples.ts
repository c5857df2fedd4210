import type { AttemptRecord } from '../../src/builds/history.ts';
import type { Timeline } from '../../src/builds/timeline.ts';
import type { TestServer } from './test-server.ts';

export function attemptRecord(change: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    jobId: 'job-nginx',
    attempt: 1,
    requestId: 'rq-live',
    profile: 'web-zen4',
    name: 'www-servers/nginx-1.27.3',
    package: 'www-servers/nginx',
    agent: 'builder-1',
    startedAt: 0,
    finishedAt: 60_000,
    outcome: 'succeeded',
    logBytes: 10,
    packageBytes: 2_000_000,
    failure: null,
    ...change,
  };
}

export function timeline(change: Partial<Timeline> = {}): Timeline {
  return {
    attempts: [],
    expected: [],
    expectedAt: null,
    criticalPath: [],
    criticalMs: 0,
    ...change,
  };
}

export const FAILURE = {
  phase: 'compile',
  text: "main.c:3: error: <b>'x'</b> undeclared",
  line: 12,
  offset: 300,
};

/** A request whose first job has failed at its second try while the second one runs, with all that is known of it. */
export function addStory({ builds, records, clock }: TestServer): void {
  const begun = clock.now() - 100_000;
  builds.addRequest({ id: 'rq-story', atoms: ['dev-lang/php'], createdAt: begun });
  const common = { requestId: 'rq-story', reason: null, startedAt: begun };
  builds.addJob({
    ...common,
    id: 'job-bad',
    name: 'dev-libs/bad-1',
    state: 'failed',
    attempt: 2,
    agent: 'builder-2',
    finishedAt: begun + 40_000,
  });
  builds.addJob({
    ...common,
    id: 'job-run',
    name: 'dev-lang/php-8.4.1',
    state: 'leased',
    attempt: 1,
    agent: 'builder-1',
  });
  records.failed.set('job-bad', { ...FAILURE, attempt: 2 });
  const lines = ['make all', 'cc -c main.c', FAILURE.text, 'make: *** [all] Error 1'];
  records.excerpts.set('job-bad/2', { failure: FAILURE, firstLine: 10, lines });
  records.running.set('job-run', { phase: 'compile', done: 12, total: 345 });
  records.timelines.set(
    'rq-story',
    timeline({
      attempts: [
        made('job-bad', 1, 'builder-1', {
          startedAt: begun,
          finishedAt: begun + 10_000,
          outcome: 'vanished',
        }),
        made('job-bad', 2, 'builder-2', {
          startedAt: begun + 12_000,
          finishedAt: begun + 40_000,
          outcome: 'failed',
        }),
        made('job-run', 1, 'builder-1', {
          startedAt: begun + 11_000,
          finishedAt: null,
          outcome: null,
        }),
      ],
      expected: [
        {
          jobId: 'job-run',
          startsAt: clock.now(),
          endsAt: clock.now() + 300_000,
          basis: 'measured',
        },
      ],
      expectedAt: clock.now() + 300_000,
      criticalPath: ['job-run'],
      criticalMs: 389_000,
    }),
  );
}

function made(
  jobId: string,
  attempt: number,
  agent: string,
  times: {
    readonly startedAt: number;
    readonly finishedAt: number | null;
    readonly outcome: string | null;
  },
): Timeline['attempts'][number] {
  return { jobId, attempt, agent, ...times };
}
