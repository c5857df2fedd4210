import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { findCycle, stronglyConnected } from '../../src/builds/job-graph.ts';
import {
  type PlanEdge,
  type PlanNode,
  planNeeds,
  type Strength,
} from '../../src/builds/plan-needs.ts';

const STRENGTHS: readonly Strength[] = ['build', 'renew', 'install', 'run'];

/** Jobs are lower case, what is there already upper case; `a>b` to build, `a^b` to renew, `a:b` to install, `a~b` to run. */
function needsOf(names: string, ...edges: readonly string[]): Record<string, string> {
  const nodes = names.split('').map((name) => ({ name, isJob: name === name.toLowerCase() }));
  const needs = planNeeds(
    nodes,
    edges.map((edge) => ({
      from: names.indexOf(edge.charAt(0)),
      to: names.indexOf(edge.charAt(2)),
      strength: WORDS[edge.charAt(1)] ?? 'run',
    })),
  );
  return Object.fromEntries(
    nodes.flatMap(({ name, isJob }, index) =>
      isJob ? [[name, (needs[index] ?? []).map((need) => names.charAt(need)).join('')]] : [],
    ),
  );
}

const WORDS: Readonly<Record<string, Strength>> = {
  '>': 'build',
  '^': 'renew',
  ':': 'install',
  '~': 'run',
};

