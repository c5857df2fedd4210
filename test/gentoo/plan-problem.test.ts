import { describe, expect, it } from '@jest/globals';
import {
  type PlanProblem,
  planProblemSchema,
  problemSentence,
  problemText,
  remedyOf,
} from '../../src/gentoo/plan-problem.ts';

const WANTED = { atom: '>=dev-libs/a-2[ssl]', neededBy: 'app-misc/b-1::gentoo' } as const;
const A = 'dev-libs/a-2::gentoo';

const SENTENCES: readonly (readonly [string, PlanProblem, string])[] = [
  ['what an old agent says', 'Something is wrong.', 'Something is wrong.'],
  ['no atom', { code: 'invalid-atom', atom: '>=a' }, '>=a is not a package atom.'],
  ['no set', { code: 'unknown-set', set: '@x' }, 'The package set @x is not known.'],
  [
    'a short name',
    { code: 'ambiguous-name', packages: ['a/x', 'b/x'] },
    'A short name fits several packages: a/x, b/x.',
  ],
  [
    'no profile',
    { code: 'no-profile' },
    'The build root has no usable profile: its make.profile leads nowhere.',
  ],
  [
    'nothing more exact',
    { code: 'unresolved' },
    'Portage could not resolve the request; the log of this job says more.',
  ],
  [
    'a missing package of the request',
    { code: 'no-such-package', atom: 'a/b', neededBy: null },
    'a/b cannot be had: no ebuild repository has a package of that name and version.',
  ],
  [
    'packages that do not fit',
    { code: 'unusable', ...WANTED, packages: [A] },
    `${WANTED.neededBy} needs ${WANTED.atom}, which cannot be had: none of ${A} fits with the rest of the plan.`,
  ],
  [
    'every kind of mask',
    {
      code: 'masked',
      ...WANTED,
      neededBy: null,
      candidates: [
        {
          package: A,
          reasons: [
            { kind: 'keywords', value: '-amd64' },
            { kind: 'license', value: 'Closed' },
            { kind: 'package-mask', value: '' },
          ],
        },
        {
          package: 'dev-libs/a-3::gentoo',
          reasons: [
            { kind: 'properties', value: 'interactive properties' },
            { kind: 'restrict', value: 'fetch in RESTRICT' },
            { kind: 'other', value: 'corruption' },
          ],
        },
      ],
      more: 4,
      fixes: [],
    },
    `${WANTED.atom} cannot be had: ${A} is masked by its keyword -amd64 and by its license Closed and by package.mask; dev-libs/a-3::gentoo is masked by its interactive properties and by fetch in RESTRICT and by corruption; and 4 more.`,
  ],
  [
    'flags that would break a rule',
    {
      code: 'use-change',
      ...WANTED,
      package: A,
      flags: ['ssl', '-static'],
      fixedFlags: [],
      breaksRequiredUse: true,
      fixes: [],
    },
    `${WANTED.neededBy} needs ${WANTED.atom}, which cannot be had: ${A} would need other USE flags: ssl -static, which its REQUIRED_USE does not allow by themselves.`,
  ],
  [
    'a broken rule of what another needs',
    {
      code: 'required-use',
      package: A,
      neededBy: 'app-misc/b-1::gentoo',
      constraint: 'any-of ( x y )',
      alternatives: [],
    },
    `The USE flags of ${A} (needed by app-misc/b-1::gentoo) break its own rule: any-of ( x y ).`,
  ],
  [
    'what is blocked by the request, installed',
    {
      code: 'blocker',
      atom: '!dev-libs/a',
      isHard: false,
      by: ['app-misc/b-1::gentoo'],
      blocked: [{ package: A, isInstalled: true }],
    },
    `app-misc/b-1::gentoo (!dev-libs/a) cannot be installed together with ${A} (installed).`,
  ],
  [
    'a slot that the request wants twice',
    {
      code: 'slot-conflict',
      slot: 'dev-libs/a:0',
      packages: [
        { package: 'dev-libs/a-1::gentoo', wantedBy: [{ by: null, atom: '=dev-libs/a-1' }] },
        { package: A, wantedBy: [] },
      ],
    },
    `The slot dev-libs/a:0 would have to hold several packages at once: dev-libs/a-1::gentoo (the request needs =dev-libs/a-1); ${A}.`,
  ],
  [
    'a circle',
    { code: 'cycle', packages: ['a/a-1::g', 'a/b-1::g'], alternatives: [] },
    'These packages need each other to be built: a/a-1::g -> a/b-1::g -> a/a-1::g.',
  ],
];

describe('problemSentence', () => {
  it.each(SENTENCES)('tells of %s', (_what, problem, sentence) => {
    expect(planProblemSchema.parse(problem)).toEqual(problem);
    expect(problemSentence(problem)).toBe(sentence);
  });
});

function line(text: string) {
  return { file: 'package.use', line: text };
}

describe('remedyOf', () => {
  it('has all lines of a mask, one of those that open a circle, and else words', () => {
    const masked: PlanProblem = {
      code: 'masked',
      ...WANTED,
      candidates: [],
      more: 0,
      fixes: [line('a/x y'), line('a/x z')],
    };
    const cycle: PlanProblem = {
      code: 'cycle',
      packages: ['a/a-1::g'],
      alternatives: [line('a/a -x'), line('a/b -x')],
    };
    expect(remedyOf(masked)).toEqual({ kind: 'all', lines: masked.fixes, advice: null });
    expect(remedyOf(cycle)).toEqual({ kind: 'one', lines: cycle.alternatives, advice: null });
    expect(problemText(masked)).toContain('"a/x y" in package.use, and "a/x z" in package.use.');
    expect(problemText(cycle)).toContain('"a/a -x" in package.use, or "a/b -x" in package.use.');
    expect(remedyOf({ ...cycle, alternatives: [] })).toMatchObject({
      lines: [],
      advice: expect.stringContaining('mask the version that closes the circle'),
    });
    expect(problemText('As it was said.')).toBe('As it was said.');
  });
});
