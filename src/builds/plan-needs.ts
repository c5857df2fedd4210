import { AppError } from '../support/errors.ts';
import { at, describeCycle, findCycle, type Graph, stronglyConnected } from './job-graph.ts';

/**
 * How firmly a package needs another: to be built, to be built with rather than with what is installed already, where
 * it is installed, or when it runs.
 */
export type Strength = 'build' | 'renew' | 'install' | 'run';

export interface PlanNode {
  /** For people: a CPV. */
  readonly name: string;
  /** False for what is there already: nothing waits for it, but what it needs at run time counts. */
  readonly isJob: boolean;
}

/** `from` needs `to`; both are indices of nodes. */
export interface PlanEdge {
  readonly from: number;
  readonly to: number;
  readonly strength: Strength;
}

const FIRMNESS: Readonly<Record<Strength, number>> = { run: 0, install: 1, renew: 2, build: 3 };

/** Most pairs of a job and what it needs that one plan may come to, and most steps to find them. */
const MAX_PAIRS = 2_000_000;
const MAX_STEPS = 20_000_000;

/**
 * For each node the jobs that must have succeeded before it may start; none for nodes that are no jobs.
 *
 * A job waits for what it needs to be built, with everything that needs at run time at any depth, and for its own
 * run-time needs likewise. Where that leads round in a circle, run-time needs give way first, then the run-time
 * needs of what it is built and installed with, then what it is installed with, then newer versions of what it can be
 * built with as it is installed.
 *
 * Throws `plan-cycle`, naming the packages, when packages need each other to be built; `plan-too-large`.
 */
export function planNeeds(nodes: readonly PlanNode[], edges: readonly PlanEdge[]): number[][] {
  const graph = new NeedGraph(nodes, edges);
  graph.loosen('run');
  graph.narrow();
  graph.loosen('install');
  graph.loosen('renew');
  graph.refuseCycles();
  return graph.expand();
}

/**
 * Packages, which are the nodes 0 to n-1, and groups. A group stands for "these packages, and all that they need at
 * run time, are there": so a closure is kept once, and not for every job that needs it. Packages that need each
 * other at run time share a group.
 */
class NeedGraph {
  readonly #nodes: readonly PlanNode[];
  readonly #edges: readonly PlanEdge[];
  readonly #runtime: number[][];
  readonly #groupOf: readonly number[];
  readonly #waits: Map<number, Strength>[];