describe('planNeeds', () => {
  it('waits for what a package is built with and for what it runs with', () => {
    expect(needsOf('abc', 'a>b', 'a~c')).toEqual({ a: 'bc', b: '', c: '' });
  });

  it('leaves the rest of a chain to the jobs in it', () => {
    expect(needsOf('abcd', 'a>b', 'b~c', 'c~d')).toEqual({ a: 'b', b: 'c', c: 'd', d: '' });
  });

  it('looks through what is there already to what that needs at run time', () => {
    expect(needsOf('aXYbc', 'a>X', 'X~Y', 'Y~b', 'X>c')).toEqual({ a: 'b', b: '', c: '' });
  });

  it('drops run-time needs that go round, but whoever is built with one of them waits for all', () => {
    expect(needsOf('abcd', 'b~c', 'c~b', 'c~d', 'a>b')).toEqual({ a: 'bc', b: '', c: 'd', d: '' });
  });

  it('builds with what is installed where the new version would close a circle', () => {
    expect(needsOf('abc', 'a>b', 'b^a', 'c^a')).toEqual({ a: 'b', b: '', c: 'a' });
    expect(() => needsOf('ab', 'a>b', 'b>a')).toThrow('need each other to be built');
  });

  it('waits for a renewed tool where that closes no circle, and then for what it runs with', () => {
    expect(needsOf('abc', 'a^b', 'b~c')).toEqual({ a: 'b', b: 'c', c: '' });
  });

  it('keeps building needs where a circle is closed by a run-time need', () => {
    expect(needsOf('ab', 'a>b', 'b~a')).toEqual({ a: 'b', b: '' });
    expect(needsOf('ab', 'a:b', 'b~a')).toEqual({ a: 'b', b: '' });
  });

  it('gives up the closure where two packages are built with things that run with the other', () => {
    expect(needsOf('abxyz', 'a>x', 'x~b', 'b>y', 'y~a', 'x~z')).toEqual({
      a: 'xz',
      b: 'y',
      x: 'z',
      y: '',
      z: '',
    });
  });

  it('does not let a package wait for itself', () => {
    expect(needsOf('ab', 'a>a', 'a~a', 'a>b')).toEqual({ a: 'b', b: '' });
  });

  it('refuses packages that need each other to be built, and names them', () => {
    expect(() => needsOf('abcd', 'd>a', 'a>b', 'b>c', 'c>a')).toThrow(
      expect.objectContaining({
        code: 'plan-cycle',
        message: expect.stringMatching(/: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)\.$/),
      }),
    );
  });

  it('copes with 50,000 packages in one chain, and with as many on one circle', () => {
    const count = 50_000;
    const nodes: PlanNode[] = Array.from({ length: count }, (_, index) => ({
      name: `a/p-${index}`,
      isJob: true,
    }));
    const chain = nodes.slice(1).map(
      (_, index): PlanEdge => ({
        from: index,
        to: index + 1,
        strength: 'build',
      }),
    );
    expect(planNeeds(nodes, chain)[0]).toEqual([1]);
    const back: PlanEdge = { from: count - 1, to: 0, strength: 'run' };
    expect(planNeeds(nodes, [...chain, back])[count - 1]).toEqual([]);
    expect(() => planNeeds(nodes, [...chain, { ...back, strength: 'build' }])).toThrow(
      expect.objectContaining({ code: 'plan-cycle' }),
    );
  }, 30_000);

  it('refuses a plan whose closures come to more than can be kept', () => {
    const half = 5_000;
    const nodes: PlanNode[] = Array.from({ length: 2 * half }, (_, index) => ({
      name: `a/p-${index}`,
      isJob: index < half,
    }));
    const edges = Array.from({ length: half }, (_, index): PlanEdge[] => [
      { from: index, to: half, strength: 'build' },
      { from: half + index, to: (index + 1) % half, strength: 'run' },
      { from: half + index, to: Math.min(half + index + 1, 2 * half - 1), strength: 'run' },
    ]).flat();
    expect(() => planNeeds(nodes, edges)).toThrow(
      expect.objectContaining({ code: 'plan-too-large' }),
    );
  }, 30_000);

  it('holds for any plan: no circle, every building need kept, refused only for circles of building needs', () => {
    fc.assert(
      fc.property(anyPlan(), ({ nodes, edges }) => {
        const mustWait = nodes.map((_, from) =>
          edges
            .filter((edge) => edge.from === from && edge.strength === 'build' && edge.to !== from)
            .filter(({ to }) => nodes[from]?.isJob && nodes[to]?.isJob)
            .map(({ to }) => to),
        );
        if (findCycle(mustWait) !== undefined) {
          expect(() => planNeeds(nodes, edges)).toThrow(
            expect.objectContaining({ code: 'plan-cycle' }),
          );
          return;
        }
        const needs = planNeeds(nodes, edges);
        expect(findCycle(needs)).toBeUndefined();
        for (const [from, wanted] of mustWait.entries()) {
          expect(needs[from]).toEqual(expect.arrayContaining(wanted));
          expect((needs[from] ?? []).every((need) => nodes[need]?.isJob)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('without circles waits for exactly the closure that the rule names', () => {
    fc.assert(
      fc.property(anyPlan(), ({ nodes, edges }) => {
        const downhill = edges.filter(({ from, to }) => from < to);
        const firm = downhill.map(
          (edge): PlanEdge => (edge.strength === 'renew' ? { ...edge, strength: 'build' } : edge),
        );
        const needs = planNeeds(nodes, downhill);
        for (const [node, { isJob }] of nodes.entries()) {
          const expected = isJob ? closureByRule(node, nodes, firm) : new Set();
          expect(reachable(node, needs)).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('stronglyConnected', () => {
  it('lists each component after those that it leads to', () => {
    fc.assert(
      fc.property(anyPlan(), ({ nodes, edges }) => {
        const graph = nodes.map((_, node) =>
          edges.filter(({ from }) => from === node).map(({ to }) => to),
        );
        const { components, componentOf } = stronglyConnected(graph);
        expect(components.flat().toSorted((a, b) => a - b)).toEqual([...nodes.keys()]);
        for (const { from, to } of edges) {
          expect(componentOf[to]).toBeLessThanOrEqual(componentOf[from] ?? -1);
          const isMutual = reachable(from, graph).has(to) && reachable(to, graph).has(from);
          expect(componentOf[to] === componentOf[from]).toBe(isMutual || from === to);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function anyPlan(): fc.Arbitrary<{ nodes: PlanNode[]; edges: PlanEdge[] }> {
  return fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.record({
      nodes: fc
        .array(fc.boolean(), { minLength: count, maxLength: count })
        .map((jobs) => jobs.map((isJob, index) => ({ name: `a/p-${index}`, isJob }))),
      edges: fc.array(
        fc.record({
          from: fc.nat(count - 1),
          to: fc.nat(count - 1),
          strength: fc.constantFrom(...STRENGTHS),
        }),
        { maxLength: 30 },
      ),
    }),
  );
}

/** Everything that a walk from here reaches. */
function reachable(start: number, graph: readonly (readonly number[])[]): Set<number> {
  const found = new Set<number>();
  const open = [...(graph[start] ?? [])];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (!found.has(node)) {
      found.add(node);
      open.push(...(graph[node] ?? []));
    }
  }
  return found;
}

/** The rule in the plainest words: of a job all its needs count, of anything else those at run time. */
function closureByRule(
  start: number,
  nodes: readonly PlanNode[],
  edges: readonly PlanEdge[],
): Set<number> {
  const graph = nodes.map(({ isJob }, node) =>
    edges
      .filter(({ from, strength }) => from === node && (isJob || strength !== 'build'))
      .map(({ to }) => to),
  );
  return new Set([...reachable(start, graph)].filter((node) => nodes[node]?.isJob));
}
