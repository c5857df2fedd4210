import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import type { NodeChange } from '../plan/plan-input.ts';

/** What has left its node as it was, as far as anybody knows. */
const WITHOUT_EFFECT = ['waiting', 'skipped', 'undone'];
const nodesSchema = z.object({ nodes: z.array(z.string()) });

/** Nodes that units of rollouts were changing after `since` (epoch milliseconds). What is only fetched changes nothing. */
export async function changedNodes(
  queries: Queries,
  since: number,
): Promise<ReadonlyMap<string, NodeChange>> {
  const rows = await queries
    .selectFrom('rollout_units')
    .innerJoin('rollout_stages', (join) =>
      join
        .onRef('rollout_stages.rollout', '=', 'rollout_units.rollout')
        .onRef('rollout_stages.position', '=', 'rollout_units.stage_position'),
    )
    .select([
      'rollout_units.rollout',
      'rollout_units.unit_json',
      'rollout_units.started_at',
      'rollout_units.ended_at',
    ])
    .where('rollout_stages.type', '!=', 'prefetch')
    .where((of) =>
      of.or([of('rollout_units.started_at', '>', since), of('rollout_units.ended_at', '>', since)]),
    )
    .where('rollout_units.state', 'not in', WITHOUT_EFFECT)
    .orderBy('rollout_units.started_at')
    .execute();
  const changed = new Map<string, NodeChange>();
  for (const { rollout, unit_json, started_at, ended_at } of rows) {
    for (const node of nodesSchema.parse(JSON.parse(unit_json)).nodes) {
      changed.set(node, { rollout, at: ended_at ?? started_at ?? since });
    }
  }
  return changed;
}
