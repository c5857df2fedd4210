import { describe, expect, it } from '@jest/globals';
import { jobLine, showBar, showJobs } from '../../src/cli/progress.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { NOON } from './noon.ts';
import { recordedOutput } from './recorded-output.ts';
import { jobView, requestDetail } from './sample-views.ts';

const ESC = '\u001b';
const leased = jobView({
  state: 'leased',
  attempt: 1,
  agent: 'b1',
  startedAt: NOON,
  reason: null,
});

/** What a terminal shows after these writes: enough of a terminal for "up", "clear below" and line ends. */
function screen(text: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
  for (const token of text.match(/\u001b\[\d*[AJm]|\r|\n|[^\u001b\r\n]+/g) ?? []) {
    const up = /\[(\d+)A$/.exec(token);
    if (up !== null) {
      row -= Number(up[1]);
    } else if (token === `${ESC}[J`) {
      lines.splice(row);
      lines[row] = '';
    } else if (token === '\n') {
      row += 1;
      lines[row] ??= '';
    } else if (token !== '\r' && !token.endsWith('m')) {
      lines[row] = (lines[row] ?? '') + token;
    }
  }
  return lines;
}

describe('a job in one line', () => {
  it('says what it does, where, and why it waits', () => {
    const lines = [
      jobView({ state: 'waiting', reason: 'dev-libs/librookery-1.0 is not built yet' }),
      leased,
      jobView({ ...leased, attempt: 2 }),
      jobView({ ...leased, state: 'succeeded', finishedAt: NOON + 12_000 }),
      jobView({ ...leased, kind: 'plan', name: 'plan', state: 'succeeded', finishedAt: NOON }),
      jobView({ ...leased, state: 'failed', reason: 'make ended with 2' }),
    ].map((job) => jobLine(job, NOON + 5000));
    expect(lines).toEqual([
      'app-misc/rookery-hello-1.0: waiting - dev-libs/librookery-1.0 is not built yet',
      'app-misc/rookery-hello-1.0: building on b1',
      'app-misc/rookery-hello-1.0: building on b1, attempt 2',
      'app-misc/rookery-hello-1.0: built in 12 s on b1',
      'plan: planned in 0.0 s on b1',
      'app-misc/rookery-hello-1.0: failed - make ended with 2',
    ]);
  });
});

describe('jobs without a terminal', () => {
  it('give a plain line at each change and none in between', () => {
    const { output, stdout, stderr } = recordedOutput();
    const clock = new ManualClock(NOON);
    const progress = showJobs(output, clock);
    progress.update(requestDetail({ jobs: [jobView({ reason: 'waits for a/b-1' })] }));
    progress.update(requestDetail({ jobs: [jobView({ reason: 'waits for a/c-1' })] }));
    progress.update(requestDetail({ jobs: [jobView({ state: 'ready', reason: 'no agent' })] }));
    progress.update(requestDetail({ jobs: [leased] }));
    clock.advance(3000);
    progress.update(requestDetail({ jobs: [leased] }));
    progress.stop();
    expect(stdout()).toBe('');
    expect(stderr().split('\n')).toEqual([
      'app-misc/rookery-hello-1.0: waiting - waits for a/b-1',
      'app-misc/rookery-hello-1.0: ready - no agent',
      'app-misc/rookery-hello-1.0: building on b1',
      '',
    ]);
  });

  it('begin with the profile when there are several requests', () => {
    const { output, stderr } = recordedOutput();
    const progress = showJobs(output, new ManualClock(NOON), 'many-requests');
    progress.update(requestDetail({ jobs: [leased] }));
    progress.update(
      requestDetail({ profile: 'web-v4', id: 'r2', jobs: [{ ...leased, id: 'j2' }] }),
    );
    expect(stderr()).toBe(
      'web-v3  app-misc/rookery-hello-1.0: building on b1\n' +
        'web-v4  app-misc/rookery-hello-1.0: building on b1\n',
    );
  });
});

describe('jobs on a terminal', () => {
  it('are redrawn in place, and stay as they were at the end', async () => {
    const { output, stderr } = recordedOutput({ terminal: { columns: 60, rows: 24 } });
    const clock = new ManualClock(NOON + 65_000);
    const progress = showJobs(output, clock);
    progress.update(requestDetail({ jobs: [leased, jobView({ id: 'job-2', reason: 'x' })] }));
    const before = stderr().length;
    await poll('a redraw by itself', () => (stderr().length > before ? true : undefined));
    progress.note('Connected again.');
    progress.update(
      requestDetail({
        jobs: [
          { ...leased, state: 'succeeded', finishedAt: NOON + 61_000 },
          jobView({
            id: 'job-2',
            state: 'skipped',
            reason: 'a reason that is too long to be shown',
          }),
        ],
      }),
    );
    progress.stop();
    expect(screen(stderr())).toEqual([
      'Connected again.',
      '✔  1:01  app-misc/rookery-hello-1.0: built in 1 min 01 s o…',
      '-     -  app-misc/rookery-hello-1.0: skipped - a reason th…',
      '',
    ]);
    expect(stderr()).toMatch(/[⠋⠙⠹⠸]/);
  });

  it('show those under way and count the rest when there are more than rows', () => {
    const { output, stderr } = recordedOutput({ terminal: { columns: 80, rows: 6 } });
    const jobs = Array.from({ length: 10 }, (_, index) =>
      jobView({
        id: `job-${index}`,
        name: `a/p-${index}`,
        state: index === 7 ? 'leased' : index < 7 ? 'succeeded' : 'waiting',
        startedAt: NOON,
        finishedAt: index < 7 ? NOON : null,
      }),
    );
    const progress = showJobs(output, new ManualClock(NOON));
    progress.update(requestDetail({ jobs }));
    progress.stop();
    const lines = screen(stderr());
    expect(lines.slice(0, 3).map((line) => line.slice(9, 14))).toEqual(['a/p-7', 'a/p-8', 'a/p-9']);
    expect(lines[3]).toBe('  7 more; 7 of 10 done');
  });
});

describe('a bar', () => {
  it('is drawn on a terminal', () => {
    const { output, stderr } = recordedOutput({ terminal: { columns: 80, rows: 24 } });
    const bar = showBar(output, { label: 'php.gpkg.tar', total: 4096, unit: 'bytes' });
    bar.advance(1024);
    bar.stop();
    expect(screen(stderr())).toEqual([
      '██████░░░░░░░░░░░░░░░░░░  25 %  php.gpkg.tar  1.0 KiB of 4.0 KiB',
      '',
    ]);
  });

  it('is a line at each quarter elsewhere', () => {
    const { output, stderr } = recordedOutput();
    const bar = showBar(output, { label: 'checking', total: 10, unit: 'packages' });
    for (let done = 1; done <= 10; done += 1) {
      bar.advance(done);
    }
    bar.stop();
    expect(stderr()).toBe(
      ['3', '5', '8', '10'].map((done) => `checking: ${done} of 10\n`).join(''),
    );
  });
});
