import type { PhpTreeRef } from './artefact.ts';
import type { Findings } from './findings.ts';
import type { NodeCommand, Step } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import { onNodes, stepOf, TIMEOUTS } from './steps.ts';
import type { Target } from './targets.ts';

/** A node that gets a PHP tree. */
export interface PhpTarget extends Target {
  readonly tree: PhpTreeRef;
  /** The way back; null: none is active that lies on the node. */
  readonly previous: PhpTreeRef | null;
}

/** Every node with its tree. Says what is missing, and which farm would serve with three trees. */
export function phpTargets(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly PhpTarget[] {
  const trees = onePerProfile(input, targets, findings);
  const found = targets.flatMap((target): readonly PhpTarget[] => {
    const tree = trees.get(target.member.profile);
    if (tree === undefined) {
      return [];
    }
    const other = resident(target, tree.id);
    if (other !== null && other.manifest !== tree.manifest) {
      const sentence = `The PHP tree ${tree.id} on ${target.member.node} has another content (manifest ${other.manifest.slice(0, 12)}) than the one to be activated (${tree.manifest.slice(0, 12)}).`;
      findings.problem('tree-differs', target.member.node, sentence);
    }
    const { active } = target.observed.php;
    return [{ ...target, tree, previous: active === null ? null : resident(target, active) }];
  });
  refuseThird(found, input, findings);
  return found;
}

export function isActive({ observed, tree }: PhpTarget): boolean {
  return observed.php.active === tree.id;
}

/** Nothing for a node that has the tree. */
export function pullSteps(target: PhpTarget): readonly Step[] {
  const { tree, member } = target;
  const run: NodeCommand = { name: 'pull-php', tree };
  return resident(target, tree.id) === null
    ? [stepOf('pull', onNodes([member.node], run), TIMEOUTS.fetch)]
    : [];
}

function resident({ member, observed }: Target, id: string): PhpTreeRef | null {
  const tree = observed.php.resident.find((it) => it.id === id);
  return tree === undefined ? null : { profile: member.profile, id, manifest: tree.manifest };
}

function onePerProfile(
  { artefacts }: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): ReadonlyMap<string, PhpTreeRef> {
  const found = new Map<string, PhpTreeRef>();
  for (const profile of new Set(targets.map(({ member }) => member.profile))) {
    const [first, ...others] = artefacts.trees.filter((it) => it.profile === profile);
    if (first === undefined) {
      const sentence = `Nodes of the profile "${profile}" are in scope, and no PHP tree of it is given.`;
      findings.problem('tree-missing', profile, sentence);
    } else if (others.length > 0) {
      const ids = [first, ...others].map(({ id }) => id).join(', ');
      const sentence = `More than one PHP tree of "${profile}" is given: ${ids}.`;
      findings.problem('tree-ambiguous', profile, sentence);
    } else {
      found.set(profile, first);
    }
  }
  return found;
}

/** While members go from one tree to another, a farm has two; a third would be one too many. */
function refuseThird(targets: readonly PhpTarget[], input: PlanInput, findings: Findings): void {
  const wanted = new Map(targets.map(({ member, tree }) => [member.profile, tree.id]));
  for (const farm of new Set(targets.map((target) => target.farm))) {
    for (const [profile, id] of wanted) {
      const active = farm.members
        .filter((member) => member.profile === profile && !input.held.has(member.node))
        .map(({ node }) => input.observed.get(node)?.php.active ?? null)
        .filter((tree) => tree !== null);
      const all = [...new Set([...active, id])].toSorted();
      if (all.length > 2) {
        const sentence = `${farm.name} would serve with ${all.length} PHP trees of "${profile}" (${all.join(', ')}): bring its members to one of them first.`;
        findings.problem('php-mixed', farm.name, sentence);
      }
    }
  }
}
