import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  compareTurns,
  firstInTurn,
  isOpenTo,
  MAX_PRIORITY,
  PLAN_PATH_MS,
  PRIORITY_STEP_MS,
  pathLengths,
  turnOf,
} from '../../src/builds/schedule-policy.ts';

const HOUR = 3_600_000;
const LONGEST_PATH = 7 * 24 * HOUR;

interface Planned {
  readonly estimateMs: number;
  readonly needs: readonly number[];
}

/** Graphs without circles; needs lead to smaller indices, or to larger ones, as a plan may have it. */
function anyGraph(): fc.Arbitrary<Planned[]> {
  return fc
    .tuple(
      fc.boolean(),
      fc.array(fc.record({ ms: fc.nat(10_000), needs: fc.array(fc.nat(20), { maxLength: 4 }) }), {
        maxLength: 20,
      }),
    )
    .map(([isReversed, jobs]) => {
      const graph = jobs.map(({ ms, needs }, index) => ({
        estimateMs: ms,
        needs: [...new Set(needs)].filter((need) => need < index),
      }));
      const turned = (index: number): number => jobs.length - 1 - index;
      return isReversed
        ? graph.map((job) => ({ ...job, needs: job.needs.map(turned) })).toReversed()
        : graph;
    });
}

/** By the book: the longest of all ways to a job that nobody needs. */
function pathByHand(graph: readonly Planned[], index: number): number {
  const dependants = [...graph.keys()].filter((other) => graph[other]?.needs.includes(index));
  const rest = dependants.map((other) => pathByHand(graph, other));
  return (graph[index]?.estimateMs ?? 0) + Math.max(0, ...rest);
}

describe('the length of a path', () => {
  it('is the longest way to the end', () => {
    fc.assert(
      fc.property(anyGraph(), (graph) => {
        expect(pathLengths(graph)).toEqual(graph.map((_, index) => pathByHand(graph, index)));
      }),
    );
  });

  it('of a chain of 50,000 does not need a deep stack', () => {
    const chain = Array.from({ length: 50_000 }, (_, index) => ({
      estimateMs: 1,
      needs: index === 0 ? [] : [index - 1],
    }));
    expect(pathLengths(chain)[0]).toBe(50_000);
  });
});

const anyJob = fc.record({
  requestedAt: fc.integer({ min: 0, max: 2_000_000_000_000 }),
  priority: fc.integer({ min: -MAX_PRIORITY, max: MAX_PRIORITY }),
  pathMs: fc.nat(3 * LONGEST_PATH),
});

describe('the turn of a job', () => {
  it('comes sooner with a longer path, within a request', () => {
    fc.assert(
      fc.property(anyJob, fc.nat(LONGEST_PATH), fc.nat(LONGEST_PATH), (job, one, other) => {
        const turns = [one, other].map((pathMs) => turnOf({ ...job, pathMs }));
        expect(Math.sign((turns[0] ?? 0) - (turns[1] ?? 0))).toBe(Math.sign(other - one) + 0);
      }),
    );
  });

  it('cannot be put off for ever: what is asked for later than the bound never goes before it', () => {
    const bound = 2 * MAX_PRIORITY * PRIORITY_STEP_MS + LONGEST_PATH;
    fc.assert(
      fc.property(anyJob, anyJob, fc.nat(HOUR), (job, other, later) => {
        const late = { ...other, requestedAt: job.requestedAt + bound + later };
        expect(turnOf(late)).toBeGreaterThanOrEqual(turnOf(job));
      }),
    );
  });

  it('with one more step of priority is that of a request made a day earlier', () => {
    const job = { requestedAt: 1_700_000_000_000, priority: 0, pathMs: HOUR };
    expect(turnOf({ ...job, priority: 1 })).toBe(
      turnOf({ ...job, requestedAt: job.requestedAt - 24 * HOUR }),
    );
  });

  it('of a plan comes before all packages of requests of the same hour', () => {
    const plan = turnOf({ requestedAt: HOUR, priority: 0, pathMs: PLAN_PATH_MS });
    expect(plan).toBeLessThan(turnOf({ requestedAt: 0, priority: 0, pathMs: 20 * HOUR }));
  });

  it('decides; then the place in the plan, then the id', () => {
    const job = { turn: 1, position: 1, id: 'b' };
    const jobs = [job, { ...job, turn: 0, id: 'z' }, { ...job, position: 0 }, { ...job, id: 'a' }];
    expect(jobs.toSorted(compareTurns).map(({ id, position }) => `${id}${position}`)).toEqual([
      'z1',
      'b0',
      'a1',
      'b1',
    ]);
    expect(firstInTurn(jobs)?.id).toBe('z');
    expect(firstInTurn([])).toBeUndefined();
  });
});

describe('a lane of giants', () => {
  const needs = {
    profile: 'web',
    executor: 'portage',
    chost: 'x86_64-pc-linux-gnu',
    hasOwnRoot: false,
    compiler: null,
    memoryBytes: 0,
    diskBytes: 0,
    labels: [],
  } as const;
  const agent = {
    name: 'pre1',
    profiles: [],
    executors: ['portage'],
    chost: 'x86_64-pc-linux-gnu',
    compiler: null,
    memoryBytes: 1,
    diskFreeBytes: null,
    labels: [],
    hasGiant: false,
  };

  it('is closed to an agent that builds one, and open to others', () => {
    const giants = { id: 'g', needs: { ...needs, labels: [] }, isGiant: true };
    expect(isOpenTo(giants, agent)).toBe(true);
    expect(isOpenTo(giants, { ...agent, hasGiant: true })).toBe(false);
    expect(isOpenTo({ ...giants, isGiant: false }, { ...agent, hasGiant: true })).toBe(true);
    expect(isOpenTo(giants, { ...agent, executors: ['source'] })).toBe(false);
  });
});
