import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { EFFECTS, type Impact } from '../../../src/fleet/impact/impact.ts';
import type { ImpactPackage } from '../../../src/fleet/impact/impact-package.ts';
import type { NodeView } from '../../../src/fleet/impact/runtime-use.ts';
import type { RunningService } from '../../../src/fleet/observed/observed-node.ts';
import { effectsOf, impactOf, node, pooled, running } from './made-impact.ts';

const RUNS = { numRuns: 60 };
const NUMBERS = [0, 1, 2, 3, 4, 5];
const library = (at: number, major: number): string => `lib${at}.so.${major}`;

/** A package of the random world: whether it changes, its soname before and after, and the libraries it needs. */
const packageShape = fc.record({
  changes: fc.boolean(),
  majors: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  needs: fc.subarray(NUMBERS, { maxLength: 3 }),
});
type PackageShape = typeof packageShape extends fc.Arbitrary<infer T> ? T : never;

const serviceShape = fc.record({
  program: fc.constantFrom('nginx', 'php-fpm', 'sshd', 'crond', 'dbus-daemon', 'sshd-session'),
  maps: fc.subarray(NUMBERS, { minLength: 1 }),
});
const nodeShape = fc.record({
  services: fc.option(fc.array(serviceShape, { maxLength: 4 }), { freq: 6 }),
  tree: fc.option(fc.subarray(NUMBERS, { minLength: 1 })),
});
type NodeShape = typeof nodeShape extends fc.Arbitrary<infer T> ? T : never;

const worldShape = fc.record({
  packages: fc.tuple(...NUMBERS.map(() => packageShape)),
  nodes: fc.array(nodeShape, { minLength: 1, maxLength: 5 }),
});

/** With what is before: a package that needs a library needs it with the number that it has there. */
function packagesOf(shapes: readonly PackageShape[], side: 0 | 1): ImpactPackage[] {
  return shapes.flatMap(({ changes, majors, needs }, at) => {
    const isNew = side === 1 && changes;
    const required = needs.map((other) => library(other, shapes[other]?.majors[0] ?? 1));
    return side === 1 && !changes
      ? []
      : [
          pooled(`d/p${at}-${isNew ? 2 : 1}`, {
            PROVIDES: library(at, majors[isNew ? 1 : 0]),
            // What comes needs nothing that may be gone: that would be another reason to be blocked.
            REQUIRES: isNew ? '' : required.join(' '),
          }),
        ];
  });
}

function serviceOf({
  program,
  maps,
}: {
  program: string;
  maps: readonly number[];
}): RunningService {
  return running(program, Object.fromEntries(maps.map((at) => [`/usr/lib64/${at}`, `d/p${at}-1`])));
}

function nodesOf(shapes: readonly NodeShape[], packages: readonly PackageShape[]): NodeView[] {
  return shapes.map(({ services, tree }, at) => {
    const needs = (tree ?? []).map((one) => library(one, packages[one]?.majors[0] ?? 1));
    return node(
      `web-${at}`,
      services === null ? null : services.map(serviceOf),
      tree === null ? {} : { [`t${at}`]: `x86_64: ${needs.join(' ')}` },
    );
  });
}

function impactIn(packages: readonly PackageShape[], nodes: readonly NodeView[]): Impact {
  return impactOf({
    installed: packagesOf(packages, 0),
    published: packagesOf(packages, 1),
    nodes,
  });
}

const rank = (effect: Impact['effect']): number => EFFECTS.indexOf(effect);

describe('the impact of any upgrade', () => {
  it('does not depend on the order of nodes, services and packages', () => {
    fc.assert(
      fc.property(worldShape, ({ packages, nodes: shapes }) => {
        const nodes = nodesOf(shapes, packages);
        const turned = nodes.toReversed().map((one) => ({
          ...one,
          system: one.system && { ...one.system, services: one.system.services.toReversed() },
        }));
        const world = { installed: packagesOf(packages, 0), published: packagesOf(packages, 1) };
        const other = {
          installed: world.installed.toReversed(),
          published: world.published.toReversed(),
        };
        expect(impactOf({ ...other, nodes: turned })).toEqual(impactOf({ ...world, nodes }));
      }),
      RUNS,
    );
  });

  it('is never weaker for another mapped file, another program or another node', () => {
    const more = fc.record({ service: serviceShape, at: fc.nat(), extra: nodeShape });
    fc.assert(
      fc.property(worldShape, more, ({ packages, nodes: shapes }, { service, at, extra }) => {
        const nodes = nodesOf(shapes, packages);
        const before = effectsOf(impactIn(packages, nodes));
        const touched = nodes.map((one, index) =>
          one.system !== null && index === at % nodes.length
            ? {
                ...one,
                system: {
                  ...one.system,
                  services: [...one.system.services, serviceOf(service)],
                },
              }
            : one,
        );
        const others = [...touched, ...nodesOf([...shapes, extra], packages).slice(shapes.length)];
        const after = effectsOf(impactIn(packages, others));
        expect(Object.keys(after)).toHaveLength(Object.keys(before).length);
        for (const [name, effect] of Object.entries(before)) {
          expect(rank(after[name] ?? 'none')).toBeGreaterThanOrEqual(rank(effect));
        }
      }),
      RUNS,
    );
  });

  it('is blocked exactly where a soname goes that a PHP tree or a package that stays needs', () => {
    fc.assert(
      fc.property(worldShape, ({ packages, nodes: shapes }) => {
        const needed = new Set([
          ...shapes.flatMap(({ tree }) => tree ?? []),
          ...packages.flatMap(({ changes, needs }) => (changes ? [] : needs)),
        ]);
        const blocked = packages.flatMap(({ changes, majors: [before, after] }, at) =>
          changes && before !== after && needed.has(at) ? [`d/p${at}`] : [],
        );
        const impact = impactIn(packages, nodesOf(shapes, packages));
        const found = impact.packages.filter(({ effect }) => effect === 'blocked');
        expect(found.map(({ name }) => name)).toEqual(blocked);
        expect(impact.effect === 'blocked').toBe(blocked.length > 0);
      }),
      RUNS,
    );
  });

  it('is as strong as the strongest package, and says why for each', () => {
    fc.assert(
      fc.property(worldShape, ({ packages, nodes }) => {
        const impact = impactIn(packages, nodesOf(nodes, packages));
        const ranks = impact.packages.map(({ effect }) => rank(effect));
        expect(rank(impact.effect)).toBe(Math.max(0, ...ranks));
        expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
        expect(impact.packages.every(({ reasons }) => reasons.length > 0)).toBe(true);
      }),
      RUNS,
    );
  });
});
