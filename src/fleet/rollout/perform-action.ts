import { isAppError, messageOf } from '../../support/errors.ts';
import type { Farm, Site } from '../inventory/inventory.ts';
import type { Action } from '../plan/plan.ts';
import { judgeAll } from './judge-gates.ts';
import type { SiteReading } from './readings.ts';
import { lockOf, setServers } from './set-servers.ts';
import { changesOf, type Place } from './unit-actions.ts';
import { type Intent, OK, type Outcome, Poll, type UnitScene } from './unit-scene.ts';

/** Between two judgements of a gate that nobody can tell, ms. */
const GATE_MS = 10_000;

/** Does what is not done on a node. All of it can be repeated. */
export async function performAction(
  scene: UnitScene,
  place: Place,
  action: Exclude<Action, { readonly do: 'node' }>,
  intent: Intent,
): Promise<Outcome> {
  const site = scene.fleet().site(place.unit.site);
  if (site === undefined) {
    return { outcome: 'refused', output: `The inventory has no site ${place.unit.site} any more.` };
  }
  switch (action.do) {
    case 'set-members':
    case 'set-farms':
      return await insist(scene, intent, async () => {
        const { drivers, locks } = scene.context;
        await locks.run(lockOf(site), async () => {
          scene.signal.throwIfAborted();
          await setServers(drivers.balancers, site, changesOf(action));
        });
        return OK;
      });
    case 'flush': {
      const farm = scene.fleet().farm(action.farm);
      return farm === undefined
        ? { outcome: 'refused', output: `The inventory has no farm ${action.farm} any more.` }
        : await insist(scene, intent, async () => await flush(scene, farm));
    }
    case 'await-idle':
      return await awaitIdle(scene, site, action, intent);
    case 'await-serving':
      return await awaitServing(scene, site, action, intent);
    case 'gate':
      break;
  }
  return await passGate(scene, site, action, intent);
}

const AGAIN = ['balancer-unreachable', 'cache-unreachable'];

/** Tries again while somebody does not answer, until the deadline. */
async function insist(
  scene: UnitScene,
  intent: Intent,
  act: () => Promise<Outcome>,
): Promise<Outcome> {
  const poll = new Poll(scene, intent.cut);
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      if (!AGAIN.includes(error.code) || scene.context.time.now() >= intent.deadline) {
        return { outcome: 'failed', output: messageOf(error) };
      }
    }
    await poll.wait(intent.deadline);
    if (intent.cut.aborted) {
      return { outcome: 'aborted', output: 'The rollout is aborted.' };
    }
  }
}

async function flush({ context }: UnitScene, farm: Farm): Promise<Outcome> {
  for (const endpoint of farm.memcached) {
    await context.drivers.caches.flush(farm, endpoint);
  }
  return OK;
}

interface Watch {
  /** What is missing; undefined: nothing. */
  readonly look: (reading: SiteReading) => string | undefined;
  /** What a deadline that has passed comes to. */
  readonly late: (missing: string) => Outcome;
}

/** Looks at the balancers until they say so. */
async function watchFor(
  scene: UnitScene,
  site: Site,
  intent: Intent,
  { look, late }: Watch,
): Promise<Outcome> {
  const poll = new Poll(scene, intent.cut);
  for (;;) {
    const missing = look(await scene.readings.of(site));
    scene.signal.throwIfAborted();
    if (missing === undefined) {
      return OK;
    }
    if (scene.context.time.now() >= intent.deadline) {
      return late(missing);
    }
    await poll.wait(intent.deadline);
    if (intent.cut.aborted) {
      return { outcome: 'aborted', output: `The rollout is aborted: ${missing}` };
    }
  }
}

async function awaitIdle(
  scene: UnitScene,
  site: Site,
  action: Extract<Action, { do: 'await-idle' }>,
  intent: Intent,
): Promise<Outcome> {
  const farms =
    action.farm === null ? [] : [`farm:${action.farm}:blue`, `farm:${action.farm}:green`];
  const servers = [...action.nodes.map((node) => `member:${node}`), ...farms];
  return await watchFor(scene, site, intent, {
    look: (reading) => {
      if (reading.silent.length > 0) {
        return reading.silent[0];
      }
      const busy = servers.find((server) =>
        reading.said(server).some((said) => (said?.inFlight ?? 0) > 0),
      );
      return busy === undefined ? undefined : `${busy} has requests in flight.`;
    },
    late: (missing) => ({
      outcome: scene.plan.policy.onDrainTimeout === 'cut' ? 'cut' : 'failed',
      output: missing,
    }),
  });
}

async function awaitServing(
  scene: UnitScene,
  site: Site,
  action: Extract<Action, { do: 'await-serving' }>,
  intent: Intent,
): Promise<Outcome> {
  return await watchFor(scene, site, intent, {
    look: (reading) => {
      const missing = action.nodes.find((node) => reading.member(node) !== 'serving');
      if (missing !== undefined) {
        return reading.silent[0] ?? `The balancers do not say that ${missing} is up.`;
      }
      const { farm } = action;
      return farm === null || reading.farm(farm.name, farm.backend) === 'serving'
        ? undefined
        : `The balancers do not say that ${farm.name} is up in ${farm.backend}.`;
    },
    late: (missing) => ({ outcome: 'failed', output: missing }),
  });
}

/**
 * What nobody can tell pauses the rollout, again whenever somebody has let it go on; the unit waits until somebody can tell,
 * or somebody aborts.
 */
async function passGate(
  scene: UnitScene,
  site: Site,
  action: Extract<Action, { do: 'gate' }>,
  intent: Intent,
): Promise<Outcome> {
  const question = {
    rollout: scene.plan.id,
    site,
    nodes: action.nodes,
    since: intent.row.intended_at,
  };
  for (;;) {
    const { verdict, sentence } = await judgeAll(scene.context.judges, action.gates, question);
    scene.signal.throwIfAborted();
    if (verdict === 'pass') {
      return OK;
    }
    if (verdict === 'fail') {
      return { outcome: 'failed', output: sentence };
    }
    await scene.ledger.write({ pause: sentence });
    await scene.context.time.sleep(GATE_MS, intent.cut);
    scene.signal.throwIfAborted();
    if (intent.cut.aborted) {
      return { outcome: 'aborted', output: `The rollout is aborted: ${sentence}` };
    }
  }
}
