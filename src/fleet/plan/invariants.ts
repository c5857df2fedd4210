import {
  goesBack,
  lacksSonames,
  mixesVersions,
  readsOldCache,
  tooDark,
  tooFewServing,
  tooManyOut,
} from './farm-invariants.ts';
import type { FleetMoment } from './moment.ts';
import {
  exceedsBudget,
  isAnotherPlan,
  lacksProof,
  leavesLimbo,
  missesWindow,
  reversesBadly,
  runsTwice,
  shares,
} from './rollout-invariants.ts';
import type { Violation } from './violation.ts';

/** What holds at every moment of every rollout. */
export interface Invariant {
  readonly id: string;
  readonly sentence: string;
  /**
   * Who can see it: `planner`: models only, where every visitor is known; `live`: only where rollouts really run; `both`.
   */
  readonly watch: 'planner' | 'live' | 'both';
  /** What is broken now and was not looked at in the moment before. Null: look at everything. */
  readonly isBroken: (moment: FleetMoment, before: FleetMoment | null) => Violation[];
}

export const INVARIANTS: readonly Invariant[] = [
  {
    id: 'I1',
    sentence:
      'Of a farm that takes visitors, never more members are out than it can spare, for whatever reason.',
    watch: 'both',
    isBroken: tooManyOut,
  },
  {
    id: 'I2',
    sentence:
      'Of a farm that takes visitors, as many members serve as it needs, and they bear the load.',
    watch: 'both',
    isBroken: tooFewServing,
  },
  {
    id: 'I3',
    sentence:
      'At most one farm of a site is dark, another one serves, and those that serve bear the load.',
    watch: 'both',
    isBroken: tooDark,
  },
  {
    id: 'I4',
    sentence:
      'Nobody is answered by an older release of the web application than before, and no backend mixes releases.',
    watch: 'both',
    isBroken: goesBack,
  },
  {
    id: 'I5',
    sentence:
      'A farm takes visitors only when nothing of another release, or of before it was dark, is in its cache.',
    watch: 'both',
    isBroken: readsOldCache,
  },
  {
    id: 'I6',
    sentence:
      'The members of a farm that serve have the same release, and at most two PHP trees of a profile.',
    watch: 'both',
    isBroken: mixesVersions,
  },
  {
    id: 'I7',
    sentence: 'What is rolled out was proven in preproduction.',
    watch: 'live',
    isBroken: lacksProof,
  },
  {
    id: 'I8',
    sentence: 'What is rolled out is the plan that was approved, byte for byte.',
    watch: 'both',
    isBroken: isAnotherPlan,
  },
  {
    id: 'I9',
    sentence: 'A step of a node runs at most once.',
    watch: 'both',
    isBroken: runsTwice,
  },
  {
    id: 'I10',
    sentence:
      'A member belongs to one rollout at a time, and a site to one that takes members out.',
    watch: 'both',
    isBroken: shares,
  },
  {
    id: 'I11',
    sentence: 'No unit begins after more units have failed than the budget allows.',
    watch: 'both',
    isBroken: exceedsBudget,
  },
  {
    id: 'I12',
    sentence: 'When a rollout ends, every node that it touched serves or is held with a reason.',
    watch: 'both',
    isBroken: leavesLimbo,
  },
  {
    id: 'I13',
    sentence:
      'A way back begins when the rollout that it takes back has ended, and all of this holds for it too.',
    watch: 'both',
    isBroken: reversesBadly,
  },
  {
    id: 'I14',
    sentence: 'What visitors might notice begins in a window that is long enough.',
    watch: 'live',
    isBroken: missesWindow,
  },
  {
    id: 'I15',
    sentence: 'Nothing that a PHP tree on a node needs is taken away, active or not.',
    watch: 'both',
    isBroken: lacksSonames,
  },
];

/** Everything that is broken in this moment and was not in the one before. */
export function violations(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return INVARIANTS.flatMap(({ isBroken }) => isBroken(moment, before));
}
