import type { Farm } from '../inventory/inventory.ts';
import type { PhpTreeRef, ReleaseRef } from './artefact.ts';
import { grouped } from './findings.ts';
import type { PhpTarget } from './php-trees.ts';
import type { Action, AdminState, Backend, NodeCommand, Step } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import {
  awaitServing,
  finalStep,
  gateStep,
  onNodes,
  setMembers,
  stepOf,
  TIMEOUTS,
} from './steps.ts';
import type { Target } from './targets.ts';

/** A farm that goes from one backend to the other. */
export interface AppFarm {
  readonly farm: Farm;
  readonly targets: readonly Target[];
  readonly from: Backend;
  readonly to: Backend;
  /** No farm of the site serves the release yet. */
  readonly isFirst: boolean;
  /** The other farms that serve the old release. */
  readonly old: readonly string[];
}

/**
 * Nobody is in the farm while its cache and its release change. Until it is ready in the other backend, all of it can be taken back
 * unseen; from then on it stays.
 */
export function appSteps(
  app: AppFarm,
  release: ReleaseRef,
  php: ReadonlyMap<string, PhpTarget>,
  input: PlanInput,
): readonly Step[] {
  const { gates, drainSeconds } = input.policy;
  const farm = app.farm.name;
  const nodes = app.targets.map(({ member }) => member.node);
  const trees = app.targets.flatMap(({ member }) => php.get(member.node) ?? []);
  const start = onNodes(nodes, { name: 'start-web' });
  const stop = onNodes(nodes, { name: 'stop-web' });
  const back = checks(app.targets, (target) => previousRelease(target)?.release ?? null);
  return [
    ...gateStep('gate', gates, nodes),
    farmOut(app, nodes, input),
    stepOf('idle', { do: 'await-idle', nodes, farm }, drainSeconds),
    stepOf('members-maint', setMembers(nodes, 'maint'), TIMEOUTS.balancer, [
      setMembers(nodes, 'ready'),
      awaitServing(nodes),
    ]),
    stepOf('stop', stop, TIMEOUTS.web, [start, ...back]),
    stepOf('flush', { do: 'flush', farm }, TIMEOUTS.cache),
    ...phpSteps(trees),
    releaseStep(app.targets, release),
    stepOf('start', start, TIMEOUTS.web, [stop]),
    ...checkSteps(app.targets, php, release.release),
    stepOf('members-ready', setMembers(nodes, 'ready'), TIMEOUTS.balancer, [
      setMembers(nodes, 'maint'),
    ]),
    stepOf('members-serving', awaitServing(nodes), TIMEOUTS.serving),
    finalStep('farm-in', farmIn(app, input), TIMEOUTS.balancer),
    stepOf(
      'serving',
      { do: 'await-serving', nodes, farm: { name: farm, backend: app.to } },
      TIMEOUTS.serving,
    ),
    ...gateStep('gate-after', gates, nodes),
  ];
}

/** Back in where it was, what its visitors did elsewhere must not be hidden by what its cache still has. */
function farmOut(app: AppFarm, nodes: readonly string[], { policy }: PlanInput): Step {
  const farm = app.farm.name;
  const isDraining = policy.newSessions === 'upgraded-only' && !app.isFirst;
  const before: AdminState = isDraining ? 'drain' : 'ready';
  const set = (to: AdminState): Action => {
    return { do: 'set-farms', changes: [{ farm, backend: app.from, to }] };
  };
  return stepOf('farm-out', set('maint'), TIMEOUTS.balancer, [
    { do: 'flush', farm },
    set(before),
    { do: 'await-serving', nodes, farm: { name: farm, backend: app.from } },
  ]);
}

/** In one command, so that no balancer gives a new session to an old farm after the first upgraded one is ready. */
function farmIn(app: AppFarm, { policy }: PlanInput): Action {
  const isDraining = policy.newSessions === 'upgraded-only' && app.isFirst;
  const others = isDraining ? app.old : [];
  return {
    do: 'set-farms',
    changes: [
      { farm: app.farm.name, backend: app.to, to: 'ready' },
      ...others.map((farm) => ({ farm, backend: app.from, to: 'drain' as const })),
    ],
  };
}

/** One step for each profile: they have trees of their own. */
function phpSteps(targets: readonly PhpTarget[]): readonly Step[] {
  const profiles = [...grouped(targets, ({ tree }) => tree.profile).values()];
  return profiles.flatMap((of) => {
    const tree = of[0]?.tree;
    if (tree === undefined) {
      return [];
    }
    const id = profiles.length === 1 ? 'activate-php' : `activate-php-${tree.profile}`;
    const action = onNodes(
      of.map(({ member }) => member.node),
      { name: 'activate-php', tree },
    );
    const back = previousTrees(of);
    return back === null
      ? [finalStep(id, action, TIMEOUTS.activate)]
      : [stepOf(id, action, TIMEOUTS.activate, back)];
  });
}

function previousTrees(targets: readonly PhpTarget[]): readonly Action[] | null {
  const known = targets.flatMap((target) =>
    target.previous === null ? [] : [{ ...target, previous: target.previous }],
  );
  if (known.length < targets.length) {
    return null;
  }
  return [...grouped(known, ({ previous }) => previous.id).values()].flatMap((of) => {
    const tree: PhpTreeRef | undefined = of[0]?.previous;
    const run: NodeCommand | null = tree === undefined ? null : { name: 'activate-php', tree };
    return run === null
      ? []
      : [
          onNodes(
            of.map(({ member }) => member.node),
            run,
          ),
        ];
  });
}

function releaseStep(targets: readonly Target[], release: ReleaseRef): Step {
  const nodes = targets.map(({ member }) => member.node);
  const action = onNodes(nodes, { name: 'activate-release', release });
  const back = targets.map((target) => ({ target, previous: previousRelease(target) }));
  if (back.some(({ previous }) => previous === null)) {
    return finalStep('activate', action, TIMEOUTS.activate);
  }
  const undo = [...grouped(back, ({ previous }) => previous?.release ?? '').values()].flatMap(
    (of): readonly Action[] => {
      const previous = of[0]?.previous ?? null;
      const names = of.map(({ target }) => target.member.node);
      return previous === null
        ? []
        : [onNodes(names, { name: 'activate-release', release: previous })];
    },
  );
  return stepOf('activate', action, TIMEOUTS.activate, undo);
}

/** What a node serves now, if it still lies there. */
export function previousRelease({ observed }: Target): ReleaseRef | null {
  const { system } = observed;
  return system?.releases.find(({ release }) => release === system.release) ?? null;
}

function checkSteps(
  targets: readonly Target[],
  php: ReadonlyMap<string, PhpTarget>,
  release: string,
): readonly Step[] {
  const treeOf = ({ member }: Target): string => php.get(member.node)?.tree.id ?? '';
  const byTree = [...grouped(targets, treeOf)];
  return byTree.map(([tree, of], index) =>
    stepOf(
      index === 0 ? 'check' : `check-${index + 1}`,
      checkOf(of, tree === '' ? null : tree, release),
      TIMEOUTS.check,
    ),
  );
}

function checks(
  targets: readonly Target[],
  releaseOf: (target: Target) => string | null,
): readonly Action[] {
  return [...grouped(targets, (target) => releaseOf(target) ?? '')].map(([release, of]) =>
    checkOf(of, null, release === '' ? null : release),
  );
}

function checkOf(targets: readonly Target[], tree: string | null, release: string | null): Action {
  const nodes = targets.map(({ member }) => member.node);
  return onNodes(nodes, { name: 'check', tree, release, publication: null });
}
