import type { JobView, RequestDetail } from '../protocol/builds.ts';
import type { Clock } from '../support/clock.ts';
import { formatDuration, formatSize, formatStopwatch } from './format.ts';
import { failureText, progressText } from './job-progress.ts';
import { type Color, harmless, type Output, type Terminal } from './output.ts';
import { createBlock } from './terminal-block.ts';

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const REDRAW_MS = 120;
const BAR_WIDTH = 24;
const PLAIN_BAR_STEP = 0.25;

/** Shows the jobs of a request while they go on. */
export interface JobProgress {
  readonly update: (request: RequestDetail) => void;
  /** One line that stays, above the jobs on a terminal. */
  readonly note: (text: string) => void;
  readonly stop: () => void;
}

/** Shows how far one piece of work is. */
export interface Bar {
  /** `remainingMs` is what is left, where that is known. */
  readonly advance: (done: number, remainingMs?: number | null) => void;
  readonly note: (text: string) => void;
  readonly stop: () => void;
}

/**
 * On a terminal one line per job, redrawn in place: spinner, name, state, elapsed time, agent. Elsewhere one plain
 * line at each change; what a job waits for in turn is told once. With several requests at once each line begins with its profile.
 */
export function showJobs(
  output: Output,
  clock: Clock,
  requests: 'one-request' | 'many-requests' = 'one-request',
): JobProgress {
  const { terminal } = output;
  const label: Label =
    requests === 'many-requests'
      ? (request, job) => `${request.profile}  ${jobLine(job, clock.now())}`
      : (_, job) => jobLine(job, clock.now());
  return terminal === undefined
    ? plainJobs(output, label)
    : liveJobs({ output, terminal, clock, label });
}

type Label = (request: RequestDetail, job: JobView) => string;

interface LabelledJob {
  readonly job: JobView;
  readonly text: string;
}

/** On a terminal a bar; elsewhere a line at each quarter. `unit` says what `total` counts. */
export function showBar(
  output: Output,
  work: {
    readonly label: string;
    readonly total: number;
    readonly unit: 'bytes' | 'packages' | 'rows' | 'logs';
  },
): Bar {
  return output.terminal === undefined ? plainBar(output, work) : liveBar(output.terminal, work);
}

/** One line of a job, without a spinner. */
export function jobLine(job: JobView, now: number): string {
  return `${job.kind === 'plan' ? 'plan' : job.name}: ${stateOf(job, now)}`;
}

function stateOf(job: JobView, now: number): string {
  const where = job.agent === null ? '' : ` on ${job.agent}`;
  const [doing, done] = job.kind === 'plan' ? ['planning', 'planned'] : ['building', 'built'];
  if (job.state === 'leased') {
    const parts = [job.attempt > 1 ? `attempt ${job.attempt}` : '', progressText(job, now)];
    return [`${doing}${where}`, ...parts.filter((part) => part !== '')].join(', ');
  }
  if (job.state === 'succeeded') {
    return `${done} in ${formatDuration(elapsedOf(job, now))}${where}`;
  }
  if (job.state === 'failed' && job.failure !== null) {
    return `failed in the ${failureText(job.failure)}`;
  }
  return job.reason === null ? job.state : `${job.state} - ${job.reason}`;
}

function elapsedOf(job: JobView, now: number): number {
  return job.startedAt === null ? 0 : (job.finishedAt ?? now) - job.startedAt;
}

function plainJobs(output: Output, label: Label): JobProgress {
  const said = new Map<string, string>();
  return {
    update: (request) => {
      for (const job of request.jobs) {
        const text = label(request, job);
        const news = newsOf(job, text);
        if (said.get(job.id) !== news) {
          said.set(job.id, news);
          output.note(harmless(text, 'drop-colors'));
        }
      }
    },
    note: output.note,
    stop: () => undefined,
  };
}

/** Where every line stays, not each step is told: of a running job its phases. */
function newsOf(job: JobView, text: string): string {
  if (job.state === 'leased') {
    return `${job.agent} ${job.attempt} ${job.progress?.phase}`;
  }
  return job.state === 'waiting' ? job.state : text;
}

