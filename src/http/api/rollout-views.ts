import type { RolloutPlan } from '../../fleet/plan/plan.ts';
import {
  type MonitorReading,
  type RolloutRecord,
  UNIT_STATES,
  type UnitRecord,
} from '../../fleet/rollout/rollout.ts';
import type { PlanOutline, StepOutline } from '../../protocol/rollout-plans.ts';
import type { MonitorView, RolloutDetail, RolloutSummary } from '../../protocol/rollouts.ts';
import { stepOutline } from './step-outline.ts';

/** What is told of a rollout in a list. */
export function rolloutSummary(record: RolloutRecord): RolloutSummary {
  const { plan } = record;
  const units = plan.stages.flatMap((stage) => stage.units);
  return {
    ...rolloutHead(record),
    id: record.id,
    kind: plan.kind,
    createdAt: record.createdAt,
    createdBy: record.createdBy,
    reason: record.reason,
    targets: targetsOf(plan),
    reverses: plan.reverses,
    stages: plan.stages.length,
    farms: new Set(units.map(({ farm }) => farm)).size,
    nodes: new Set(units.flatMap(({ nodes }) => nodes)).size,
  };
}

/** What changes while it goes on. */
export function rolloutHead(record: RolloutRecord) {
  const { state, because, stage, approvals } = record;
  return {
    state,
    because,
    stage,
    units: unitCounts(record.units),
    approvals,
    missingApprovals: missingApprovals(record),
  };
}

export function rolloutDetail(
  record: RolloutRecord,
  monitor: MonitorReading | null,
): RolloutDetail {
  return {
    ...rolloutSummary(record),
    plan: planOutline(record.plan),
    unitRecords: record.units,
    monitor: monitorView(monitor),
  };
}

export function monitorView(reading: MonitorReading | null): MonitorView | null {
  return reading;
}

function unitCounts(units: readonly UnitRecord[]) {
  const counts = { waiting: 0, running: 0, undoing: 0, done: 0, undone: 0, held: 0, skipped: 0 };
  for (const state of UNIT_STATES) {
    counts[state] = units.filter((unit) => unit.state === state).length;
  }
  return counts;
}

/** `start`, `second` and names of stages: what the policy asks for and nobody has given. */
function missingApprovals({
  plan,
  approvals,
}: Pick<RolloutRecord, 'plan' | 'approvals'>): string[] {
  const given = new Set(approvals.map(({ of }) => of));
  const asked = plan.policy.approvals;
  const afterCanary = afterCanaryOf(plan);
  const needed = [
    ...(['start', 'second'] as const).filter((of) => asked.includes(of)),
    ...plan.stages.flatMap(({ id }, place) =>
      place > 0 &&
      (asked.includes('each-stage') || (asked.includes('after-canary') && place === afterCanary))
        ? [id]
        : [],
    ),
  ];
  return needed.filter((of) => !given.has(of));
}

/** Place of the first stage behind the canaries; for `app` the first farm is the canary. */
function afterCanaryOf({ kind, stages }: RolloutPlan): number {
  const canary =
    kind === 'app'
      ? stages.findIndex(({ type }) => type === 'farm')
      : stages.findLastIndex(({ type }) => type === 'canary');
  return canary < 0 ? -1 : canary + 1;
}

function targetsOf({ artefacts }: RolloutPlan): string[] {
  const { publications, trees, release } = artefacts;
  return [
    ...publications.map(({ profile, channel, serial }) => `${profile}/${channel}@${serial}`),
    ...trees.map(({ id }) => id),
    ...(release === null ? [] : [release.release]),
  ];
}

/** Lists of steps that are alike are told once. */
export function planOutline(plan: RolloutPlan): PlanOutline {
  const { artefacts, inventory, policy, impact, remarks } = plan;
  const procedures: StepOutline[][] = [];
  const places = new Map<string, number>();
  const stages = plan.stages.map(({ id, type, title, soakSeconds, units }) => ({
    id,
    type,
    title,
    soakSeconds,
    units: units.map((unit) => {
      const steps = unit.steps.map(stepOutline);
      const text = JSON.stringify(steps);
      const procedure = places.get(text) ?? procedures.push(steps) - 1;
      places.set(text, procedure);
      return { id: unit.id, site: unit.site, farm: unit.farm, nodes: unit.nodes, procedure };
    }),
  }));
  const farms = farmsOf(plan);
  return { artefacts, inventory, policy, impact, remarks, procedures, stages, farms };
}

/** Members in the order of their names, which is that of their indexes where names are counted. */
function farmsOf({ stages }: RolloutPlan): PlanOutline['farms'] {
  const units = stages.flatMap((stage) => stage.units);
  const sites = new Map(units.map(({ farm, site }) => [farm, site]));
  const byName = new Intl.Collator('en', { numeric: true }).compare;
  return [...sites]
    .map(([name, site]) => {
      const nodes = units.filter((unit) => unit.farm === name).flatMap((unit) => unit.nodes);
      const members = [...new Set(nodes)]
        .toSorted(byName)
        .map((node, place) => ({ node, index: place + 1 }));
      return { site, name, members };
    })
    .toSorted((a, b) => byName(a.site, b.site) || byName(a.name, b.name));
}
