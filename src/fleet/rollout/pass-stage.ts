import type { NewEvent } from '../../journal/event.ts';
import type { StageProgress } from './load-rollout.ts';
import type { WaitReason } from './rollout.ts';
import { judgeStage } from './stage-gates.ts';
import type { UnitProgress } from './unit-journal.ts';
import type { UnitScene } from './unit-scene.ts';

/**
 * A stage whose units have ended, or are left behind, passes when it was watched and its gates say yes: undefined then,
 * otherwise what it waits for.
 */
export async function passStage(
  scene: UnitScene,
  stage: StageProgress,
  underWay: Iterable<UnitProgress>,
): Promise<readonly WaitReason[] | undefined> {
  const { ledger, context, plan } = scene;
  const { id, soakSeconds } = stage.stage;
  const now = context.time.now();
  if (stage.endedAt === null) {
    await ledger.write({
      stage: { position: stage.position, change: { ended_at: now } },
      events: [eventOf(plan.id, id, 'rollout-stage-ended')],
    });
    stage.endedAt = now;
  }
  const hasRun = stage.units.some(({ startedAt }) => startedAt !== null);
  const until = stage.endedAt + soakSeconds * 1000;
  if (hasRun && now < until) {
    return [{ kind: 'soak', unit: null, sentence: `${id} has ended and is watched.`, until }];
  }
  const because = hasRun ? await judgeStage(scene, stage, underWay) : undefined;
  if (because !== undefined) {
    await ledger.write({ pause: because });
    return [{ kind: 'gate', unit: null, sentence: because, until: null }];
  }
  await ledger.write({
    stage: { position: stage.position, change: { passed_at: now } },
    events: [eventOf(plan.id, id, 'rollout-stage-passed')],
  });
  stage.passedAt = now;
  return undefined;
}

function eventOf(rollout: string, stage: string, kind: string): NewEvent {
  const data = { rollout, stage };
  return { kind, subject: `rollout:${rollout}`, actor: 'server', data };
}
