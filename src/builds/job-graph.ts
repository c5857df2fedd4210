/** For each node, by index, those that it leads to. */
export type Graph = readonly (readonly number[])[];

export interface Components {
  /** The strongly connected components; each comes after all those that it leads to. */
  readonly components: readonly (readonly number[])[];
  /** Index of the component that a node is in. */
  readonly componentOf: readonly number[];
}

/** Tarjan's algorithm without recursion, so that a chain of 50,000 packages is no danger to the stack. */
export function stronglyConnected(graph: Graph): Components {
  const search = new ComponentSearch(graph);
  for (const root of graph.keys()) {
    search.visit(root);
  }
  return search;
}

/** The nodes of one circle of the graph, in order, or undefined when it has none. */
export function findCycle(graph: Graph): number[] | undefined {
  const { components, componentOf } = stronglyConnected(graph);
  const start = components.find(
    (members) => members.length > 1 || members.some((node) => graph[node]?.includes(node)),
  )?.[0];
  if (start === undefined) {
    return undefined;
  }
  const places = new Map<number, number>();
  const path: number[] = [];
  let node = start;
  while (!places.has(node)) {
    places.set(node, path.length);
    path.push(node);
    node = at(graph, node).find((target) => componentOf[target] === componentOf[start]) ?? start;
  }
  return path.slice(places.get(node));
}

/** `a -> b -> a`, shortened when it is long. */
export function describeCycle(names: readonly string[]): string {
  const shown = names.length > 12 ? [...names.slice(0, 11), '...'] : names;
  return [...shown, ...names.slice(0, 1)].join(' -> ');
}

/** An element that is known to be there. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index];
  if (element === undefined) {
    throw new Error(`there is no element ${index}`);
  }
  return element;
}

interface Step {
  readonly node: number;
  /** Which of the node's targets is looked at next. */
  next: number;
}

class ComponentSearch implements Components {
  readonly components: number[][] = [];
  readonly componentOf: number[];
  readonly #graph: Graph;
  /** When a node was found, and the earliest found node that it leads back to; -1 before it is found. */
  readonly #found: number[];
  readonly #low: number[];
  readonly #open: number[] = [];
  readonly #path: Step[] = [];
  #count = 0;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.componentOf = graph.map(() => -1);
    this.#found = graph.map(() => -1);
    this.#low = graph.map(() => -1);
  }

  visit(root: number): void {
    if (this.#found[root] !== -1) {
      return;
    }
    this.#enter(root);
    for (let step = this.#path.at(-1); step !== undefined; step = this.#path.at(-1)) {
      const target = this.#graph[step.node]?.[step.next];
      step.next += 1;
      if (target === undefined) {
        this.#leave(step.node);
      } else if (this.#found[target] === -1) {
        this.#enter(target);
      } else if (this.componentOf[target] === -1) {
        this.#lower(step.node, at(this.#found, target));
      }
    }
  }

  #enter(node: number): void {
    this.#found[node] = this.#count;
    this.#low[node] = this.#count;
    this.#count += 1;
    this.#open.push(node);
    this.#path.push({ node, next: 0 });
  }

  #leave(node: number): void {
    this.#path.pop();
    if (this.#low[node] === this.#found[node]) {
      const members = this.#open.splice(this.#open.lastIndexOf(node));
      for (const member of members) {
        this.componentOf[member] = this.components.length;
      }
      this.components.push(members);
    }
    const parent = this.#path.at(-1);
    if (parent !== undefined) {
      this.#lower(parent.node, at(this.#low, node));
    }
  }

  #lower(node: number, to: number): void {
    this.#low[node] = Math.min(at(this.#low, node), to);
  }
}
