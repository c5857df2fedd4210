import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { type JobView, jobDetailSchema, type RequestDetail } from '../../src/protocol/builds.ts';
import { journalViewSchema } from '../../src/protocol/journal.ts';
import { checkAnswerSchema } from '../../src/protocol/repository.ts';
import { digestOf } from '../../src/support/digests.ts';
import { poll } from '../../test/support/poll.ts';
import type { TestServer } from '../../test/support/rookery-process.ts';
import { BROKEN, FIRST_ERROR, GOOD, PROFILE, SKIPPED } from './judged-packages.ts';

interface RoundFaults {
  readonly found: readonly string[];
  readonly attempts: number;
  /** Those that gave nothing, and that nobody is to blame for. */
  readonly lost: number;
}

/** What is wrong with a round that has ended: the request for the graph, and the one that was cancelled. */
export async function roundFaults(
  server: TestServer,
  graph: RequestDetail,
  cancelled: RequestDetail,
): Promise<RoundFaults> {
  const found: string[] = [];
  const expect = (holds: boolean, fault: string): void => {
    if (!holds) {
      found.push(fault);
    }
  };
  expect(graph.state === 'failed', `the request is ${graph.state}: ${graph.reason}`);
  expect(graph.reason?.split(BROKEN).length === 2, `its reason is not one: ${graph.reason}`);
  expect(cancelled.state === 'cancelled', `what was cancelled is ${cancelled.state}`);
  const built = graph.packages.filter(({ how }) => how === 'built').map(({ cpv }) => cpv);
  expect(same(built, GOOD), `what was built is ${built.join(' ')}`);
  for (const job of graph.jobs.filter(({ kind }) => kind === 'package')) {
    const wanted =
      job.name === BROKEN ? 'failed' : SKIPPED.includes(job.name) ? 'skipped' : 'succeeded';
    expect(job.state === wanted, `${job.name} is ${job.state}: ${job.reason}`);
    expect(wanted !== 'skipped' || job.attempt === 0, `${job.name} was begun`);
  }
  for (const { id } of [graph, cancelled]) {
    const ends = await events(server, `request:${id}`, 'request-finished');
    expect(ends.length === 1, `the end of ${id} was told ${ends.length} times`);
  }
  const broken = graph.jobs.find(({ name }) => name === BROKEN);
  found.push(...(await failureFaults(server, broken)));
  const counted = { attempts: 0, lost: 0 };
  for (const job of [...graph.jobs, ...cancelled.jobs]) {
    const judged = await jobFaults(server, job);
    found.push(...judged.found);
    counted.attempts += judged.attempts;
    counted.lost += judged.lost;
  }
  return { found, ...counted };
}

/** The failure is reported once, with what its compiler has said first. */
async function failureFaults(server: TestServer, job: JobView | undefined): Promise<string[]> {
  if (job === undefined) {
    return [`there is no job for ${BROKEN}`];
  }
  const said = job.failure?.text ?? '';
  const blocks = await events(server, `job:${job.id}`, 'package-blocked');
  const [end] = await events(server, `job:${job.id}`, 'job-finished');
  const told = JSON.stringify(end?.data['failure'] ?? null);
  return [
    ...(said === FIRST_ERROR ? [] : [`its first error is "${said}"`]),
    ...(told.includes(FIRST_ERROR) ? [] : [`the journal tells of the error ${told}`]),
    ...(blocks.length === 1 ? [] : [`it was blocked ${blocks.length} times`]),
  ];
}

/** Of the attempts at a job one succeeded, and it is the last; or none when it did not. */
async function jobFaults(server: TestServer, job: JobView): Promise<RoundFaults> {
  const { body } = await server.call('GET', `/api/jobs/${job.id}`);
  const { attempts } = jobDetailSchema.parse(body);
  const outcomes = attempts.map(({ outcome }) => outcome);
  const successes = outcomes.filter((outcome) => outcome === 'succeeded').length;
  const failures = attempts.filter(({ fault }) => fault === 'package');
  const ends = await events(server, `job:${job.id}`, 'job-finished');
  const isRight =
    ends.length === 1 &&
    attempts.length === job.attempt &&
    !outcomes.includes(null) &&
    successes === (job.state === 'succeeded' ? 1 : 0) &&
    (successes === 0 || outcomes.at(-1) === 'succeeded') &&
    (job.name === BROKEN
      ? failures.length <= 2 && new Set(failures.map(({ agent }) => agent)).size === failures.length
      : failures.length === 0);
  const lost = attempts.filter(
    ({ outcome }) => !['succeeded', 'failed', 'cancelled'].includes(outcome ?? ''),
  ).length;
  const told = `${job.name} is ${job.state} after ${outcomes.join(', ')}, told ${ends.length} times`;
  return { found: isRight ? [] : [told], attempts: attempts.length, lost };
}

async function events(
  server: TestServer,
  subject: string,
  kind: string,
): Promise<{ readonly data: Readonly<Record<string, unknown>> }[]> {
  const query = new URLSearchParams({ subject, kind, limit: '1000' });
  const { body } = await server.call('GET', `/api/journal?${query.toString()}`);
  return journalViewSchema.parse(body).events;
}

/** What is wrong once all is over: nothing is built again, and what is published is there, whole. */
export async function finalFaults(server: TestServer, published: RequestDetail): Promise<string[]> {
  const found: string[] = [];
  const again = published.jobs.filter(({ kind }) => kind === 'package').map(({ name }) => name);
  if (published.state !== 'done' || again.length > 0) {
    found.push(
      `at last the request is ${published.state} (${published.reason}) and builds ${again.join(' ')}`,
    );
  }
  const base = `${server.url}/binhost/${PROFILE}/testing`;
  const index = parsePackagesIndex(await (await fetch(`${base}/Packages`)).text());
  const names = index.entries.map((entry) => entry.get('CPV') ?? '');
  if (!same(names, GOOD)) {
    found.push(`published is ${names.join(' ')}`);
  }
  for (const entry of index.entries) {
    const bytes = await (await fetch(`${base}/${entry.get('PATH')}`)).arrayBuffer();
    if (digestOf('sha1', Buffer.from(bytes)) !== entry.get('SHA1')) {
      found.push(`${entry.get('PATH')} is not what the index says`);
    }
  }
  return [...found, ...(await repositoryFaults(server))];
}

/** What a check of files, links and rows finds. */
async function repositoryFaults(server: TestServer): Promise<string[]> {
  await server.call('POST', '/api/repository/check', {});
  const check = await poll(
    'the check',
    async () => {
      const { body } = await server.call('GET', '/api/repository/check');
      const { check: state } = checkAnswerSchema.parse(body);
      return state === null || state.state === 'running' ? undefined : state;
    },
    60_000,
  );
  return (check.report?.findings ?? [check]).map((finding) => `check: ${JSON.stringify(finding)}`);
}

/** Each attempt has its own place, and has built there once. */
export async function placeFaults(folder: string): Promise<string[]> {
  const lines = (await readFile(join(folder, 'built.txt'), 'utf8')).trim().split('\n');
  const twice = lines.filter((line, at) => lines.indexOf(line) !== at);
  return twice.map((line) => `built twice in one attempt: ${line}`);
}

function same(found: readonly string[], wanted: readonly string[]): boolean {
  return JSON.stringify(found.toSorted()) === JSON.stringify(wanted.toSorted());
}