function liveJobs(parts: {
  readonly output: Output;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly label: Label;
}): JobProgress {
  const { output, terminal, clock, label } = parts;
  const block = createBlock(terminal);
  const shown = new Map<string, RequestDetail>();
  let turn = 0;
  const render = (): string[] => {
    const jobs = [...shown.values()].flatMap((request) =>
      request.jobs.map((job) => ({ job, text: label(request, job) })),
    );
    return jobLines(jobs, { output, now: clock.now(), turn, rows: terminal.rows() - 2 });
  };
  const timer = setInterval(() => {
    turn += 1;
    block.draw(render());
  }, REDRAW_MS);
  timer.unref();
  return {
    update: (request) => {
      shown.set(request.id, request);
      block.draw(render());
    },
    note: (text) => {
      block.draw([]);
      output.note(text);
      block.draw(render());
    },
    stop: () => {
      clearInterval(timer);
      block.end(render());
    },
  };
}

interface Drawing {
  readonly output: Output;
  readonly now: number;
  readonly turn: number;
  readonly rows: number;
}

/** Those under way first when there are more jobs than rows; the rest is counted in a last line. */
function jobLines(jobs: readonly LabelledJob[], drawing: Drawing): string[] {
  const rows = Math.max(2, drawing.rows);
  if (jobs.length <= rows) {
    return jobs.map((job) => liveLine(job, drawing));
  }
  const chosen = new Set(
    jobs.toSorted((a, b) => interest(a.job) - interest(b.job)).slice(0, rows - 1),
  );
  const shown = jobs.filter((job) => chosen.has(job));
  const done = jobs.filter(({ job }) => job.state === 'succeeded').length;
  const rest = `  ${jobs.length - shown.length} more; ${done} of ${jobs.length} done`;
  return [...shown.map((job) => liveLine(job, drawing)), drawing.output.paint('dim', rest)];
}

function interest(job: JobView): number {
  return ['leased', 'failed', 'skipped', 'ready', 'waiting', 'succeeded', 'cancelled'].indexOf(
    job.state,
  );
}

const MARKS: Readonly<Record<JobView['state'], readonly [mark: string, color: Color]>> = {
  waiting: ['·', 'dim'],
  ready: ['·', 'dim'],
  leased: ['', 'cyan'],
  succeeded: ['✔', 'green'],
  failed: ['✖', 'red'],
  skipped: ['-', 'yellow'],
  cancelled: ['-', 'yellow'],
};

function liveLine({ job, text }: LabelledJob, { output, now, turn }: Drawing): string {
  const [mark, color] = MARKS[job.state];
  const sign = job.state === 'leased' ? (SPINNER[turn % SPINNER.length] ?? '') : mark;
  const time = job.startedAt === null ? '    -' : formatStopwatch(elapsedOf(job, now)).padStart(5);
  const plain = harmless(text, 'drop-colors').replaceAll('\n', ' ');
  return `${output.paint(color, sign)} ${output.paint('dim', time)}  ${plain}`;
}

interface Work {
  readonly label: string;
  readonly total: number;
  readonly unit: 'bytes' | 'packages' | 'rows' | 'logs';
}

function amount(work: Work, done: number): string {
  return work.unit === 'bytes'
    ? `${formatSize(done)} of ${formatSize(work.total)}`
    : `${done} of ${work.total}`;
}

function plainBar(output: Output, work: Work): Bar {
  let next = PLAIN_BAR_STEP;
  return {
    advance: (done) => {
      const share = work.total === 0 ? 1 : done / work.total;
      if (share >= next) {
        next = Math.floor(share / PLAIN_BAR_STEP) * PLAIN_BAR_STEP + PLAIN_BAR_STEP;
        output.note(`${work.label}: ${amount(work, done)}`);
      }
    },
    note: output.note,
    stop: () => undefined,
  };
}

function liveBar(terminal: Terminal, work: Work): Bar {
  const block = createBlock(terminal);
  let done = 0;
  let remaining: number | null = null;
  const render = (): string[] => {
    const left = remaining === null ? '' : `, ${formatDuration(remaining)} left`;
    const share = work.total === 0 ? 1 : Math.min(1, done / work.total);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
    const percent = String(Math.floor(share * 100)).padStart(3);
    return [`${bar} ${percent} %  ${work.label}  ${amount(work, done)}${left}`];
  };
  const timer = setInterval(() => {
    block.draw(render());
  }, REDRAW_MS);
  timer.unref();
  return {
    advance: (value, remainingMs = null) => {
      done = value;
      remaining = remainingMs;
    },
    note: (text) => {
      block.draw([]);
      terminal.write(`${text}\n`);
      block.draw(render());
    },
    stop: () => {
      clearInterval(timer);
      block.end(render());
    },
  };
}
