import { at } from '../../src/builds/job-graph.ts';
import { compareTurns, pathLengths, type Turn, turnOf } from '../../src/builds/schedule-policy.ts';
import { Heap } from './heap.ts';
import type { MadePackage } from './package-graph.ts';

/** How the next job is chosen: as the build room does, or the one that became ready first. */
export type Order = 'critical-path' | 'first-come';

/** How long a request takes with so many equal builders that build one job at a time, in milliseconds. */
export function makespan(graph: readonly MadePackage[], builders: number, order: Order): number {
  const line = new Line(graph, order);
  const running = new Heap<{ readonly until: number; readonly index: number }>(
    (one, other) => one.until - other.until || one.index - other.index,
  );
  let now = 0;
  for (;;) {
    for (let index = line.next(); index !== undefined; index = line.next()) {
      running.push({ until: now + at(graph, index).ms, index });
      if (running.size === builders) {
        break;
      }
    }
    const done = running.pop();
    if (done === undefined) {
      return now;
    }
    now = done.until;
    line.finish(done.index);
  }
}

/** The packages of a request that can be begun, in the order in which they are. */
class Line {
  readonly #dependants: readonly (readonly number[])[];
  readonly #open: number[];
  readonly #paths: readonly number[];
  readonly #order: Order;
  readonly #ready = new Heap<Turn>(compareTurns);
  #arrivals = 0;

  constructor(graph: readonly MadePackage[], order: Order) {
    this.#dependants = dependantsOf(graph);
    this.#open = graph.map(({ needs }) => needs.length);
    this.#paths = pathLengths(
      graph.map(({ expectedMs, needs }) => ({ estimateMs: expectedMs, needs })),
    );
    this.#order = order;
    for (const [index, { needs }] of graph.entries()) {
      if (needs.length === 0) {
        this.#arrive(index);
      }
    }
  }

  next(): number | undefined {
    return this.#ready.pop()?.position;
  }

  finish(index: number): void {
    for (const dependant of at(this.#dependants, index)) {
      const left = at(this.#open, dependant) - 1;
      this.#open[dependant] = left;
      if (left === 0) {
        this.#arrive(dependant);
      }
    }
  }

  #arrive(index: number): void {
    this.#arrivals += 1;
    const turn =
      this.#order === 'first-come'
        ? this.#arrivals
        : turnOf({ requestedAt: 0, priority: 0, pathMs: at(this.#paths, index) });
    this.#ready.push({ id: String(index), position: index, turn });
  }
}

/** What no schedule can beat: the critical path, and all work shared out evenly. */
export function lowerBound(graph: readonly MadePackage[], builders: number): number {
  const paths = pathLengths(graph.map(({ ms, needs }) => ({ estimateMs: ms, needs })));
  const work = graph.reduce((sum, { ms }) => sum + ms, 0);
  return Math.max(...paths, work / builders);
}

function dependantsOf(graph: readonly MadePackage[]): number[][] {
  const dependants = graph.map((): number[] => []);
  for (const [index, { needs }] of graph.entries()) {
    for (const need of needs) {
      dependants[need]?.push(index);
    }
  }
  return dependants;
}
