import { counted, someOf } from './findings.ts';
import type { RolloutKind, RolloutPlan, Stage, Step } from './plan.ts';

const KINDS: Readonly<Record<RolloutKind, string>> = {
  'os-online': 'Packages that no visitor notices, under traffic',
  'os-disruptive': 'Packages, member by member out of the balancers',
  php: 'The switch of PHP',
  app: 'A release of the web application, farm by farm',
};

/** A plan in sentences, one a line: what is rolled out, the stages, what was said beforehand. */
export function explainPlan(plan: RolloutPlan): readonly string[] {
  return [
    `${KINDS[plan.kind]}${plan.reverses === null ? '' : `, taking back ${plan.reverses}`}.`,
    `Plan ${plan.id}, of the inventory ${plan.inventory.slice(0, 12)}.`,
    ...artefacts(plan),
    ...changes(plan),
    ...plan.stages.map((stage) => ofStage(stage, plan)),
    ...rules(plan),
    ...plan.remarks,
  ];
}

function artefacts({
  artefacts: { publications, trees, release },
}: RolloutPlan): readonly string[] {
  return [
    ...publications.map(
      ({ profile, channel, serial, digest }) =>
        `Publication ${profile}/${channel}@${serial} (${digest.slice(0, 12)}).`,
    ),
    ...trees.map(
      ({ profile, id, manifest }) => `PHP tree ${profile}/${id} (${manifest.slice(0, 12)}).`,
    ),
    ...(release === null ? [] : [`Release ${release.release} (${release.digest.slice(0, 12)}).`]),
  ];
}

function changes({ impact }: RolloutPlan): readonly string[] {
  return impact
    .filter(({ effect }) => effect !== 'none')
    .map(
      ({ name, from, to, effect, reasons }) =>
        `${to ?? from ?? name}: ${effect}${reasons[0] === undefined ? '' : `, because ${reasons[0]}`}.`,
    );
}

/** The longest that the steps of a unit may take is no forecast, but it is known. */
function ofStage({ id, title, units, soakSeconds, type }: Stage, { kind }: RolloutPlan): string {
  const farms = new Set(units.map(({ farm }) => farm));
  const nodes = units.reduce((sum, unit) => sum + unit.nodes.length, 0);
  const steps = units.reduce<readonly Step[]>(
    (most, unit) => (unit.steps.length > most.length ? unit.steps : most),
    [],
  );
  const limit = steps.reduce((sum, { timeoutSeconds }) => sum + timeoutSeconds, 0);
  const whom = units.length === 1 ? ` (${someOf(units[0]?.nodes ?? [], 3)})` : '';
  const watched = soakSeconds === 0 ? '' : `, then watched for ${span(soakSeconds)}`;
  const atOnce =
    units.length === 1 || (kind === 'app' && type === 'farm') ? '' : ' at once, within the limits';
  return `Stage ${id}, ${title}: ${counted(nodes, 'node')}${whom} of ${counted(farms.size, 'farm')}${atOnce}; each: ${steps.map((step) => step.id).join(', ')}; at most ${span(limit)}${watched}.`;
}

function rules({ policy, kind }: RolloutPlan): readonly string[] {
  const { perFarm, perProfile, total } = policy.budget;
  const failure =
    policy.onFailure === 'undo'
      ? 'is taken back, and held when that cannot be'
      : 'is held as it is';
  return [
    `A unit that fails ${failure}. It pauses after more than ${total} failed units, ${perFarm} of a farm or ${perProfile} of a profile; a failed canary pauses it at once.`,
    ...(policy.approvals.length === 0 ? [] : [`Approvals: ${policy.approvals.join(', ')}.`]),
    ...(policy.barrier === 'farm' ? ['In waves, each farm goes on by itself.'] : []),
    ...(kind === 'app' ? [`New sessions while both releases serve: ${policy.newSessions}.`] : []),
  ];
}

/** `45 s`, `10 min`, `1 h 30 min`. */
function span(seconds: number): string {
  if (seconds < 120) {
    return `${seconds} s`;
  }
  const minutes = Math.round(seconds / 60);
  const rest = minutes % 60;
  return minutes < 60
    ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h${rest === 0 ? '' : ` ${rest} min`}`;
}
