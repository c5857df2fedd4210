import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Lease, LeaseKey } from '../../src/builds/builds.ts';
import type { SearchStep } from '../../src/builds/search-logs.ts';
import { poll } from '../support/poll.ts';
import { type Farm, makePlan, makeProfile } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const MINUTE = 60_000;
const SAMPLES = join(import.meta.dirname, '../gentoo/build-logs');
const FAILED = readFileSync(join(SAMPLES, 'portage-f-compile.log'));
const BIG = { maxLogBytes: 1e7 };

type Held = Lease & { readonly key: LeaseKey };

async function write(farm: Farm, { key }: Held, text: string | Buffer): Promise<void> {
  await farm.builds.appendLog(key, 0, Buffer.from(text));
}

async function packed(farm: Farm, { jobId, attempt }: Lease): Promise<void> {
  const path = join(farm.folder, 'logs', jobId, `${attempt}.log`);
  await poll(
    `the packing of ${path}`,
    () => (!existsSync(path) && existsSync(`${path}.zst`)) || undefined,
  );
}

async function steps(
  farm: Farm,
  query: Partial<Parameters<Farm['records']['searchLogs']>[0]> & { readonly text: string },
): Promise<SearchStep[]> {
  const found: SearchStep[] = [];
  const whole = { maxMatches: 100, maxMs: 60_000, ...query };
  for await (const step of farm.records.searchLogs(whole, new AbortController().signal)) {
    found.push(step);
  }
  return found;
}

function matchesIn(found: readonly SearchStep[]): string[] {
  return found.flatMap((step) =>
    step.kind === 'match'
      ? [`${step.match.name} ${step.match.attempt}:${step.match.line} ${step.match.text}`]
      : [],
  );
}

async function failuresOf(farm: Farm, job: string) {
  return (await farm.builds.lookAtJob(job))?.failures;
}

describe('an attempt that has failed', () => {
  it('tells its first error in the event, at the job, and with the lines around it', async () => {
    const farm = await newFarm(undefined, BIG);
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    await write(farm, lease, FAILED);
    await farm.fail(lease.key);

    const failure = {
      phase: 'compile',
      line: 31,
      text: 'cc1: error: ‘-Werror=foo’: no option ‘-Wfoo’',
    };
    const event = farm.events.findLast(({ kind }) => kind === 'job-finished');
    expect(event?.data['failure']).toEqual(failure);
    expect((await failuresOf(farm, lease.jobId))?.get(lease.jobId)).toMatchObject({
      ...failure,
      attempt: 1,
    });
    await packed(farm, lease);
    const excerpt = await farm.records.excerpt({ jobId: lease.jobId, attempt: 1 });
    expect(excerpt?.lines[31 - (excerpt?.firstLine ?? 0)]).toBe(failure.text);
    expect(excerpt?.lines).toContain('make: *** [Makefile:2: all] Error 1');
    expect(excerpt?.lines.join('')).not.toContain('\u001b');
  });

  it('leads to nothing where its log says nothing, or is gone', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1', 'a/c-1']));
    const silent = await farm.take('one');
    await farm.fail(silent.key);
    expect(await failuresOf(farm, silent.jobId)).toEqual(new Map());
    expect(await farm.records.excerpt({ jobId: silent.jobId, attempt: 1 })).toBeUndefined();
    const lease = await farm.take('one');
    await write(farm, lease, 'error: x\n');
    await farm.fail(lease.key);
    await packed(farm, lease);
    farm.clock.advance(1000);
    await farm.builds.removeLeftovers({ sourcesMs: 0, logsMs: 0 });
    expect((await failuresOf(farm, lease.jobId))?.get(lease.jobId)?.text).toBe('error: x');
    expect(await farm.records.excerpt({ jobId: lease.jobId, attempt: 1 })).toBeUndefined();
  });
});

describe('the log of each attempt', () => {
  it('is kept packed, reads as before, and is packed at the next start when a kill came first', async () => {
    const farm = await newFarm(undefined, BIG);
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const first = await farm.take('one');
    await write(farm, first, 'the first try\n');
    await farm.builds.acceptResult(first.key, { outcome: 'cancelled' });
    await packed(farm, first);
    const second = await farm.take('one');
    await write(farm, second, FAILED);
    expect((await farm.records.openPackedLog({ ...second }))?.size).toBeUndefined();
    await farm.kill();

    await farm.start();
    const path = join(farm.folder, 'logs', second.jobId, '2.log');
    expect(existsSync(path)).toBe(true);
    await farm.fail(second.key);
    await packed(farm, second);

    for (const [attempt, text] of [
      [1, 'the first try\n'],
      [2, FAILED.toString()],
    ] as const) {
      const read = await farm.builds.readLog(first.jobId, { attempt, offset: 0, maxBytes: 1e6 });
      expect([read.bytes.toString(), read.isComplete]).toEqual([text, true]);
    }
  });
});

