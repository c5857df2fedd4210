import type { Site } from '../inventory/inventory.ts';
import { isDark } from '../plan/moment.ts';
import type { Action } from '../plan/plan.ts';
import { whyNotDark, whyNotSpared } from '../plan/spare.ts';
import { adminOfWish, standingWishes } from './fleet-store.ts';
import { farmMoment, type KnownOfMembers, siteMoment } from './live-moment.ts';
import { NodeSightings } from './node-sightings.ts';
import type { SiteReading } from './readings.ts';
import { ACTIVE_STATES } from './rollout-store.ts';
import { changesOf, nameOfServer } from './unit-actions.ts';
import { type Intent, type Outcome, Poll, type UnitScene } from './unit-scene.ts';

/** What rows say matters to invariants, not to who serves. */
const NOBODY: KnownOfMembers = {
  wishes: new Map(),
  held: new Map(),
  owners: new Map(),
  nodes: new NodeSightings(),
  farm: () => ({ flushedAt: 0, outAt: 0 }),
  flushedBefore: () => 0,
};

/**
 * Waits until who is about to be taken out can be spared, as balancers see it at this moment: others may have died since the
 * unit began. Others that are to be out are out, also while a balancer that was started anew has forgotten it. Undefined then; otherwise nothing is to be done, for this reason.
 */
export async function awaitSpare(
  scene: UnitScene,
  site: Site,
  action: Extract<Action, { do: 'set-members' | 'set-farms' }>,
  intent: Intent,
): Promise<Outcome | undefined> {
  const { time, settings } = scene.context;
  const until = Math.max(intent.deadline, intent.row.intended_at + settings.patienceSeconds * 1000);
  const poll = new Poll(scene, intent.cut);
  for (;;) {
    const seen = await scene.readings.of(site);
    const reading = seen.asWanted(await wantedOut(scene, site, action));
    scene.signal.throwIfAborted();
    const missing = whyNot(site, reading, action);
    if (missing === undefined) {
      return undefined;
    }
    if (time.now() >= until) {
      return { outcome: 'refused', output: missing };
    }
    await poll.wait(until);
    if (intent.cut.aborted) {
      return { outcome: 'aborted', output: `The rollout is aborted: ${missing}` };
    }
  }
}

/** Servers that are to be out, but for those that this is about: how these stand is what is asked. */
async function wantedOut(
  { context }: UnitScene,
  site: Site,
  action: Extract<Action, { do: 'set-members' | 'set-farms' }>,
): Promise<ReadonlyMap<string, 'drain' | 'maint'>> {
  const own = new Set(changesOf(action).map(({ server }) => nameOfServer(server)));
  const wishes = await standingWishes(context.database, site.name, ACTIVE_STATES);
  return new Map(
    wishes.flatMap((wish): [string, 'drain' | 'maint'][] => {
      const to = adminOfWish(wish);
      return to === 'ready' || own.has(wish.server) ? [] : [[wish.server, to]];
    }),
  );
}

function whyNot(
  site: Site,
  reading: SiteReading,
  action: Extract<Action, { do: 'set-members' | 'set-farms' }>,
): string | undefined {
  if (action.do === 'set-members') {
    return whyNotMembers(site, reading, action.nodes);
  }
  const moment = siteMoment(site, reading, NOBODY, undefined);
  for (const { farm: name, to } of action.changes) {
    const farm = moment.farms.find((one) => one.farm === name);
    if (to === 'maint' && farm !== undefined && !isDark(farm)) {
      const why = whyNotDark(moment, name);
      const missing = reading.silent[0] ?? (why && `${why}.`);
      if (missing !== undefined) {
        return missing;
      }
    }
  }
  return undefined;
}

/** Who is out already costs nothing. While a balancer does not answer, nobody knows who else is. */
function whyNotMembers(
  site: Site,
  reading: SiteReading,
  nodes: readonly string[],
): string | undefined {
  const serving = nodes.filter((node) => reading.member(node) !== 'out');
  const farm = site.farms.find(({ members }) => members.some(({ node }) => serving.includes(node)));
  if (farm === undefined) {
    return undefined;
  }
  if (reading.silent.length > 0) {
    return reading.silent[0];
  }
  const { peakLoad } = site;
  const moment = farmMoment(farm, { reading, known: NOBODY, before: undefined });
  const why = whyNotSpared({ peakLoad }, moment, serving);
  return why === undefined ? undefined : `${why}.`;
}
