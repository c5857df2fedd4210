import { describe, expect, it } from '@jest/globals';
import { type KnownBuilds, planFromPortage } from '../../src/builds/plan-from-portage.ts';
import { makePlan, planPackage } from './farm.ts';

const NOTHING: KnownBuilds = new Map();

function needsByName(plan: ReturnType<typeof planFromPortage>): Record<string, string[]> {
  return Object.fromEntries(
    plan.jobs.map(({ name, needs }) => [name, needs.map((need) => plan.jobs[need]?.name ?? '?')]),
  );
}

describe('planFromPortage', () => {
  it('makes a job of each ebuild, in the order of the plan, with what Portage has to be told', () => {
    const plan = planFromPortage(makePlan(['a/y-1', 'a/x-1-r2']), NOTHING);
    expect(plan).toEqual({
      jobs: [
        { name: 'a/y-1', spec: { kind: 'portage-package', cpv: 'a/y-1', repo: 'farm' }, needs: [] },
        {
          name: 'a/x-1-r2',
          spec: { kind: 'portage-package', cpv: 'a/x-1-r2', repo: 'farm' },
          needs: [],
        },
      ],
      reused: [],
    });
  });

  it('takes each kind of edge for what it is', () => {
    const kinds = ['buildtime', 'buildtime_slot_op', 'installtime', 'runtime', 'runtime_slot_op'];
    const others = ['runtime_post', 'optional'];
    const names = [...kinds, ...others].map((kind) => `a/${kind}-1`);
    const plan = planFromPortage(
      makePlan(
        ['a/top-1', ...names],
        [
          ['a/top-1', 'a/buildtime-1', 'buildtime'],
          ['a/top-1', 'a/buildtime_slot_op-1', 'buildtime_slot_op'],
          ['a/top-1', 'a/installtime-1', 'installtime'],
          ['a/top-1', 'a/runtime-1', 'runtime'],
          ['a/top-1', 'a/runtime_slot_op-1', 'runtime_slot_op'],
          ['a/top-1', 'a/runtime_post-1', 'runtime_post'],
          ['a/top-1', 'a/optional-1', 'optional'],
        ],
      ),
      NOTHING,
    );
    expect(needsByName(plan)['a/top-1']).toEqual(kinds.map((kind) => `a/${kind}-1`));
  });

  it('lets a plug-in and its host, which recommends it, be built one after the other', () => {
    const plan = planFromPortage(
      makePlan(
        ['a/host-1', 'a/plug-1'],
        [
          ['a/plug-1', 'a/host-1', 'buildtime'],
          ['a/plug-1', 'a/host-1', 'runtime'],
          ['a/host-1', 'a/plug-1', 'runtime_post'],
        ],
      ),
      NOTHING,
    );
    expect(needsByName(plan)).toEqual({ 'a/host-1': [], 'a/plug-1': ['a/host-1'] });
  });

  it('waits for what a binary or an installed tool still needs at run time', () => {
    const plan = planFromPortage(
      makePlan(
        [
          'a/top-1',
          planPackage('a/tool-1', { type: 'installed', buildTime: 5 }),
          planPackage('a/lib-1', { type: 'binary', buildId: 2 }),
          'a/new-1',
        ],
        [
          ['a/top-1', 'a/tool-1', 'buildtime'],
          ['a/tool-1', 'a/lib-1', 'runtime'],
          ['a/lib-1', 'a/new-1', 'runtime_slot_op'],
        ],
      ),
      new Map([
        ['a/lib-1', [{ id: 'pkg-lib', buildId: 2, buildTimeSeconds: 9 }]],
        ['a/tool-1', [{ id: 'pkg-tool', buildId: 1, buildTimeSeconds: 4 }]],
      ]),
    );
    expect(needsByName(plan)['a/top-1']).toEqual(['a/new-1']);
    expect(plan.reused).toEqual(['pkg-lib']);
  });

  it('builds a package once that is to be merged into two roots', () => {
    const plan = planFromPortage(
      makePlan(
        [planPackage('a/x-1', { id: 'x' }), planPackage('a/x-1', { id: 'x@/target' }), 'a/y-1'],
        [['a/y-1', 'x@/target', 'runtime']],
      ),
      NOTHING,
    );
    expect(needsByName(plan)).toEqual({ 'a/x-1': [], 'a/y-1': ['a/x-1'] });
  });

  it.each([
    ['two packages of one id', makePlan(['a/x-1', 'a/x-1']), 'a/x-1'],
    ['an edge to nowhere', makePlan(['a/x-1'], [['a/x-1', 'a/ghost-1', 'runtime']]), 'a/ghost-1'],
    [
      'an edge from nowhere',
      makePlan(['a/x-1'], [['a/ghost-1', 'a/x-1', 'optional']]),
      'a/ghost-1',
    ],
    [
      'one version from two repositories',
      makePlan(['a/x-1', planPackage('a/x-1', { id: 'other', repo: 'overlay' })]),
      'a/x-1 from both farm and overlay',
    ],
    ['a CPV that is none', makePlan(['--config-root=x']), '--config-root=x'],
    ['a repository that is none', makePlan([planPackage('a/x-1', { repo: '../x' })]), '../x'],
  ])('refuses %s and names it', (_what, plan, named) => {
    expect(() => planFromPortage(plan, NOTHING)).toThrow(
      expect.objectContaining({ code: 'plan-invalid', message: expect.stringContaining(named) }),
    );
  });

  it('copes with 50,000 packages that need a thousand of one another each way', () => {
    const count = 50_000;
    const names = Array.from({ length: count }, (_, index) => `a/p${index}-1`);
    const edges = names.flatMap((from, index) =>
      Array.from({ length: 10 }, (_, step) => {
        const to = names[(index * 31 + step * 997) % count] ?? from;
        return [from, to, step === 0 ? 'runtime_post' : 'runtime'] as const;
      }),
    );
    const plan = planFromPortage(makePlan(names, edges), NOTHING);
    expect(plan.jobs).toHaveLength(count);
  }, 60_000);
});
