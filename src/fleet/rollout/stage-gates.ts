import { judgeAll } from './judge-gates.ts';
import type { StageProgress } from './load-rollout.ts';
import type { UnitProgress } from './unit-journal.ts';
import type { UnitScene } from './unit-scene.ts';

/**
 * Why the stage does not pass; undefined when all gates of the policy say yes for every site. `underWay`: with the barrier
 * `farm`, units of later stages may be.
 */
export async function judgeStage(
  { context, plan, fleet, signal }: UnitScene,
  stage: StageProgress,
  underWay: Iterable<UnitProgress>,
): Promise<string | undefined> {
  const changed = stage.units.filter(
    ({ state, effect }) => state === 'done' && effect.isNoticeable,
  );
  const since = Math.min(...changed.map(({ startedAt }) => startedAt ?? Infinity));
  const sites = new Set(changed.map(({ unit }) => unit.site));
  for (const name of sites) {
    const site = fleet().site(name);
    if (site !== undefined) {
      const nodes = changed.flatMap(({ unit }) => (unit.site === name ? unit.nodes : []));
      const others = [...underWay].flatMap(({ unit }) => (unit.site === name ? unit.nodes : []));
      const question = { rollout: plan.id, site, nodes, underWay: others, since };
      const { verdict, sentence } = await judgeAll(context.judges, plan.policy.gates, question);
      signal.throwIfAborted();
      if (verdict !== 'pass') {
        return `${stage.stage.id}: ${sentence}`;
      }
    }
  }
  return undefined;
}
