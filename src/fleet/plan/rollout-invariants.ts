import type { FleetMoment, MemberMoment, RolloutMoment } from './moment.ts';
import { planIdOf } from './plan-id.ts';
import { changedFarms, changedRollouts, type Violation } from './violation.ts';

const UNDER_WAY: readonly string[] = ['running', 'paused', 'aborting'];
const ENDED: readonly string[] = ['done', 'done-with-held', 'aborted'];

/** I7: what is rolled out was proven in preproduction before. */
export function lacksProof(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedRollouts(moment, before).flatMap(({ rollout, before: old }) => {
    const isNew = old === null || old.isProven !== rollout.isProven || !isUnderWay(old);
    return isUnderWay(rollout) && rollout.isProven === false && isNew
      ? [ofRollout('I7', rollout, 'something that it rolls out has no proof of preproduction')]
      : [];
  });
}

/** I8: what is rolled out is what was approved. */
export function isAnotherPlan(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedRollouts(moment, before).flatMap(({ rollout, before: old }) => {
    const { id, plan, approved } = rollout;
    const foreign = approved.filter((other) => other !== plan.id);
    const isSame = old?.plan === plan || (rollout.digest ?? planIdOf(plan)) === plan.id;
    return [
      ...(isSame ? [] : [ofRollout('I8', rollout, 'its plan was changed after it was made')]),
      ...(id === plan.id ? [] : [ofRollout('I8', rollout, `it follows the plan ${plan.id}`)]),
      ...foreign.map((other) => ofRollout('I8', rollout, `the approval is for the plan ${other}`)),
    ];
  });
}

/** I9: a step of a node runs at most once. */
export function runsTwice({ ran, sites }: FleetMoment): Violation[] {
  return ran
    .filter(({ times }) => times > 1)
    .map(({ node, step, times }) => {
      const farm = sites
        .flatMap(({ farms }) => farms)
        .find(({ members }) => members.some((member) => member.node === node));
      const where = farm === undefined ? node : `${node} of ${farm.farm}`;
      const sentence = `the step ${step} has begun ${times} times on ${where}`;
      return { invariant: 'I9', subject: node, sentence, cause: 'rollout' };
    });
}

/** I10: a member belongs to one rollout at a time, a site to one that visitors might notice. */
export function shares(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  const members = changedFarms(moment, before).flatMap(({ farm }) =>
    farm.members.filter(({ owners }) => owners.length > 1),
  );
  const active = moment.rollouts.filter(isUnderWay);
  const drains = active.filter(({ plan }) => plan.kind !== 'os-online');
  const isNew = active.some(
    (it) => !before?.rollouts.some((old) => old.id === it.id && isUnderWay(old)),
  );
  const bySite = isNew ? grouped(drains.flatMap(sitesOf), ({ site }) => site) : [];
  return [
    ...members.map(({ node, owners }): Violation => {
      const sentence = `${node} is worked on by more than one rollout: ${owners.join(', ')}`;
      return { invariant: 'I10', subject: node, sentence, cause: 'rollout' };
    }),
    ...bySite
      .filter(([, rollouts]) => rollouts.length > 1)
      .map(([site, rollouts]): Violation => {
        const ids = rollouts.map(({ id }) => id).join(', ');
        const sentence = `more than one rollout takes members of ${site} out: ${ids}`;
        return { invariant: 'I10', subject: site, sentence, cause: 'rollout' };
      }),
  ];
}

/** I11: no unit begins after more have failed than the budget allows; canaries have none. */
export function exceedsBudget(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return moment.begun.flatMap(({ rollout: id, unit }) => {
    const rollout = (before ?? moment).rollouts.find((it) => it.id === id);
    const why = rollout && spent(rollout);
    return why === undefined
      ? []
      : [
          {
            invariant: 'I11',
            subject: unit,
            sentence: `${unit} began although ${why}`,
            cause: 'rollout',
          },
        ];
  });
}