describe('the progress of a build', () => {
  it('follows its log, also through a restart', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    const names = [{ jobId: lease.jobId, attempt: 1 }];
    const now = async () => (await farm.records.progress(names)).get(lease.jobId);
    expect(await now()).toEqual({ phase: null, done: null, total: null });
    const text = '>>> Compiling source in /x ...\n[1/9] CC a\n';
    await write(farm, lease, text);
    expect(await now()).toEqual({ phase: 'compile', done: 1, total: 9 });
    const more = Buffer.from('[5/9] CC b\n[6/9');
    await farm.builds.appendLog(lease.key, text.length, more);
    expect(await now()).toEqual({ phase: 'compile', done: 5, total: 9 });
    await farm.kill();
    await farm.start();
    expect(await now()).toEqual({ phase: 'compile', done: 5, total: 9 });
  });
});

describe('the history', () => {
  it('keeps what came of every attempt, and sums it up', async () => {
    const farm = await newFarm(undefined, BIG);
    await farm.agent('one');
    await farm.agent('two');
    await farm.plan(makePlan(['a/b-1', 'a/c-2-r1']));
    const good = await farm.take('one');
    const bad = await farm.take('two');
    await write(farm, bad, FAILED);
    await farm.keepBuilding([good.key, bad.key], 5 * MINUTE);
    await farm.build(good);
    await farm.keepBuilding([bad.key], MINUTE);
    const { size } = await farm.builds.readLog(bad.jobId, { offset: 0, maxBytes: 1 });
    await farm.fail(bad.key);

    const history = await farm.records.history({ limit: 10 });
    expect(
      history.map((one) => [one.name, one.package, one.agent, one.outcome, one.failure?.phase]),
    ).toEqual([
      ['a/c-2-r1', 'a/c', 'two', 'failed', 'compile'],
      ['a/b-1', 'a/b', 'one', 'succeeded', undefined],
    ]);
    const [failed, built] = history;
    expect([failed?.finishedAt ?? 0, failed?.logBytes]).toEqual([farm.clock.now(), size]);
    expect((built?.finishedAt ?? 0) - (built?.startedAt ?? 0)).toBe(5 * MINUTE);
    expect(built?.packageBytes).toBeGreaterThan(0);

    expect(await farm.records.historyBy('agent', { limit: 10 })).toMatchObject([
      { name: 'two', attempts: 1, succeeded: 0, failed: 1, averageMs: null, spentMs: 6 * MINUTE },
      { name: 'one', attempts: 1, succeeded: 1, failed: 0, averageMs: 5 * MINUTE },
    ]);
    const one = { package: 'a/b', limit: 10 };
    expect(await farm.records.historyBy('profile', one)).toMatchObject([
      { name: 'web', attempts: 1, averageBytes: built?.packageBytes },
    ]);
    expect(await farm.records.history({ agent: 'three', limit: 10 })).toEqual([]);
    expect(await farm.records.history({ since: farm.clock.now(), limit: 10 })).toHaveLength(1);
    expect(await farm.records.history({ limit: 1 })).toHaveLength(1);
    expect(await farm.records.forgetHistory(MINUTE / 2)).toBe(2);
    expect((await farm.records.history({ limit: 10 })).map(({ name }) => name)).toEqual([
      'a/c-2-r1',
    ]);
  });

  it('says when a running request will be done, with the agents that are there', async () => {
    const farm = await newFarm([makeProfile()]);
    await farm.agent('one');
    const edges = [['a/top-1', 'a/lib-1', 'buildtime']] as const;
    await farm.plan(makePlan(['a/lib-1', 'a/top-1'], edges));
    for (const minutes of [4, 6]) {
      const lease = await farm.take('one');
      await farm.keepBuilding([lease.key], minutes * MINUTE);
      await farm.build(lease);
    }

    const plan = makePlan(
      ['a/lib-1.1', 'a/top-1.1', 'a/other-1'],
      [['a/top-1.1', 'a/lib-1.1', 'buildtime']],
    );
    const { id } = await farm.plan(plan);
    const begun = farm.clock.now();
    const lease = await farm.take('one');
    await farm.keepBuilding([lease.key], MINUTE);
    const jobs = await farm.jobs(id);
    const timeline = await farm.records.timeline(id);
    const endOf = (name: string): unknown => {
      const span = timeline?.expected.find(({ jobId }) => jobId === jobs[name]?.id);
      return span && [(span.endsAt - begun) / MINUTE, span.basis];
    };
    expect(lease.work).toMatchObject({ cpv: 'a/lib-1.1' });
    expect(endOf('a/lib-1.1')).toEqual([4, 'measured']);
    expect(timeline?.criticalPath).toEqual([jobs['a/lib-1.1']?.id, jobs['a/top-1.1']?.id]);
    expect(timeline?.criticalMs).toBe(10 * MINUTE);
    const attempts = timeline?.attempts.map(({ agent, finishedAt }) => `${agent} ${finishedAt}`);
    expect(attempts?.toSorted()).toEqual(['one null', `planner ${begun}`]);
    expect(endOf('a/other-1')).toEqual([expect.any(Number), 'guessed']);
    expect(timeline?.expectedAt).toBeGreaterThan(begun + 6 * MINUTE);
    farm.clock.advance(2 * MINUTE);
    const alone = await farm.records.timeline(id);
    expect([alone?.expected, alone?.expectedAt]).toEqual([[expect.anything()], null]);
    expect(await farm.records.timeline('req-none')).toBeUndefined();
  });
});