  constructor(nodes: readonly PlanNode[], edges: readonly PlanEdge[]) {
    this.#nodes = nodes;
    this.#edges = edges.filter(({ from, to }) => from !== to);
    this.#runtime = nodes.map(() => []);
    for (const { from, to, strength } of this.#edges) {
      if (strength === 'run' || strength === 'install') {
        at(this.#runtime, from).push(to);
      }
    }
    const { components, componentOf } = stronglyConnected(this.#runtime);
    this.#groupOf = componentOf.map((component) => nodes.length + component);
    this.#waits = [...nodes, ...components].map(() => new Map<number, Strength>());
    for (const node of nodes.keys()) {
      this.#fillGroup(node);
    }
    for (const { from, to, strength } of this.#edges) {
      if (this.#isJob(from)) {
        this.#wait(from, at(this.#groupOf, to), strength);
      }
    }
  }

  #fillGroup(node: number): void {
    const group = at(this.#groupOf, node);
    if (this.#isJob(node)) {
      this.#wait(group, node, 'build');
    }
    for (const target of at(this.#runtime, node)) {
      const next = at(this.#groupOf, target);
      if (next !== group) {
        this.#wait(group, next, 'build');
      }
    }
  }

  #isJob(node: number): boolean {
    return at(this.#nodes, node).isJob;
  }

  #isGroup(node: number): boolean {
    return node >= this.#nodes.length;
  }

  #wait(from: number, to: number, strength: Strength): void {
    const waits = at(this.#waits, from);
    const known = waits.get(to);
    if (known === undefined || FIRMNESS[strength] > FIRMNESS[known]) {
      waits.set(to, strength);
    }
  }

  #graph(): Graph {
    return this.#waits.map((waits) => [...waits.keys()]);
  }

  /** Packages drop the needs of this strength that lie on a circle. */
  loosen(strength: Strength): void {
    const { componentOf } = stronglyConnected(this.#graph());
    for (const node of this.#nodes.keys()) {
      const waits = at(this.#waits, node);
      for (const [target, known] of waits) {
        if (known === strength && componentOf[target] === componentOf[node]) {
          waits.delete(target);
        }
      }
    }
  }

  /** On the circles that are left, a job waits for what it is built and installed with, and of that one's closure for what lies off the circle. */
  narrow(): void {
    const { componentOf } = stronglyConnected(this.#graph());
    const outside = new Map<number, number>();
    for (const { from, to, strength } of this.#edges) {
      const group = at(this.#groupOf, to);
      const isOnCircle = componentOf[from] === componentOf[group];
      if (strength !== 'run' && this.#isJob(from) && isOnCircle) {
        at(this.#waits, from).delete(group);
        this.#wait(from, this.#outsideOf(group, componentOf, outside), 'build');
        if (this.#isJob(to)) {
          this.#wait(from, to, strength);
        }
      }
    }
  }

  refuseCycles(): void {
    const graph = this.#graph();
    const cycle = findCycle(graph);
    if (cycle !== undefined) {
      throw cycleError(
        cycle.filter((node) => !this.#isGroup(node)).map((node) => this.#name(node)),
      );
    }
  }

  #name(node: number): string {
    return at(this.#nodes, node).name;
  }

  #outsideOf(group: number, componentOf: readonly number[], made: Map<number, number>): number {
    const known = made.get(group);
    if (known !== undefined) {
      return known;
    }
    const targets = [...at(this.#waits, group).keys()].filter(
      (target) => this.#isGroup(target) && componentOf[target] !== componentOf[group],
    );
    const node = this.#waits.length;
    this.#waits.push(new Map(targets.map((target) => [target, 'build'])));
    made.set(group, node);
    return node;
  }

  /** Writes the groups out. What a job in a group waits for by itself is left to that job. */
  expand(): number[][] {
    const graph = this.#graph();
    const { components } = stronglyConnected(graph);
    const jobs = graph.map((): number[] => []);
    let pairs = 0;
    let steps = 0;
    for (const node of components.flat()) {
      const targets = this.#isGroup(node) ? this.#unimplied(node) : at(graph, node);
      const lists = targets.map((target) => (this.#isGroup(target) ? at(jobs, target) : [target]));
      steps += lists.reduce((sum, list) => sum + list.length, 0);
      jobs[node] = steps > MAX_STEPS ? [] : sortedUnion(lists);
      pairs += at(jobs, node).length;
      if (pairs > MAX_PAIRS || steps > MAX_STEPS) {
        throw new AppError(
          'plan-too-large',
          `The plan comes to more than ${MAX_PAIRS} pairs of a package and what it waits for.`,
        );
      }
    }
    return jobs.slice(0, this.#nodes.length);
  }

  #unimplied(group: number): number[] {
    const waits = [...at(this.#waits, group).keys()];
    const members = waits.filter((target) => !this.#isGroup(target));
    const implied = new Set(
      members
        .flatMap((member) => [...at(this.#waits, member).keys()])
        .filter((target) => target !== group),
    );
    return waits.filter((target) => !this.#isGroup(target) || !implied.has(target));
  }
}

function sortedUnion(lists: readonly (readonly number[])[]): number[] {
  const found = new Set<number>();
  for (const list of lists) {
    for (const job of list) {
      found.add(job);
    }
  }
  return [...found].toSorted((one, other) => one - other);
}

function cycleError(names: readonly string[]): AppError {
  return new AppError(
    'plan-cycle',
    `These packages need each other to be built: ${describeCycle(names)}.`,
    { details: { packages: names.slice(0, 100) } },
  );
}