/** Why a rollout may begin nothing more; undefined: the budget is not spent. */
export function spent({ plan, failed }: RolloutMoment): string | undefined {
  const { perFarm, perProfile, total } = plan.policy.budget;
  const canary = failed.find(({ isCanary }) => isCanary);
  if (canary !== undefined) {
    return `the canary ${canary.unit} failed`;
  }
  if (failed.length > total) {
    return `${failed.length} units failed and ${total} may`;
  }
  const most = (of: 'farm' | 'profile', limit: number): string | undefined => {
    const counts = grouped(failed, (it) => it[of]);
    const over = counts.find(([, units]) => units.length > limit);
    return over && `${over[1].length} units of ${over[0]} failed and ${limit} may`;
  };
  return most('farm', perFarm) ?? most('profile', perProfile);
}

/** I12: when a rollout ends, whatever it touched serves or is held with a reason. */
export function leavesLimbo(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedRollouts(moment, before).flatMap(({ rollout, before: old }) => {
    if (!ENDED.includes(rollout.state) || (old !== null && ENDED.includes(old.state))) {
      return [];
    }
    const touched = membersOf(moment).filter(({ node }) => rollout.touched.has(node));
    const limbo = touched.filter(({ isServing, held }) => !isServing && held === null);
    const held = touched.filter((member) => member.held !== null);
    return [
      ...limbo.map(({ node }): Violation => {
        const sentence = `the rollout ${rollout.id} has ended, and ${node} neither serves nor is held`;
        return { invariant: 'I12', subject: node, sentence, cause: 'rollout' };
      }),
      ...(rollout.state === 'done' && held.length > 0
        ? [
            ofRollout(
              'I12',
              rollout,
              `it is done, and ${held.map(({ node }) => node).join(', ')} held`,
            ),
          ]
        : []),
    ];
  });
}

/** I13: a way back is a rollout like any other, after the one that it takes back has ended, and without canaries. */
export function reversesBadly(moment: FleetMoment, before: FleetMoment | null): Violation[] {
  return changedRollouts(moment, before).flatMap(({ rollout }) => {
    const { reverses, stages } = rollout.plan;
    if (reverses === null || !isUnderWay(rollout)) {
      return [];
    }
    const isThere = moment.rollouts.some((it) => it.id === reverses && isUnderWay(it));
    const canary = stages.find(({ type }) => type === 'canary');
    return [
      ...(isThere
        ? [ofRollout('I13', rollout, `it takes back ${reverses}, which has not ended`)]
        : []),
      ...(canary ? [ofRollout('I13', rollout, `it goes back and has the stage ${canary.id}`)] : []),
    ];
  });
}

/** I14: a unit that visitors might notice begins in a window of its site only. */
export function missesWindow({ begun }: FleetMoment): Violation[] {
  return begun
    .filter(({ isInWindow }) => isInWindow === false)
    .map(({ unit, site }) => {
      const sentence = `${unit} began outside the windows of ${site}`;
      return { invariant: 'I14', subject: unit, sentence, cause: 'rollout' };
    });
}

function isUnderWay({ state }: RolloutMoment): boolean {
  return UNDER_WAY.includes(state);
}

function sitesOf({ id, plan }: RolloutMoment): readonly { site: string; id: string }[] {
  const sites = new Set(plan.stages.flatMap(({ units }) => units.map(({ site }) => site)));
  return [...sites].map((site) => ({ site, id }));
}

function grouped<T>(all: readonly T[], by: (one: T) => string): readonly [string, readonly T[]][] {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(by(one));
    if (group === undefined) {
      groups.set(by(one), [one]);
    } else {
      group.push(one);
    }
  }
  return [...groups];
}

function membersOf({ sites }: FleetMoment): readonly MemberMoment[] {
  return sites.flatMap(({ farms }) => farms.flatMap(({ members }) => members));
}

function ofRollout(invariant: string, { id }: RolloutMoment, what: string): Violation {
  return { invariant, subject: id, sentence: `Rollout ${id}: ${what}`, cause: 'rollout' };
}
