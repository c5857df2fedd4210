import type { JobView, RequestDetail } from '../protocol/builds.ts';
import type { CommandContext } from './command-context.ts';
import { counted, formatAge, formatDuration } from './format.ts';
import { failureText, progressText, timeLeft } from './job-progress.ts';

/** One line about a request that has ended. */
export function summaryLine(request: RequestDetail): string {
  const built = request.packages.filter(({ how }) => how === 'built').length;
  const reused = request.packages.length - built;
  const leftOut = request.packages.filter((one) => one.leftOut !== null).length;
  const parts = [
    `${counted(request.packages.length, 'package')} (${built} built, ${reused} reused)`,
    ...(leftOut === 0 ? [] : [`${leftOut} left out`]),
    ...(request.publication === null
      ? []
      : [`published on ${request.publication.channel} as ${request.publication.serial}`]),
    ...(request.finishedAt === null
      ? []
      : [formatDuration(request.finishedAt - request.createdAt)]),
  ];
  return `${request.id}: ${request.state}, ${parts.join(', ')}`;
}

/** Prints a request with its jobs and packages. */
export function showRequest(request: RequestDetail, { output, clock }: CommandContext): void {
  const now = clock.now();
  output.line(`${output.paint('bold', request.id)}  ${request.state}`);
  output.line(
    `${askedFor(request)} for ${request.profile}, asked by ${request.author} ${formatAge(request.createdAt, now)}`,
  );
  if (request.priority !== 0) {
    output.line(`priority ${request.priority}`);
  }
  if (request.paused !== null) {
    const { by, reason, pausedAt } = request.paused;
    output.line(`paused by ${by} ${formatAge(pausedAt, now)}: ${reason}`);
  }
  if (request.reason !== null) {
    output.line(request.reason);
  }
  showProblems(request.problems, output);
  if (request.expectedAt !== null) {
    output.line(timeLeft(request.expectedAt, now));
  }
  if (request.jobs.length > 0) {
    output.line();
    output.table(
      [
        { title: 'JOB' },
        { title: 'NAME' },
        { title: 'STATE' },
        { title: 'TIME', align: 'right' },
        { title: 'AGENT' },
        { title: 'TRY', align: 'right' },
        { title: 'WHY' },
      ],
      request.jobs.map((job) => [
        job.id,
        job.kind === 'plan' ? 'plan' : job.name,
        job.state,
        job.startedAt === null ? '-' : formatDuration((job.finishedAt ?? now) - job.startedAt),
        job.agent ?? '-',
        String(job.attempt),
        whyOf(job, now),
      ]),
    );
  }
  showPackages(request.packages, output);
  showLeftOut(request, output);
  if (request.publication !== null) {
    const { channel, serial } = request.publication;
    output.line();
    output.line(`published on ${channel} as publication ${serial}`);
  }
}

function showLeftOut({ packages }: RequestDetail, output: CommandContext['output']): void {
  for (const { cpv, leftOut } of packages) {
    if (leftOut !== null) {
      output.line(`left out: ${cpv}. ${leftOut}`);
    }
  }
}

/** The atoms, and how they are to be resolved, as emerge would be asked. */
function askedFor({ atoms, resolve }: RequestDetail): string {
  return [...resolve.map((option) => `--${option}`), ...atoms].join(' ');
}

function showProblems(problems: RequestDetail['problems'], output: CommandContext['output']): void {
  for (const { sentence, lines, enough, advice } of problems) {
    output.line();
    output.line(`- ${sentence}`);
    if (lines.length > 0) {
      output.line(`  ${remedyTitle(lines.length, enough)}`);
      for (const { file, line } of lines) {
        output.line(`    ${file}: ${line}`);
      }
    }
    if (advice !== null) {
      output.line(`  ${advice}`);
    }
  }
}

function remedyTitle(count: number, enough: 'all' | 'one'): string {
  const which = count > 1 && enough === 'one' ? 'One of these lines' : 'This';
  return `${which} in the portage folder of the profile would help:`;
}

function showPackages(packages: RequestDetail['packages'], output: CommandContext['output']): void {
  if (packages.length > 0) {
    output.line();
    output.table(
      [{ title: 'PACKAGE' }, { title: 'BUILD', align: 'right' }, { title: 'HOW' }, { title: 'ID' }],
      packages.map(({ cpv, buildId, how, id }) => [cpv, String(buildId), how, id]),
    );
  }
  for (const { cpv, leftOut } of packages) {
    if (leftOut !== null) {
      output.line(`left out: ${cpv}. ${leftOut}`);
    }
  }
}

/** What a running job does; the first error of a failed one; else why it is as it is. And why there is such a job. */
function whyOf(job: JobView, now: number): string {
  const why = standOf(job, now);
  return [why, job.because ?? ''].filter((part) => part !== '').join(' ');
}

function standOf(job: JobView, now: number): string {
  if (job.state === 'leased') {
    return [progressText(job, now), job.reason ?? ''].filter((part) => part !== '').join('; ');
  }
  return job.state === 'failed' && job.failure !== null
    ? failureText(job.failure)
    : (job.reason ?? '');
}
