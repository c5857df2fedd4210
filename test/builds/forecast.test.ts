import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { estimateAll, leftOf } from '../../src/builds/estimate.ts';
import {
  criticalPath,
  type ForecastAgent,
  forecast,
  type OpenJob,
} from '../../src/builds/forecast.ts';

const NOW = 1_000_000;

function job(
  id: string,
  ms: number,
  needs: readonly string[] = [],
  agent: string | null = null,
): OpenJob {
  return { id, ms, needs, agent, executor: 'portage' };
}

function agents(...names: readonly string[]): ForecastAgent[] {
  return names.map((name) => ({ name, executors: ['portage'], freeAt: 0 }));
}

function spans(
  jobs: readonly OpenJob[],
  there: readonly ForecastAgent[],
): Record<string, number[]> {
  return Object.fromEntries(
    [...forecast(jobs, there, NOW)].map(([id, { startsAt, endsAt }]) => [
      id,
      [startsAt - NOW, endsAt - NOW],
    ]),
  );
}

describe('an estimate', () => {
  it('is what was measured here, or elsewhere, or what others take', () => {
    const known = {
      own: new Map([['a/b', 3]]),
      others: new Map([['a/c', [7]]]),
      byCategory: new Map([['a', [1, 2, 3, 4, 5]]]),
      overall: [],
    };
    expect(Object.fromEntries(estimateAll(['a/b', 'a/c', 'a/d'], known))).toEqual({
      'a/b': { ms: 3, basis: 'measured' },
      'a/c': { ms: 7, basis: 'elsewhere' },
      'a/d': { ms: 4, basis: 'guessed' },
    });
  });

  it('of what is left is never less than nothing', () => {
    const measured = { ms: 100, basis: 'measured' } as const;
    expect(leftOf(measured, { elapsedMs: 30, share: undefined })).toBe(70);
    expect(leftOf(measured, { elapsedMs: 30, share: 0.9 })).toBe(70);
    expect(leftOf(measured, { elapsedMs: 200, share: undefined })).toBe(30);
    expect(leftOf(measured, { elapsedMs: 200, share: 0.5 })).toBe(200);
    const guessed = { ms: 100, basis: 'guessed' } as const;
    expect(leftOf(guessed, { elapsedMs: 30, share: 0.25 })).toBe(90);
    expect(leftOf(guessed, { elapsedMs: 30, share: 0.01 })).toBe(70);
  });
});

describe('a forecast', () => {
  it('lets jobs run when their needs are met and an agent is free, the longest way first', () => {
    const jobs = [job('short', 10), job('lib', 20), job('top', 30, ['lib', 'elsewhere'])];
    expect(spans(jobs, agents('one'))).toEqual({ lib: [0, 20], top: [20, 50], short: [50, 60] });
    expect(spans(jobs, agents('one', 'two'))).toEqual({
      lib: [0, 20],
      short: [0, 10],
      top: [20, 50],
    });
  });

  it('counts what runs, and what agents do for others', () => {
    const busy = [{ name: 'one', executors: ['portage'], freeAt: NOW + 40 }, ...agents('two')];
    const jobs = [job('running', 15, [], 'two'), job('next', 5)];
    expect(spans(jobs, busy)).toEqual({ running: [0, 15], next: [15, 20] });
    expect(spans([job('running', 15, [], 'gone')], [])).toEqual({ running: [0, 15] });
  });

  it('leaves out what nobody can do, and what waits for it', () => {
    const source = { ...job('source', 5), executor: 'source' };
    const jobs = [source, job('top', 5, ['source']), job('other', 5)];
    expect(spans(jobs, agents('one'))).toEqual({ other: [0, 5] });
    expect(spans(jobs, [])).toEqual({});
    expect(spans([job('a', 1, ['b']), job('b', 1, ['a'])], agents('one'))).toEqual({});
  });

  it('never begins too early, never uses an agent twice, and is never shorter than it can be', () => {
    const graph = fc.array(
      fc.record({
        ms: fc.integer({ min: 1, max: 50 }),
        needs: fc.array(fc.nat(30), { maxLength: 3 }),
      }),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(graph, fc.integer({ min: 1, max: 4 }), (made, count) => {
        const jobs = made.map(({ ms, needs }, index) =>
          job(String(index), ms, needs.filter((need) => need < index).map(String)),
        );
        const found = forecast(
          jobs,
          agents(...Array.from({ length: count }, (_, i) => String(i))),
          NOW,
        );
        expect(found.size).toBe(jobs.length);
        const all = [...found.values()];
        for (const one of jobs) {
          const span = found.get(one.id) ?? { startsAt: 0, endsAt: 0 };
          expect(span.endsAt - span.startsAt).toBe(one.ms);
          for (const need of one.needs) {
            expect(found.get(need)?.endsAt).toBeLessThanOrEqual(span.startsAt);
          }
          const together = all.filter(
            (other) => other.startsAt <= span.startsAt && other.endsAt > span.startsAt,
          );
          expect(together.length).toBeLessThanOrEqual(count);
        }
        const end = Math.max(NOW, ...all.map(({ endsAt }) => endsAt));
        expect(end - NOW).toBeGreaterThanOrEqual(criticalPath(jobs).ms);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the critical path', () => {
  it('is the chain that takes longest', () => {
    const jobs = [job('a', 5), job('b', 1, ['a']), job('c', 9), job('d', 2, ['b', 'c'])];
    expect(criticalPath(jobs)).toEqual({ ids: ['c', 'd'], ms: 11 });
    expect(criticalPath([])).toEqual({ ids: [], ms: 0 });
    expect(criticalPath([job('x', 1, ['gone'])])).toEqual({ ids: ['x'], ms: 1 });
  });
});