async function searchable(): Promise<{ farm: Farm; ids: string[]; requests: string[] }> {
  const farm = await newFarm(undefined, BIG);
  await farm.agent('one');
  const ids: string[] = [];
  const requests: string[] = [];
  for (const cpv of ['a/b-1', 'a/c-1', 'a/d-1']) {
    requests.push((await farm.plan(makePlan([cpv]))).id);
    const lease = await farm.take('one');
    ids.push(lease.jobId);
    await write(farm, lease, `one\n\u001b[31mMiss\u001b[0ming ${cpv}\nthree\nmissing\r\nend`);
    farm.clock.advance(1000);
    await farm.fail(lease.key);
    await packed(farm, lease);
  }
  return { farm, ids, requests };
}

describe('a search through logs', () => {
  it('finds lines in plain text, newest first, in one job, one request, or all', async () => {
    const { farm, ids, requests } = await searchable();
    const all = await steps(farm, { text: 'MISSING' });
    expect(matchesIn(all)).toEqual([
      'a/d-1 1:2 Missing a/d-1',
      'a/d-1 1:4 missing',
      'a/c-1 1:2 Missing a/c-1',
      'a/c-1 1:4 missing',
      'a/b-1 1:2 Missing a/b-1',
      'a/b-1 1:4 missing',
    ]);
    expect(all.at(-1)).toMatchObject({ kind: 'end', matches: 6, stoppedBy: null, next: null });
    expect(all.filter(({ kind }) => kind === 'progress').length).toBeGreaterThan(2);
    const [job = '', request = ''] = [ids[0], requests[1]];
    expect(matchesIn(await steps(farm, { text: 'end', jobId: job }))).toEqual(['a/b-1 1:5 end']);
    const ofRequest = await steps(farm, { text: 'missing a', requestId: request });
    expect(matchesIn(ofRequest)).toEqual(['a/c-1 1:2 Missing a/c-1']);
    expect(matchesIn(await steps(farm, { text: '.*' }))).toEqual([]);
  });

  it('stops after so many lines or so much time, and goes on from there', async () => {
    const { farm } = await searchable();
    const found: string[] = [];
    let after: Parameters<typeof steps>[1]['after'];
    for (let round = 0; round < 10; round += 1) {
      const part = await steps(farm, {
        text: 'missing a',
        maxMatches: 1,
        ...(after === undefined ? {} : { after }),
      });
      found.push(...matchesIn(part));
      const end = part.at(-1);
      if (end?.kind !== 'end' || end.next === null) {
        break;
      }
      expect(end.stoppedBy).toBe('matches');
      after = end.next;
    }
    expect(found).toEqual([
      'a/d-1 1:2 Missing a/d-1',
      'a/c-1 1:2 Missing a/c-1',
      'a/b-1 1:2 Missing a/b-1',
    ]);
    const stopped = await steps(farm, { text: 'missing', maxMs: 0 });
    expect(stopped.at(-1)).toMatchObject({ kind: 'end', logs: 1, stoppedBy: 'time' });
  });

  it('shows of a log that repeats itself, or has endless lines, only so much', async () => {
    const farm = await newFarm(undefined, BIG);
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    await write(
      farm,
      lease,
      `${'again\n'.repeat(1000)}${'x'.repeat(300_000)}needle${'y'.repeat(9000)}`,
    );
    expect(matchesIn(await steps(farm, { text: 'again' }))).toHaveLength(20);
    const [needle = ''] = matchesIn(await steps(farm, { text: 'needle' }));
    expect(needle).toMatch(/^a\/b-1 1:\d+ …x+needley+…$/);
    expect(needle.length).toBeLessThan(500);
  });
});
