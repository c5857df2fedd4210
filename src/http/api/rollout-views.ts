import type { Inventories } from '../../fleet/inventory/inventories.ts';
import { membersOf } from '../../fleet/inventory/inventory.ts';
import { missingApprovals } from '../../fleet/plan/approvals.ts';
import { grouped } from '../../fleet/plan/findings.ts';
import type { RolloutPlan } from '../../fleet/plan/plan.ts';
import {
  type MonitorReading,
  type RolloutRecord,
  UNIT_STATES,
  type UnitRecord,
} from '../../fleet/rollout/rollout.ts';
import type { PlanOutline, StepOutline } from '../../protocol/rollout-plans.ts';
import type { RolloutDetail, RolloutSummary } from '../../protocol/rollouts.ts';
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
    missingApprovals: missingApprovals(record.plan, new Set(approvals.map(({ of }) => of))),
  };
}

/** Numbers of members in their farms, by node, as the inventory has them now. */
export type MemberIndexes = ReadonlyMap<string, number>;

export async function memberIndexes(inventories: Inventories): Promise<MemberIndexes> {
  const revision = await inventories.current();
  const members = revision === undefined ? [] : membersOf(revision.inventory);
  return new Map(members.map(({ node, index }) => [node, index]));
}

export function rolloutDetail(
  record: RolloutRecord,
  monitor: MonitorReading | null,
  indexes: MemberIndexes,
): RolloutDetail {
  return {
    ...rolloutSummary(record),
    plan: planOutline(record.plan, indexes),
    unitRecords: record.units,
    monitor,
  };
}

function unitCounts(units: readonly UnitRecord[]) {
  const counts = { waiting: 0, running: 0, undoing: 0, done: 0, undone: 0, held: 0, skipped: 0 };
  for (const state of UNIT_STATES) {
    counts[state] = units.filter((unit) => unit.state === state).length;
  }
  return counts;
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
export function planOutline(plan: RolloutPlan, indexes: MemberIndexes): PlanOutline {
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
  const farms = farmsOf(plan, indexes);
  return { artefacts, inventory, policy, impact, remarks, procedures, stages, farms };
}

/** A farm of which the inventory does not know a member any more is counted by names. */
function farmsOf({ stages }: RolloutPlan, indexes: MemberIndexes): PlanOutline['farms'] {
  const byName = new Intl.Collator('en', { numeric: true }).compare;
  const groups = grouped(
    stages.flatMap((stage) => stage.units),
    ({ farm }) => farm,
  );
  return [...groups]
    .map(([name, units]) => {
      const nodes = [...new Set(units.flatMap((unit) => unit.nodes))].toSorted(byName);
      const isKnown = nodes.every((node) => indexes.has(node));
      const members = nodes.map((node, place) => ({
        node,
        index: (isKnown ? indexes.get(node) : undefined) ?? place + 1,
      }));
      return { site: units[0]?.site ?? '', name, members };
    })
    .toSorted((a, b) => byName(a.site, b.site) || byName(a.name, b.name));
}
